"""The model file of docs/model-format.md: int8 weights with a scale a row or a column, halves, and a header in JSON."""

import json
import struct
from pathlib import Path

import numpy as np


def read_model(path):
    """The architecture and every tensor of a model file, as float32."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    architecture = json.loads(header.pop("__metadata__")["flow-digits.architecture"])
    types = {"F32": np.float32, "F16": np.float16, "I8": np.int8}
    raw = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        raw[name] = np.frombuffer(data[start:end], types[entry["dtype"]]).reshape(entry["shape"])
    full = {}
    for name, values in raw.items():
        if name.endswith(".scale"):
            continue
        scale = raw.get(f"{name}.scale", np.float32(1))
        full[name] = values.astype(np.float32) * scale
    return architecture, full
