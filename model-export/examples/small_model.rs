//! Writes one small model in each precision, to open in Python: `small_model FOLDER`.
//!
//! What it holds is in `docs/model-format.md`, with the Python that reads it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use model_export::{
    Conditioning, FORMAT, Header, ImageSpec, Kind, Normalization, Precision, TensorF32, write,
    write_atomically,
};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()));
    let header = Header {
        format: FORMAT,
        name: "small".to_owned(),
        kind: Kind::Velocity,
        architecture: json!({ "kind": "example" }),
        image: ImageSpec { channels: 1, height: 28, width: 28 },
        normalization: Normalization { mean: 0.5, std: 0.5 },
        conditioning: Conditioning {
            classes: 10,
            null_class: Some(10),
            labels: (0..10).map(|digit| digit.to_string()).collect(),
        },
        path: "linear".to_owned(),
        training: json!({ "steps": 0 }),
        metrics: json!({}),
    };
    // Numbers that anyone can make again: sin of the flat index, each output channel ten times the one before.
    let wave = |shape: &[usize], channel: &dyn Fn(usize) -> i32| TensorF32 {
        shape: shape.to_vec(),
        data: (0..shape.iter().product()).map(|i| (i as f32).sin() * 10_f32.powi(channel(i))).collect(),
    };
    let tensors = BTreeMap::from([
        ("conv.weight".to_owned(), wave(&[3, 2, 3, 3], &|i| (i / 18) as i32)),
        ("conv.bias".to_owned(), wave(&[3], &|_| 0)),
        ("linear.weight".to_owned(), wave(&[5, 4], &|i| (i % 4) as i32)),
    ]);
    for precision in Precision::ALL {
        let path = folder.join(format!("small-{precision}.safetensors"));
        let bytes = write(&header, &tensors, precision)?;
        write_atomically(&path, &bytes)?;
        println!("{} {} bytes", path.display(), bytes.len());
    }
    Ok(())
}
