//! Handmade bad files, each named for its fault, and the exact error each one gets.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

mod common;

use common::{file, good, offsets, take_apart, tensors, with_json};
use model_export::{MAX_HEADER_BYTES, Precision, ReadError, read};
use serde_json::{Map, Value, json};

fn with_metadata(key: &str, value: Option<&str>) -> Vec<u8> {
    with_json(Precision::F32, |json| {
        let metadata = json["__metadata__"].as_object_mut().unwrap();
        match value {
            Some(value) => metadata.insert(key.to_owned(), json!(value)),
            None => metadata.remove(key),
        };
    })
}

fn fault(bytes: &[u8]) -> ReadError {
    read(bytes).unwrap_err()
}

fn field(bytes: &[u8]) -> &'static str {
    match fault(bytes) {
        ReadError::Field { field, .. } => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn empty_file() {
    assert_eq!(fault(b""), ReadError::Truncated { needed: 8, got: 0 });
}

#[test]
fn length_cut_short() {
    assert_eq!(fault(&[1, 0, 0]), ReadError::Truncated { needed: 8, got: 3 });
}

#[test]
fn header_cut_short() {
    let bytes = good(Precision::F32);
    let needed = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(fault(&bytes[..40]), ReadError::Truncated { needed, got: 40 });
}

#[test]
fn tensors_cut_short() {
    let bytes = good(Precision::F16);
    let got = bytes.len() as u64 - 1;
    assert_eq!(fault(&bytes[..bytes.len() - 1]), ReadError::Truncated { needed: got + 1, got });
}

#[test]
fn header_length_beyond_the_limit() {
    let got = MAX_HEADER_BYTES as u64 + 1;
    assert_eq!(fault(&got.to_le_bytes()), ReadError::HeaderTooLarge { got });
    assert_eq!(fault(&[0xff; 64]), ReadError::HeaderTooLarge { got: u64::MAX });
}

#[test]
fn header_that_is_another_format() {
    assert_eq!(fault(&file("PK-zip..", b"")), ReadError::HeaderStart);
    assert_eq!(fault(&file(" {}", b"")), ReadError::HeaderStart);
    assert_eq!(fault(&file("", b"")), ReadError::HeaderStart);
}

#[test]
fn header_that_is_not_json() {
    for json in ["{", "{]", "{\"a\":1}", "{}{}", "{\"__metadata__\":[]}", "{\"__metadata__\":{\"a\":1}}"] {
        assert!(matches!(fault(&file(json, b"")), ReadError::HeaderJson { .. }), "{json}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    assert!(matches!(fault(&file(&deep, b"")), ReadError::HeaderJson { .. }));
}

#[test]
fn tensor_entry_with_an_unknown_key() {
    let bytes = with_json(Precision::F32, |json| {
        json["conv.bias"]["stride"] = json!(1);
    });
    let ReadError::HeaderJson { detail } = fault(&bytes) else { panic!() };
    assert!(detail.contains("unknown field `stride`"), "{detail}");
}

#[test]
fn metadata_missing() {
    let bytes = with_json(Precision::F32, |json| {
        json.remove("__metadata__");
    });
    assert_eq!(fault(&bytes), ReadError::NoMetadata);
}

#[test]
fn each_metadata_key_missing() {
    let (json, _) = take_apart(&good(Precision::F32));
    let keys: Vec<String> = json["__metadata__"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys.len(), 11);
    for key in keys {
        let ReadError::MissingKey { key: named } = fault(&with_metadata(&key, None)) else { panic!("{key}") };
        assert_eq!(named, key);
    }
}

#[test]
fn metadata_key_unknown() {
    let key = "flow-digits.colour".to_owned();
    assert_eq!(fault(&with_metadata(&key, Some("blue"))), ReadError::UnknownKey { key });
}

#[test]
fn metadata_key_twice() {
    let json = r#"{"__metadata__":{"flow-digits.format":"1","flow-digits.format":"1"}}"#;
    assert_eq!(fault(&file(json, b"")), ReadError::DuplicateKey { key: "flow-digits.format".to_owned() });
}

#[test]
fn metadata_twice() {
    let ReadError::HeaderJson { detail } = fault(&file(r#"{"__metadata__":{},"__metadata__":{}}"#, b""))
    else {
        panic!()
    };
    assert!(detail.contains("stands twice"), "{detail}");
}

#[test]
fn format_version_unknown() {
    for got in ["0", "2", "1.0", "01", "", "one"] {
        let expected = ReadError::UnknownFormat { got: got.to_owned(), accepts: 1 };
        assert_eq!(fault(&with_metadata("flow-digits.format", Some(got))), expected);
    }
}

#[test]
fn kind_or_precision_unknown() {
    assert_eq!(field(&with_metadata("flow-digits.kind", Some("score"))), "flow-digits.kind");
    assert_eq!(field(&with_metadata("flow-digits.precision", Some("f64"))), "flow-digits.precision");
}

#[test]
fn metadata_values_out_of_range() {
    for (key, value) in [
        ("name", ""),
        ("name", "../etc"),
        ("name", ".hidden"),
        ("name", "Upper"),
        ("architecture", "unet"),
        ("architecture", "[]"),
        ("architecture", "{\"kind\""),
        ("image", r#"{"channels":1,"height":28}"#),
        ("image", r#"{"channels":1,"height":28,"width":0}"#),
        ("image", r#"{"channels":1,"height":28,"width":100000}"#),
        ("image", r#"{"channels":1,"height":28,"width":28,"depth":1}"#),
        ("image", r#"{"channels":1,"height":28,"width":28,"width":28}"#),
        ("image", r#"{"channels":1,"height":-28,"width":28}"#),
        ("normalization", r#"{"mean":0,"std":0}"#),
        ("normalization", r#"{"mean":0,"std":-1}"#),
        ("normalization", r#"{"mean":1e40,"std":1}"#),
        ("normalization", r#"{"mean":0,"std":1e-45}"#),
        ("normalization", r#"{"mean":NaN,"std":1}"#),
        ("conditioning", r#"{"classes":0,"null_class":null,"labels":[]}"#),
        ("conditioning", r#"{"classes":1,"null_class":7,"labels":["0"]}"#),
        ("conditioning", r#"{"classes":2,"null_class":2,"labels":["0"]}"#),
        ("path", ""),
        ("path", "line\nfeed"),
        ("training", "null"),
        ("metrics", "3"),
    ] {
        let key = format!("flow-digits.{key}");
        assert_eq!(field(&with_metadata(&key, Some(value))), key, "{value}");
    }
}

#[test]
fn no_tensors() {
    let (json, _) = take_apart(&good(Precision::F32));
    let json = json!({ "__metadata__": json["__metadata__"] }).to_string();
    assert_eq!(fault(&file(&json, b"")), ReadError::NoTensors);
}

#[test]
fn too_many_tensors() {
    let bytes = with_json(Precision::F32, |json| {
        for index in 0..4093 {
            let entry = json!({ "dtype": "F32", "shape": [1], "data_offsets": [0, 4] });
            json.insert(format!("t{index}"), entry);
        }
    });
    assert_eq!(fault(&bytes), ReadError::TooManyTensors { got: 4097 });
}

#[test]
fn tensor_names_refused() {
    for name in ["", "a b", "a/b", "é", "a\n", &"a".repeat(129)] {
        let bytes = with_json(Precision::F32, |json| {
            let tensor = json.remove("conv.bias").unwrap();
            json.insert(name.to_owned(), tensor);
        });
        assert!(matches!(fault(&bytes), ReadError::TensorName { .. }), "{name}");
    }
}

#[test]
fn tensor_name_twice() {
    let metadata = take_apart(&good(Precision::F32)).0["__metadata__"].clone();
    let json = format!(
        r#"{{"__metadata__":{metadata},"a":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}},"a":{{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}}}"#
    );
    assert_eq!(fault(&file(&json, &[0; 8])), ReadError::DuplicateTensor { tensor: "a".to_owned() });
}

#[test]
fn dtypes_unknown() {
    for got in ["F64", "BF16", "I64", "U8", "f32", ""] {
        let bytes = with_json(Precision::F32, |json| json["conv.bias"]["dtype"] = json!(got));
        let expected = ReadError::UnknownDtype { tensor: "conv.bias".to_owned(), got: got.to_owned() };
        assert_eq!(fault(&bytes), expected);
    }
}

#[test]
fn dtype_of_another_precision() {
    let bytes = with_json(Precision::F16, |json| {
        json["__metadata__"]["flow-digits.precision"] = json!("f32");
    });
    assert!(matches!(
        fault(&bytes),
        ReadError::DtypeForPrecision { got: "F16", precision: Precision::F32, .. }
    ));
    // A matrix left at 16 bits in an 8-bit file.
    let bytes = with_json(Precision::F16, |json| {
        json["__metadata__"]["flow-digits.precision"] = json!("int8");
    });
    assert!(matches!(
        fault(&bytes),
        ReadError::DtypeForPrecision { got: "F16", precision: Precision::Int8, .. }
    ));
}

#[test]
fn rank_beyond_the_limit() {
    let bytes = with_json(Precision::F32, |json| json["conv.bias"]["shape"] = json!([1, 1, 1, 1, 1, 1, 2]));
    assert_eq!(fault(&bytes), ReadError::Rank { tensor: "conv.bias".to_owned(), got: 7 });
}

#[test]
fn shapes_impossible() {
    for got in [vec![0], vec![2, 0], vec![u64::MAX, 2], vec![1 << 32, 1 << 32]] {
        let bytes = with_json(Precision::F32, |json| json["conv.bias"]["shape"] = json!(got));
        assert_eq!(fault(&bytes), ReadError::Extent { tensor: "conv.bias".to_owned(), got });
    }
}

#[test]
fn elements_beyond_the_limit() {
    let bytes = with_json(Precision::F32, |json| json["conv.bias"]["shape"] = json!([1_u64 << 40]));
    assert!(matches!(fault(&bytes), ReadError::TooManyElements { .. }));
}

#[test]
fn offsets_that_are_not_the_shapes_size() {
    for offsets in [[0, 7], [8, 0], [u64::MAX, 7], [0, u64::MAX]] {
        let bytes = with_json(Precision::F32, |json| json["conv.bias"]["data_offsets"] = json!(offsets));
        assert!(matches!(fault(&bytes), ReadError::TensorLength { needed: 8, .. }), "{offsets:?}");
    }
}

#[test]
fn tensors_overlapping() {
    // Of 32-bit tensors the order is by name: conv.bias at 0..8, conv.weight at 8..40.
    let bytes = with_json(Precision::F32, |json| json["conv.weight"]["data_offsets"] = json!([4, 36]));
    assert_eq!(fault(&bytes), ReadError::Overlap { tensor: "conv.weight".to_owned(), begin: 4, expected: 8 });
}

#[test]
fn tensors_with_a_gap() {
    let bytes = with_json(Precision::F32, |json| json["conv.bias"]["shape"] = json!([1]));
    assert!(matches!(fault(&bytes), ReadError::TensorLength { .. }));
    let bytes = with_json(Precision::F32, |json| {
        json["conv.bias"] = json!({ "dtype": "F32", "shape": [1], "data_offsets": [0, 4] });
    });
    assert_eq!(fault(&bytes), ReadError::Gap { tensor: "conv.weight".to_owned(), begin: 8, expected: 4 });
}

#[test]
fn first_tensor_not_at_the_beginning() {
    let bytes = with_json(Precision::F32, |json| {
        json.remove("conv.bias");
    });
    assert_eq!(fault(&bytes), ReadError::Gap { tensor: "conv.weight".to_owned(), begin: 8, expected: 0 });
}

#[test]
fn bytes_after_the_last_tensor() {
    let mut bytes = good(Precision::Int8);
    bytes.extend_from_slice(b"and more");
    assert_eq!(fault(&bytes), ReadError::Trailing { got: 8 });
}

#[test]
fn weights_nan_or_infinite() {
    for (precision, number) in [
        (Precision::F32, f32::NAN.to_le_bytes().to_vec()),
        (Precision::F32, f32::NEG_INFINITY.to_le_bytes().to_vec()),
        (Precision::F16, vec![0x00, 0x7c]),
        (Precision::F16, vec![0x01, 0x7e]),
    ] {
        let (json, mut body) = take_apart(&good(precision));
        let [_, end] = offsets(&json, "conv.bias");
        body[end as usize - number.len()..end as usize].copy_from_slice(&number);
        let bytes = file(&serde_json::to_string(&json).unwrap(), &body);
        assert_eq!(fault(&bytes), ReadError::NotFinite { tensor: "conv.bias".to_owned(), index: 1 });
    }
}

/// An 8-bit file with a scale of `conv.weight` (its second) replaced.
fn with_scale(scale: f32) -> Vec<u8> {
    let (json, mut body) = take_apart(&good(Precision::Int8));
    let [_, end] = offsets(&json, "conv.weight.scale");
    body[end as usize - 4..end as usize].copy_from_slice(&scale.to_le_bytes());
    file(&serde_json::to_string(&json).unwrap(), &body)
}

#[test]
fn scales_zero_negative_or_nan() {
    let tensor = "conv.weight.scale".to_owned();
    for got in [0.0, -1.0] {
        let expected = ReadError::ScaleValue { tensor: tensor.clone(), index: 1, got };
        assert_eq!(fault(&with_scale(got)), expected);
    }
    assert_eq!(fault(&with_scale(f32::NAN)), ReadError::NotFinite { tensor, index: 1 });
}

#[test]
fn scale_so_large_that_a_weight_overflows() {
    let fault = fault(&with_scale(f32::MAX));
    assert!(matches!(fault, ReadError::NotFinite { tensor, index: 4.. } if tensor == "conv.weight"));
}

/// An 8-bit file whose entry of the scales of `conv.weight` was changed; offsets stay those of the bytes.
fn with_scale_entry(change: impl FnOnce(&mut Map<String, Value>)) -> ReadError {
    fault(&with_json(Precision::Int8, change))
}

#[test]
fn scales_missing_or_orphaned() {
    // Under another name the scales are both: their tensor misses them, and they belong to nothing.
    let error = with_scale_entry(|json| {
        let scales = json.remove("conv.weight.scale").unwrap();
        json.insert("conv.other.scale".to_owned(), scales);
    });
    assert_eq!(error, ReadError::MissingScale { tensor: "conv.weight".to_owned() });

    let (mut json, mut body) = take_apart(&good(Precision::Int8));
    // One more 32-bit tensor at the end of the body.
    let end = body.len();
    json.insert(
        "conv.bias.scale".to_owned(),
        json!({ "dtype": "F32", "shape": [2], "data_offsets": [end, end + 8] }),
    );
    body.extend_from_slice(&[0; 8]);
    let bytes = file(&serde_json::to_string(&json).unwrap(), &body);
    assert_eq!(fault(&bytes), ReadError::OrphanScale { tensor: "conv.bias.scale".to_owned() });
}

#[test]
fn scales_of_the_wrong_shape_or_dtype() {
    let error = with_scale_entry(|json| json["conv.weight.scale"]["shape"] = json!([2]));
    let expected = ReadError::ScaleShape {
        tensor: "conv.weight.scale".to_owned(),
        got: vec![2],
        accepts: vec![2, 1, 1, 1],
    };
    assert_eq!(error, expected);
    let error = with_scale_entry(|json| {
        json["conv.weight.scale"]["dtype"] = json!("F16");
        json["conv.weight.scale"]["shape"] = json!([4, 1, 1, 1]);
    });
    assert!(matches!(error, ReadError::DtypeForPrecision { got: "F16", .. }), "{error:?}");
}

#[test]
fn eight_bit_vector() {
    let error = with_scale_entry(|json| json["conv.weight"]["shape"] = json!([8]));
    assert!(matches!(error, ReadError::DtypeForPrecision { got: "I8", .. }), "{error:?}");
}

#[test]
fn architecture_with_other_names_or_shapes() {
    let model = read(&good(Precision::F16)).unwrap();
    let mut expected: Vec<_> =
        tensors().iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
    model.check(&expected).unwrap();

    let (name, shape) = expected[1].clone();
    expected[1].1 = vec![1, 2, 2, 2];
    let wrong =
        ReadError::WrongShape { tensor: name.clone(), got: shape.clone(), expected: vec![1, 2, 2, 2] };
    assert_eq!(model.check(&expected), Err(wrong));

    expected.remove(1);
    assert_eq!(model.check(&expected), Err(ReadError::UnexpectedTensor { tensor: name.clone() }));

    expected.extend([(name, shape), ("extra".to_owned(), vec![1])]);
    assert_eq!(model.check(&expected), Err(ReadError::MissingTensor { tensor: "extra".to_owned() }));
}
