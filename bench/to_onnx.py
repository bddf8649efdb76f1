"""The shipped network as ONNX, for the comparison with onnxruntime-web.

    python bench/to_onnx.py public/models/mnist-unet.safetensors mnist-unet.onnx

Reads the model file itself (int8 weights with a scale a row or a column, and halves: docs/model-format.md) and writes the graph
that an exporter would: NCHW convolutions with their biases, SpaceToDepth and DepthToSpace, SiLU as x * sigmoid(x), group
normalization as an instance normalization of each group's values. The embedding of time is an input, so that its sines are no
part of what is timed. The batch is free; the runtime may fix it.
"""

import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from model_file import read_model

OPSET = 21


class Graph:
    """Nodes and constants in the order in which they were added."""

    def __init__(self, weights):
        self.weights = weights
        self.nodes = []
        self.constants = {}

    def constant(self, name, values):
        self.constants.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def shape(self, *sizes):
        return self.constant("shape_" + "_".join(map(str, sizes)), np.array(sizes, np.int64))

    def add(self, op, inputs, outputs=1, **attributes):
        names = [f"{op}_{len(self.nodes)}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"{op}_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def linear(self, name, x):
        return self.add("Gemm", [x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")])

    def conv(self, name, x, stride=1):
        side = self.weights[f"{name}.weight"].shape[2]
        pad = side // 2
        inputs = [x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")]
        return self.add("Conv", inputs, kernel_shape=[side, side], strides=[stride] * 2, pads=[pad] * 4)

    def silu(self, x):
        return self.add("Mul", [x, self.add("Sigmoid", [x])])

    def normalized(self, x, groups, channels, side):
        one = self.constant(f"ones_{groups}", np.ones(groups, np.float32))
        zero = self.constant(f"zeros_{groups}", np.zeros(groups, np.float32))
        grouped = self.add("Reshape", [x, self.shape(0, groups, -1)])
        normal = self.add("InstanceNormalization", [grouped, one, zero], epsilon=1e-5)
        return self.add("Reshape", [normal, self.shape(0, channels, side, side)])

    def group_norm(self, name, x, groups, side):
        gamma, beta = self.weights[f"{name}.gamma"], self.weights[f"{name}.beta"]
        h = self.normalized(x, groups, len(gamma), side)
        h = self.add("Mul", [h, self.constant(f"{name}.gamma", gamma.reshape(-1, 1, 1))])
        return self.add("Add", [h, self.constant(f"{name}.beta", beta.reshape(-1, 1, 1))])


def unet(architecture, weights):
    """The graph of models/src/unet.rs with residual blocks."""
    if architecture["kind"] != "unet" or architecture.get("block", "residual") != "residual":
        raise SystemExit(f"this writes a U-Net of residual blocks; the file holds {architecture}")
    g = Graph(weights)
    groups, patch, channels = architecture["groups"], architecture["patch"], architecture["channels"]
    in_channels, height, width = architecture["image"]
    if in_channels != 1 or height != width:
        raise SystemExit("this writes networks of square images of one channel: the order of patches is another for more")
    side = height // patch

    embedded = g.linear("time2", g.silu(g.linear("time1", "time")))
    embedded = g.add("Add", [embedded, g.add("Gather", [g.weight("class.weight"), "class"], axis=0)])
    modulation = g.linear("modulation", g.silu(embedded))

    down = [f"down.{l}.blocks.{b}" for l in range(len(channels)) for b in range(architecture["blocks"])]
    middle = [f"middle.{b}" for b in range(architecture["middle_blocks"])]
    up = [f"up.{l}.blocks.{b}" for l in range(len(channels) - 1) for b in range(architecture["up_blocks"])]
    order = down + middle + up
    # A slice a block rather than one split into all: WebGPU lends a shader only so many buffers.
    modulations, at = {}, 0
    for name in order:
        out = weights[f"{name}.conv1.weight"].shape[0]
        ends = [g.constant(f"at_{end}", np.array([end], np.int64)) for end in (at, at + 2 * out, 1)]
        part = g.add("Slice", [modulation, ends[0], ends[1], ends[2]])
        modulations[name] = g.add("Split", [part], outputs=2, axis=1, num_outputs=2)
        at += 2 * out

    def block(name, x, side):
        out = weights[f"{name}.conv1.weight"].shape[0]
        h = g.conv(f"{name}.conv1", g.silu(g.group_norm(f"{name}.norm1", x, groups, side)))
        scale, shift = (g.add("Reshape", [part, g.shape(0, out, 1, 1)]) for part in modulations[name])
        scale = g.add("Add", [scale, g.constant("one", np.float32(1))])
        h = g.add("Add", [g.add("Mul", [g.normalized(h, groups, out, side), scale]), shift])
        h = g.conv(f"{name}.conv2", g.silu(h))
        if f"{name}.project.weight" in weights:
            x = g.conv(f"{name}.project", x)
        return g.add("Add", [x, h])

    def attention(x, side):
        heads, width, tokens = architecture["attention_heads"], channels[-1], side * side
        head = width // heads
        h = g.add("Reshape", [g.group_norm("attention.norm", x, groups, side), g.shape(0, width, tokens)])
        h = g.add("Transpose", [h], perm=[0, 2, 1])
        h = g.add("MatMul", [h, g.weight("attention.query_key_value.weight")])
        h = g.add("Add", [h, g.weight("attention.query_key_value.bias")])
        thirds = g.add("Split", [h], outputs=3, axis=2, num_outputs=3)
        q, k, v = (g.add("Reshape", [part, g.shape(0, tokens, heads, head)]) for part in thirds)
        q, v = (g.add("Transpose", [part], perm=[0, 2, 1, 3]) for part in (q, v))
        k = g.add("Transpose", [k], perm=[0, 2, 3, 1])
        q = g.add("Mul", [q, g.constant("attention_scale", np.float32(head**-0.5))])
        h = g.add("MatMul", [g.add("Softmax", [g.add("MatMul", [q, k])], axis=3), v])
        h = g.add("Reshape", [g.add("Transpose", [h], perm=[0, 2, 1, 3]), g.shape(0, tokens, width)])
        h = g.add("MatMul", [h, g.weight("attention.output.weight")])
        h = g.add("Add", [h, g.weight("attention.output.bias")])
        h = g.add("Reshape", [g.add("Transpose", [h], perm=[0, 2, 1]), g.shape(0, width, side, side)])
        return g.add("Add", [x, h])

    h = g.conv("input", g.add("SpaceToDepth", ["x"], blocksize=patch) if patch > 1 else "x")
    skips = []
    for level in range(len(channels)):
        for b in range(architecture["blocks"]):
            h = block(f"down.{level}.blocks.{b}", h, side)
        if level + 1 < len(channels):
            skips.append(h)
            h = g.conv(f"shrink.{level}", h, stride=2)
            side //= 2
    if architecture["attention_heads"]:
        h = attention(h, side)
    for name in middle:
        h = block(name, h, side)
    for level in range(len(channels) - 1):
        h = g.add("DepthToSpace", [g.conv(f"grow.{level}", h)], blocksize=2, mode="CRD")
        side *= 2
        h = g.add("Concat", [h, skips.pop()], axis=1)
        for b in range(architecture["up_blocks"]):
            h = block(f"up.{level}.blocks.{b}", h, side)
    h = g.conv("output", g.silu(g.group_norm("norm", h, groups, side)))
    if patch > 1:
        h = g.add("DepthToSpace", [h], blocksize=patch, mode="CRD")
    g.nodes[-1].output[0] = "velocity"

    image = ["batch", in_channels, height, width]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, image),
        helper.make_tensor_value_info("time", TensorProto.FLOAT, ["batch", architecture["embedding"]]),
        helper.make_tensor_value_info("class", TensorProto.INT32, ["batch"]),
    ]
    outputs = [helper.make_tensor_value_info("velocity", TensorProto.FLOAT, image)]
    graph = helper.make_graph(g.nodes, "flow-digits", inputs, outputs, list(g.constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="the model file, .safetensors")
    parser.add_argument("onnx", help="the file to write")
    arguments = parser.parse_args()
    model = unet(*read_model(arguments.model))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, arguments.onnx)


if __name__ == "__main__":
    main()
