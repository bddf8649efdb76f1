// The shipped model file, read in the browser: int8 weights with a scale a row or a column, and halves (docs/model-format.md).
// And what every variant is asked: the embedding of time, noise and classes.

/** {architecture, tensors: Map of name to {shape, values: Float32Array}} of a model file's bytes. */
export function readModel(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const architecture = JSON.parse(header.__metadata__["flow-digits.architecture"]);
  delete header.__metadata__;
  const raw = (name) => {
    const { dtype, shape, data_offsets: [start, end] } = header[name];
    const bytes = buffer.slice(8 + length + start, 8 + length + end);
    if (dtype === "F32") return { shape, values: new Float32Array(bytes) };
    if (dtype === "I8") return { shape, values: Float32Array.from(new Int8Array(bytes)) };
    if (dtype === "F16") return { shape, values: Float32Array.from(new Uint16Array(bytes), half) };
    throw new Error(`${name} is of type ${dtype}; this reads F32, F16 and I8`);
  };
  const tensors = new Map();
  for (const name of Object.keys(header)) {
    if (name.endsWith(".scale")) continue;
    const tensor = raw(name);
    if (header[`${name}.scale`]) scale(tensor, raw(`${name}.scale`));
    tensors.set(name, tensor);
  }
  return { architecture, tensors };
}

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

// Scales stand along the axis that isn't 1.
function scale({ shape, values }, scales) {
  const axis = scales.shape.findIndex((size) => size > 1);
  if (axis < 0) {
    values.forEach((value, i) => (values[i] = value * scales.values[0]));
    return;
  }
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  values.forEach((value, i) => (values[i] = value * scales.values[Math.floor(i / inner) % shape[axis]]));
}

/** The embedding of one time for every image of a batch; as models/src/layers/time_embedding.rs. */
export function timeEmbedding(t, width, batch) {
  const one = new Float32Array(width), half = width / 2;
  for (let i = 0; i < half; i++) {
    const frequency = Math.fround(1000 * Math.exp((-Math.log(10000) * i) / half));
    const angle = Math.fround(Math.fround(t) * frequency);
    one[i] = Math.cos(angle);
    one[half + i] = Math.sin(angle);
  }
  const all = new Float32Array(batch * width);
  for (let image = 0; image < batch; image++) all.set(one, image * width);
  return all;
}

/** Numbers like noise (a sum of uniform ones), always the same. */
export function noise(count) {
  const values = new Float32Array(count);
  let state = 0x2545f491;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < count; i++) {
    let sum = -6;
    for (let j = 0; j < 12; j++) sum += uniform();
    values[i] = sum;
  }
  return values;
}

/** The classes of a batch: in turn, as a plan with the digit `any` has them. */
export const classes = (batch, count) => Int32Array.from({ length: batch }, (_, image) => image % count);
