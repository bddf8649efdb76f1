// onnxruntime-web in a worker of its own, one thread: `wasm` or `webgpu`. One session a batch size, its batch fixed, so that
// shapes are constants to the optimizer; all graph optimizations on.

import { classes, noise, timeEmbedding } from "./model.js";

let ort, sessions, provider, bytes, embedding, count;

async function session(batch) {
  if (!sessions.has(batch)) {
    sessions.set(batch, await ort.InferenceSession.create(bytes, {
      executionProviders: [provider],
      graphOptimizationLevel: "all",
      freeDimensionOverrides: { batch },
      logSeverityLevel: 3,
      enableCpuMemArena: true,
      enableMemPattern: true,
    }));
  }
  return sessions.get(batch);
}

function feeds(batch, t) {
  return {
    x: new ort.Tensor("float32", noise(batch * 784), [batch, 1, 28, 28]),
    time: new ort.Tensor("float32", timeEmbedding(t, embedding, batch), [batch, embedding]),
    class: new ort.Tensor("int32", classes(batch, count), [batch]),
  };
}

const jobs = {
  async load(asked) {
    provider = asked.provider;
    const build = provider === "webgpu" ? "ort.webgpu.min.mjs" : "ort.wasm.min.mjs";
    ort = await import(`/npm/onnxruntime-web/dist/${build}`);
    ort.env.wasm.wasmPaths = "/npm/onnxruntime-web/dist/";
    ort.env.wasm.numThreads = 1;
    ort.env.wasm.proxy = false;
    ort.env.logLevel = "error";
    bytes = new Uint8Array(asked.onnx);
    ({ embedding, classes: count } = asked.architecture);
    sessions = new Map();
    return { version: ort.env.versions.web };
  },
  async answer({ batch, t }) {
    const { velocity } = await (await session(batch)).run(feeds(batch, t));
    return Float32Array.from(await velocity.getData());
  },
  async measure({ batch, evaluations }) {
    const ready = await session(batch), inputs = feeds(batch, 0.5);
    const began = performance.now();
    for (let i = 0; i < evaluations; i++) {
      const { velocity } = await ready.run(inputs);
      await velocity.getData();
    }
    return (performance.now() - began) / evaluations;
  },
};

onmessage = async ({ data: { job, ...asked } }) => {
  try {
    postMessage({ result: await jobs[job](asked) });
  } catch (error) {
    postMessage({ error: String(error?.stack ?? error) });
  }
};
