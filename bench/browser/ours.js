// Our worker, through the messages that the page itself sends (web/protocol). An evaluation is a step of Euler without guidance,
// timed by the worker as it times a reader's: the network, the step, and the state read back.

import { noise } from "./model.js";

const MODEL = "mnist-unet";

export class Ours {
  /** Starts a worker program of a site: {js, wasm} of its site.json. */
  static async start(program, manifest, model) {
    const ours = new Ours();
    ours.worker = new Worker("/worker.js", { type: "module" });
    ours.run = 0;
    ours.worker.onerror = (event) => ours.settle?.no(new Error(event.message));
    ours.worker.onmessage = ({ data: [text, buffer] }) => {
      const message = JSON.parse(text);
      if (["fatal", "refused", "failed"].includes(message.say)) ours.settle?.no(new Error(text));
      else if (message.say === ours.settle?.what) ours.settle.ok({ message, buffer });
    };
    const wasm = await (await fetch(`/${program.wasm}`)).arrayBuffer();
    const js = new URL(`/${program.js}`, location).href;
    await ours.ask("ready", { js, wasm }, [wasm]);
    const bytes = model.slice(0);
    await ours.ask("loaded", [JSON.stringify({ say: "load", model: MODEL, manifest }), bytes], [bytes]);
    return ours;
  }

  ask(what, message, transferred = []) {
    return new Promise((ok, no) => {
      this.settle = { what, ok, no };
      this.worker.postMessage(message, transferred);
    });
  }

  async sample(batch, steps, start, buffer) {
    const plan = `solver=euler&schedule=linear&steps=${steps}&guidance=1&seed=1&digit=any&count=${batch}&model=${MODEL}`;
    const message = { say: "sample", run: ++this.run, plan, views: false, start };
    return this.ask("done", [JSON.stringify(message), buffer], buffer ? [buffer] : []);
  }

  /** The velocity at (noise, t): what one step of Euler from t to 1 moved, over its length. */
  async answer({ batch, t }) {
    const x = noise(batch * 784);
    const { buffer } = await this.sample(batch, 1, { from: "given", at: t }, x.slice().buffer);
    // The bytes of a view may begin anywhere.
    const end = new Float32Array(buffer.slice(0));
    return end.map((value, i) => (value - x[i]) / (1 - t));
  }

  async measure({ batch, evaluations }) {
    const { message } = await this.sample(batch, evaluations, { from: "noise" }, null);
    return message.evaluation_ms;
  }
}
