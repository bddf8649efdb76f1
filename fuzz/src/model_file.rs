//! The model file, as the worker reads it: header, tensors, widening to `f32`, with the manifest's size and hash in front.
//!
//! The hash is no part of the file, so that [`check`] makes the manifest's entry to the bytes, and the reader behind the
//! hash is reached. Promises: bytes are a model or are refused in words; a model's numbers are finite and as many as its
//! shapes say; the hash in front changes nothing of the outcome; one byte more or less, or another bit, is refused by it; what
//! was read is written and read again to the same model (8-bit weights to the same names and shapes).

use model_export::manifest::{ManifestEntry, sha256_hex};
use model_export::{MAX_ELEMENTS, Precision, ReadError, read, write};

/// See the module. Whether it is a model.
pub fn check(bytes: &[u8]) -> bool {
    let model = match read(bytes) {
        Ok(model) => model,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    assert!((1..=MAX_ELEMENTS).contains(&model.parameters()));
    for (name, tensor) in &model.tensors {
        assert_eq!(tensor.shape.iter().product::<usize>(), tensor.data.len(), "{name}");
        assert!(tensor.data.iter().all(|number| number.is_finite()), "{name}");
    }

    let mut entry = ManifestEntry {
        id: model.header.name.clone(),
        label: "m".to_owned(),
        about: String::new(),
        kind: model.header.kind,
        file: "m.safetensors".to_owned(),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(bytes),
        precision: model.precision,
        parameters: model.parameters(),
        multiply_adds: 0,
        path: model.header.path.clone(),
        metrics: serde_json::Value::Null,
        self_test: None,
        knots: None,
        weak: None,
        decoder: None,
        dataset: None,
    };
    assert_eq!(entry.open(bytes).as_ref(), Ok(&model));
    assert!(matches!(entry.open(&bytes[1..]), Err(ReadError::WrongSize { .. })));
    entry.parameters += 1;
    assert!(matches!(entry.open(bytes), Err(ReadError::ManifestDisagrees { .. })));

    let written = match write(&model.header, &model.tensors, model.precision) {
        Ok(written) => written,
        // A name of the full length has no room for that of its scales.
        Err(error) => {
            assert_eq!(model.precision, Precision::Int8, "{error}");
            return true;
        }
    };
    match read(&written) {
        Ok(again) if model.precision == Precision::Int8 => {
            assert_eq!(again.header, model.header);
            let shapes = |model: &model_export::ModelFile| -> Vec<(String, Vec<usize>)> {
                model.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
            };
            assert_eq!(shapes(&again), shapes(&model));
        }
        Ok(again) => assert_eq!(again, model),
        Err(error) => panic!("what was written does not read back: {error}"),
    }
    true
}
