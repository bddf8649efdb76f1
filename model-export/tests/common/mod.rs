//! One small model, its file, and means to take files apart and put bad ones together.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own share")]
#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use std::collections::BTreeMap;

use model_export::{
    Conditioning, FORMAT, Header, ImageSpec, Kind, Normalization, Precision, TensorF32, write,
};
use serde_json::{Map, Value, json};

/// A header with every field in use.
pub fn header() -> Header {
    Header {
        format: FORMAT,
        name: "small".to_owned(),
        kind: Kind::Velocity,
        architecture: json!({ "kind": "unet", "channels": [32, 64] }),
        image: ImageSpec { channels: 1, height: 28, width: 28 },
        normalization: Normalization { mean: 0.5, std: 0.5 },
        conditioning: Conditioning {
            classes: 10,
            null_class: Some(10),
            labels: (0..10).map(|digit| digit.to_string()).collect(),
        },
        path: "optimal-transport:sigma_min=0.0001".to_owned(),
        training: json!({ "steps": 9000, "loss": 0.123_456_789_012_345_68 }),
        metrics: json!({ "fid": 1.7976931348623157e308, "accuracy": { "heun-10": 0.991 } }),
    }
}

/// A model of every rank that matters: a convolution, a vector, a matrix, a scalar.
pub fn tensors() -> BTreeMap<String, TensorF32> {
    let tensor = |shape: &[usize], step: f32| TensorF32 {
        shape: shape.to_vec(),
        data: (0..shape.iter().product()).map(|i| (i as f32 - 2.0) * step).collect(),
    };
    BTreeMap::from([
        ("conv.weight".to_owned(), tensor(&[2, 1, 2, 2], 0.25)),
        ("conv.bias".to_owned(), tensor(&[2], 0.5)),
        ("linear.weight".to_owned(), tensor(&[3, 2], -0.125)),
        ("temperature".to_owned(), tensor(&[], 0.5)),
    ])
}

/// A file without a fault.
pub fn good(precision: Precision) -> Vec<u8> {
    write(&header(), &tensors(), precision).unwrap()
}

/// A file of this JSON and these tensor bytes, its length right.
pub fn file(json: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// A file's JSON header and its tensor bytes.
pub fn take_apart(bytes: &[u8]) -> (Map<String, Value>, Vec<u8>) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), bytes[8 + length..].to_vec())
}

/// A good file whose JSON header was changed.
pub fn with_json(precision: Precision, change: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
    let (mut json, body) = take_apart(&good(precision));
    change(&mut json);
    file(&serde_json::to_string(&json).unwrap(), &body)
}

/// Where a tensor lies in the tensor bytes.
pub fn offsets(json: &Map<String, Value>, tensor: &str) -> [u64; 2] {
    serde_json::from_value(json[tensor]["data_offsets"].clone()).unwrap()
}
