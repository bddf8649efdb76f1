// TensorFlow.js in a worker of its own: `wasm` (one thread) or `webgpu`. The network of models/src/unet.rs in its operations,
// NHWC, with biases fused into convolutions; weights are turned once, when they are loaded.

/* global tf, importScripts */

let net, read;

const jobs = {
  async load({ backend, model }) {
    importScripts("/npm/@tensorflow/tfjs-core/dist/tf-core.min.js");
    importScripts(`/npm/@tensorflow/tfjs-backend-${backend}/dist/tf-backend-${backend}.min.js`);
    read = await import("/bench/model.js");
    if (backend === "wasm") {
      tf.wasm.setWasmPaths("/npm/@tensorflow/tfjs-backend-wasm/dist/");
      tf.wasm.setThreadsCount(1);
    }
    if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js has no ${backend} here`);
    await tf.ready();
    net = unet(read.readModel(model));
    return { version: tf.version_core };
  },
  async answer({ batch, t }) {
    const inputs = feeds(batch, t), out = net.forward(inputs);
    const values = await out.data();
    tf.dispose([out, ...Object.values(inputs)]);
    return Float32Array.from(values);
  },
  async measure({ batch, evaluations }) {
    const inputs = feeds(batch, 0.5);
    const began = performance.now();
    for (let i = 0; i < evaluations; i++) {
      const out = net.forward(inputs);
      await out.data();
      out.dispose();
    }
    const each = (performance.now() - began) / evaluations;
    tf.dispose(Object.values(inputs));
    return each;
  },
};

// With one channel, [batch, 28, 28, 1] has the numbers of [batch, 1, 28, 28] in the same order.
function feeds(batch, t) {
  const { embedding, classes } = net.architecture;
  return {
    x: tf.tensor4d(read.noise(batch * 784), [batch, 28, 28, 1]),
    time: tf.tensor2d(read.timeEmbedding(t, embedding, batch), [batch, embedding]),
    labels: tf.tensor1d(read.classes(batch, classes), "int32"),
  };
}

function unet({ architecture, tensors }) {
  const { groups, patch, channels, blocks, up_blocks, middle_blocks, attention_heads: heads } = architecture;
  const tensor = (name) => tf.tensor(tensors.get(name).values, tensors.get(name).shape);
  const linear = (name) => {
    const [w, b] = [tensor(`${name}.weight`), tensor(`${name}.bias`)];
    return (x) => tf.fused.matMul({ a: x, b: w, bias: b });
  };
  const perPixel = (name) => {
    const w = tensor(`${name}.weight`), b = tensor(`${name}.bias`), [from, to] = w.shape;
    return (x) => tf.reshape(tf.fused.matMul({ a: tf.reshape(x, [-1, from]), b: w, bias: b }), [x.shape[0], -1, to]);
  };
  // `order` sorts the outputs: depth-to-space takes a channel's four parts side by side here, and one after another in TF.js.
  const conv = (name, stride = 1, order = null) => {
    const turned = tf.transpose(tensor(`${name}.weight`), [2, 3, 1, 0]);
    const w = order ? tf.gather(turned, tf.tensor1d(order, "int32"), 3) : turned;
    const bias = tensors.get(`${name}.bias`).values;
    const b = tf.tensor1d(order ? order.map((i) => bias[i]) : bias);
    const pad = w.shape[0] >> 1;
    const edges = pad === 0 ? "valid" : stride === 1 ? "same" : [[0, 0], [pad, pad], [pad, pad], [0, 0]];
    return (x) => tf.fused.conv2d({ x, filter: w, bias: b, strides: stride, pad: edges });
  };
  const silu = (x) => tf.mul(x, tf.sigmoid(x));
  const normalized = (x) => {
    const [batch, height, width, c] = x.shape;
    const grouped = tf.reshape(x, [batch, height * width, groups, c / groups]);
    const { mean, variance } = tf.moments(grouped, [1, 3], true);
    return tf.reshape(tf.mul(tf.sub(grouped, mean), tf.rsqrt(tf.add(variance, 1e-5))), x.shape);
  };
  const groupNorm = (name) => {
    const gamma = tensor(`${name}.gamma`), beta = tensor(`${name}.beta`);
    return (x) => tf.add(tf.mul(normalized(x), gamma), beta);
  };
  const residual = (name) => {
    const norm1 = groupNorm(`${name}.norm1`), conv1 = conv(`${name}.conv1`), conv2 = conv(`${name}.conv2`);
    const project = tensors.has(`${name}.project.weight`) ? conv(`${name}.project`) : null;
    const width = tensors.get(`${name}.conv1.weight`).shape[0];
    return { width, forward(x, [scale, shift]) {
      const h = normalized(conv1(silu(norm1(x))));
      const moved = tf.add(tf.mul(h, tf.add(scale, 1)), shift);
      return tf.add(project ? project(x) : x, conv2(silu(moved)));
    } };
  };
  const range = (count, make) => Array.from({ length: count }, (_, i) => make(i));
  const down = channels.map((_, l) => range(blocks, (b) => residual(`down.${l}.blocks.${b}`)));
  const middle = range(middle_blocks, (b) => residual(`middle.${b}`));
  const pairs = channels.slice(1);
  const up = pairs.map((_, l) => range(up_blocks, (b) => residual(`up.${l}.blocks.${b}`)));
  const shrink = pairs.map((_, l) => conv(`shrink.${l}`, 2));
  const grow = pairs.map((_, l) => {
    const out = tensors.get(`grow.${l}.bias`).shape[0] / 4;
    return conv(`grow.${l}`, 1, range(4 * out, (i) => (i % out) * 4 + Math.floor(i / out)));
  });
  const norm = groupNorm("norm"), input = conv("input"), output = conv("output");
  const time1 = linear("time1"), time2 = linear("time2"), modulation = linear("modulation");
  const table = tensor("class.weight");
  const widths = [...down.flat(), ...middle, ...up.flat()].flatMap((block) => [block.width, block.width]);
  const attentionNorm = heads ? groupNorm("attention.norm") : null;
  const attentionIn = heads ? perPixel("attention.query_key_value") : null;
  const attentionOut = heads ? perPixel("attention.output") : null;
  const attention = (x) => {
    const [batch, height, width, c] = x.shape, tokens = height * width, head = c / heads;
    const qkv = attentionIn(tf.reshape(attentionNorm(x), [batch, tokens, c]));
    const byHead = (part) => tf.transpose(tf.reshape(part, [batch, tokens, heads, head]), [0, 2, 1, 3]);
    const [q, k, v] = tf.split(qkv, 3, 2).map(byHead);
    const weights = tf.softmax(tf.matMul(tf.mul(q, head ** -0.5), k, false, true));
    const mixed = tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [batch, tokens, c]);
    return tf.add(x, tf.reshape(attentionOut(mixed), x.shape));
  };
  const forward = ({ x, time, labels }) => tf.tidy(() => {
    const batch = x.shape[0];
    const embedded = tf.add(time2(silu(time1(time))), tf.gather(table, labels));
    const parts = tf.split(modulation(silu(embedded)), widths, 1).map((part) => tf.reshape(part, [batch, 1, 1, -1]));
    let at = 0;
    const through = (list, h) => list.reduce((state, block) => {
      at += 2;
      return block.forward(state, parts.slice(at - 2, at));
    }, h);
    const side = 28 / patch;
    const blocked = tf.transpose(tf.reshape(x, [batch, side, patch, side, patch]), [0, 1, 3, 2, 4]);
    let h = tf.reshape(blocked, [batch, side, side, patch * patch]);
    h = input(h);
    const skips = [];
    down.forEach((level, l) => {
      h = through(level, h);
      if (shrink[l]) {
        skips.push(h);
        h = shrink[l](h);
      }
    });
    if (heads) h = attention(h);
    h = through(middle, h);
    grow.forEach((enlarge, l) => {
      h = tf.concat([tf.depthToSpace(enlarge(h), 2), skips.pop()], 3);
      h = through(up[l], h);
    });
    return tf.depthToSpace(output(silu(norm(h))), patch);
  });
  return { architecture, forward };
}

onmessage = async ({ data: { job, ...asked } }) => {
  try {
    postMessage({ result: await jobs[job](asked) });
  } catch (error) {
    postMessage({ error: String(error?.stack ?? error) });
  }
};
