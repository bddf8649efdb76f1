// Runs in the page that the bench opens: starts the variants, checks that they agree with our CPU worker, and asks them in turn.

import { Ours } from "./ours.js";
import { readModel } from "./model.js";

/** Milliseconds that one variant is asked for in one turn, as far as whole evaluations allow. */
const TURN_MS = 400;
/** Evaluations of a turn at most. */
const MOST = 100;

class Rival {
  static async start(file, type, load) {
    const rival = new Rival();
    rival.worker = new Worker(file, { type });
    rival.facts = await rival.ask("load", load);
    return rival;
  }

  ask(job, asked) {
    return new Promise((ok, no) => {
      this.worker.onerror = (event) => no(new Error(event.message || "the worker did not start"));
      this.worker.onmessage = ({ data }) => (data.error ? no(new Error(data.error)) : ok(data.result));
      this.worker.postMessage({ job, ...asked });
    });
  }

  answer(asked) {
    return this.ask("answer", asked);
  }

  measure(asked) {
    return this.ask("measure", asked);
  }
}

const bytes = async (address) => {
  const reply = await fetch(address);
  if (!reply.ok) throw new Error(`${address}: ${reply.status}`);
  return reply.arrayBuffer();
};

const within = (ms, what, work) => {
  let timer;
  const late = new Promise((_, no) => (timer = setTimeout(() => no(new Error(`${what}: nothing after ${ms / 1000} s`)), ms)));
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
};

/** The greatest difference of two answers; Infinity if one is not a number or they are of different length. */
export function greatestDifference(a, b) {
  if (a.length !== b.length || a.length === 0) return Infinity;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
  }
  return worst;
}

async function variants(site, model) {
  const manifest = await (await fetch("/models/manifest.json")).text();
  const { architecture } = readModel(model);
  const onnx = await bytes("/made/network.onnx");
  const ort = (provider) => () => Rival.start("/bench/ort.js", "module", { provider, onnx, architecture });
  const tf = (backend) => () => Rival.start("/bench/tf.js", "classic", { backend, model });
  return [
    ["ours-cpu", () => Ours.start(site.cpu, manifest, model)],
    ["ort-wasm", ort("wasm")],
    ["tfjs-wasm", tf("wasm")],
    ["ours-gpu", () => {
      if (!site.gpu) throw new Error("the site has no GPU worker");
      return Ours.start(site.gpu, manifest, model);
    }],
    ["ort-webgpu", ort("webgpu")],
    ["tfjs-webgpu", tf("webgpu")],
  ];
}

/** The graphics adapter in words; null where there is none. */
export async function adapter() {
  const found = await navigator.gpu?.requestAdapter();
  if (!found) return null;
  const { vendor, architecture, device, description } = found.info;
  return [vendor, architecture, device, description].filter(Boolean).join(" ");
}

/**
 * {groups: [{variants: [{id, version, failed, differences: {batch: number}, ms: {batch: [numbers]}}]}]}
 *
 * A group is {only, batches, turns}: its variants take turns, so that what else the machine does meets them alike. Every answer
 * is compared with that of our CPU worker, which must run.
 */
export async function bench({ groups, tolerance }, log) {
  const site = await (await fetch("/site.json")).json();
  const model = await bytes("/models/mnist-unet.safetensors");
  const all = new Map(await variants(site, model));
  const machines = new Map(), found = [];
  const t = 0.5, expected = new Map();
  const reference = await within(180_000, "our CPU worker", all.get("ours-cpu")());
  machines.set("ours-cpu", reference);
  for (const { only, batches, turns } of groups) {
    const list = [];
    for (const id of only) {
      const variant = { id, version: null, failed: null, differences: {}, ms: {} };
      list.push(variant);
      try {
        if (!machines.has(id)) machines.set(id, await within(180_000, "starting", all.get(id)()));
        const machine = machines.get(id);
        variant.version = machine.facts?.version ?? null;
        for (const batch of batches) {
          if (!expected.has(batch)) expected.set(batch, await reference.answer({ batch, t }));
          const began = performance.now();
          const answer = await within(300_000, `a batch of ${batch}`, machine.answer({ batch, t }));
          const difference = greatestDifference(answer, expected.get(batch));
          variant.differences[batch] = Math.min(difference, Number.MAX_VALUE);
          if (!(difference <= tolerance)) {
            variant.disagrees = true;
            throw new Error(`its answer to a batch of ${batch} is ${difference} off; accepted is ${tolerance}`);
          }
          const took = Math.round(performance.now() - began);
          log(`${id}: batch ${batch}, ${difference.toExponential(1)} off, first answer after ${took} ms`);
        }
      } catch (error) {
        variant.failed = firstLine(error);
        log(`${id}: ${variant.failed}`);
      }
    }
    await taken(list.filter((variant) => !variant.failed), machines, batches, turns, log);
    found.push({ variants: list });
  }
  return { groups: found };
}

/** Asks the variants in turn, another one first each time, and notes the mean of each turn. */
async function taken(running, machines, batches, turns, log) {
  for (const batch of batches) {
    for (const variant of running) variant.ms[batch] = [];
    for (let turn = 0; turn < turns; turn++) {
      for (let i = 0; i < running.length; i++) {
        const variant = running[(i + turn) % running.length];
        if (variant.failed) continue;
        const machine = machines.get(variant.id);
        try {
          // The first evaluation warms up, and says how many fit into a turn.
          const first = await within(300_000, "an evaluation", machine.measure({ batch, evaluations: 1 }));
          const evaluations = Math.max(1, Math.min(MOST, Math.round(TURN_MS / Math.max(first, 0.1))));
          variant.ms[batch].push(await within(300_000, "a turn", machine.measure({ batch, evaluations })));
        } catch (error) {
          variant.failed = firstLine(error);
          log(`${variant.id}: ${variant.failed}`);
        }
      }
    }
    log(`batch ${batch}: ${running.map(({ id, ms }) => `${id} ${middle(ms[batch])}`).join(", ")}`);
  }
}

const firstLine = (error) => String(error?.message ?? error).split("\n")[0];

const middle = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? `${sorted[sorted.length >> 1].toFixed(2)} ms` : "none";
};
