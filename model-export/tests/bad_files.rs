//! Handmade bad files, each named for its fault, and the exact error each one gets; then random damage.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use std::collections::BTreeMap;

use model_export::{
    Conditioning, FORMAT, Header, ImageSpec, Kind, MAX_HEADER_BYTES, Normalization, Precision, ReadError,
    TensorF32, WriteError, read, write,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn header() -> Header {
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

fn tensors() -> BTreeMap<String, TensorF32> {
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

fn good(precision: Precision) -> Vec<u8> {
    write(&header(), &tensors(), precision).unwrap()
}

/// A file of this JSON and these tensor bytes, its length right.
fn file(json: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn take_apart(bytes: &[u8]) -> (Map<String, Value>, Vec<u8>) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), bytes[8 + length..].to_vec())
}

/// A good file whose JSON header was changed.
fn with_json(precision: Precision, change: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
    let (mut json, body) = take_apart(&good(precision));
    change(&mut json);
    file(&serde_json::to_string(&json).unwrap(), &body)
}

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

fn offsets(json: &Map<String, Value>, tensor: &str) -> [u64; 2] {
    serde_json::from_value(json[tensor]["data_offsets"].clone()).unwrap()
}

#[test]
fn f32_comes_back_bit_for_bit_with_its_header() {
    let model = read(&good(Precision::F32)).unwrap();
    assert_eq!(model.header, header());
    assert_eq!(model.precision, Precision::F32);
    assert_eq!(model.tensors, tensors());
    assert_eq!(model.parameters(), 8 + 2 + 6 + 1);
}

#[test]
fn what_was_read_writes_back_to_the_same_bytes() {
    for precision in [Precision::F32, Precision::F16] {
        let bytes = good(precision);
        let model = read(&bytes).unwrap();
        assert_eq!(write(&model.header, &model.tensors, precision).unwrap(), bytes, "{precision}");
    }
}

#[test]
fn int8_keeps_names_and_shapes_and_hides_its_scales() {
    let model = read(&good(Precision::Int8)).unwrap();
    let shapes: Vec<_> =
        model.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
    let expected: Vec<_> =
        tensors().iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect();
    assert_eq!(shapes, expected);
    model.check(&expected).unwrap();
    for (name, tensor) in tensors() {
        for (got, want) in model.tensors[&name].data.iter().zip(&tensor.data) {
            assert!((got - want).abs() <= 1.25 / 127.0, "{name}: {got} for {want}");
        }
    }
}

#[test]
fn the_safetensors_crate_opens_every_precision() {
    for precision in Precision::ALL {
        let bytes = good(precision);
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(metadata.metadata().as_ref().unwrap()["flow-digits.format"], "1");
        let opened = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(opened.tensor("conv.weight").unwrap().shape(), [2, 1, 2, 2]);
        let names = opened.names().len();
        assert_eq!(names, if precision == Precision::Int8 { 6 } else { 4 });
    }
}

#[test]
fn tensors_are_aligned_to_their_dtype_when_the_file_is() {
    for precision in Precision::ALL {
        let (json, body) = take_apart(&good(precision));
        assert_eq!((good(precision).len() - body.len()) % 8, 0);
        for (name, tensor) in json.iter().filter(|(name, _)| *name != "__metadata__") {
            let bytes = match tensor["dtype"].as_str().unwrap() {
                "F32" => 4,
                "F16" => 2,
                _ => 1,
            };
            assert_eq!(offsets(&json, name)[0] % bytes, 0, "{name}");
        }
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

#[test]
fn writing_refuses_what_reading_would() {
    let one = |name: &str, shape: &[usize], data: &[f32]| {
        BTreeMap::from([(name.to_owned(), TensorF32 { shape: shape.to_vec(), data: data.to_vec() })])
    };
    let refused = |tensors, precision| write(&header(), &tensors, precision).unwrap_err();
    use Precision::{F16, F32, Int8};
    assert_eq!(refused(BTreeMap::new(), F32), WriteError::NoTensors);
    assert!(matches!(refused(one("a b", &[1], &[0.0]), F32), WriteError::TensorName { .. }));
    assert!(matches!(refused(one(&"a".repeat(124), &[1, 1], &[0.0]), Int8), WriteError::TensorName { .. }));
    assert!(matches!(refused(one("a", &[1; 7], &[0.0]), F32), WriteError::Rank { got: 7, .. }));
    assert!(matches!(refused(one("a", &[2], &[0.0]), F32), WriteError::Length { got: 1, .. }));
    assert!(matches!(refused(one("a", &[0], &[]), F32), WriteError::Length { got: 0, .. }));
    assert!(matches!(refused(one("a", &[usize::MAX, 2], &[0.0]), F32), WriteError::Length { .. }));
    for number in [f32::NAN, f32::INFINITY] {
        for precision in Precision::ALL {
            let error = refused(one("a", &[2], &[0.0, number]), precision);
            assert!(matches!(error, WriteError::NotFinite { index: 1, .. }), "{error:?}");
        }
    }
    for precision in [F16, Int8] {
        let error = refused(one("a", &[2], &[65504.0, 65520.0]), precision);
        assert_eq!(error, WriteError::F16Overflow { tensor: "a".to_owned(), index: 1, got: 65520.0 });
    }
    // What rounds down to the largest 16-bit float is kept.
    assert!(write(&header(), &one("a", &[1], &[65519.0]), F16).is_ok());
    let mut taken = one("a", &[1, 1], &[1.0]);
    taken.extend(one("a.scale", &[1], &[1.0]));
    assert_eq!(refused(taken.clone(), Int8), WriteError::ScaleNameTaken { tensor: "a.scale".to_owned() });
    assert!(write(&header(), &taken, F16).is_ok());

    let mut bad = header();
    bad.format = 2;
    let error = write(&bad, &tensors(), F32).unwrap_err();
    assert!(matches!(error, WriteError::Field { field: "flow-digits.format", .. }));
    let mut bad = header();
    bad.normalization.std = f32::NAN;
    let error = write(&bad, &tensors(), F32).unwrap_err();
    assert!(matches!(error, WriteError::Field { field: "flow-digits.normalization", .. }));
    let mut bad = header();
    bad.training = json!({ "log": "x".repeat(MAX_HEADER_BYTES) });
    assert!(matches!(write(&bad, &tensors(), F32).unwrap_err(), WriteError::HeaderTooLarge { .. }));
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    for precision in Precision::ALL {
        let bytes = good(precision);
        for length in 0..bytes.len() {
            let error = fault(&bytes[..length]);
            assert!(matches!(error, ReadError::Truncated { .. }), "{precision} at {length}: {error:?}");
        }
    }
}

#[test]
fn a_file_with_any_one_bit_flipped_never_panics_and_never_gives_what_is_not_finite() {
    for precision in Precision::ALL {
        let good = good(precision);
        for bit in 0..good.len() * 8 {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(model) = read(&bytes) {
                assert!(model.tensors.values().all(|tensor| tensor.data.iter().all(|x| x.is_finite())));
            }
        }
    }
}

proptest! {
    #[test]
    fn bytes_of_any_kind_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&bytes);
    }

    #[test]
    fn a_right_length_before_any_text_never_panics(json in "\\{.{0,200}", body in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(&file(&json, &body));
    }

    #[test]
    fn several_bytes_changed_at_once_never_panic(
        which in 0..3_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = good(Precision::ALL[which]);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = read(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = read(&bytes);
    }

    #[test]
    fn entries_of_any_numbers_never_panic(
        shape in proptest::collection::vec(prop_oneof![0..5_u64, any::<u64>()], 0..8),
        begin in prop_oneof![0..64_u64, any::<u64>()],
        end in prop_oneof![0..64_u64, any::<u64>()],
        dtype in prop_oneof![Just("F32"), Just("F16"), Just("I8")],
    ) {
        for precision in Precision::ALL {
            let bytes = with_json(precision, |json| {
                json["conv.weight"] = json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, end] });
            });
            let _ = read(&bytes);
        }
    }

    #[test]
    fn any_finite_model_comes_back(
        numbers in proptest::collection::vec(-60000.0..60000.0_f32, 1..40),
        columns in 1..5_usize,
    ) {
        let rows = numbers.len().div_ceil(columns);
        let mut data = numbers;
        data.resize(rows * columns, 0.0);
        let tensor = TensorF32 { shape: vec![rows, columns], data };
        let tensors = BTreeMap::from([("w".to_owned(), tensor.clone())]);
        for precision in Precision::ALL {
            let model = read(&write(&header(), &tensors, precision).unwrap()).unwrap();
            let got = &model.tensors["w"];
            prop_assert_eq!(&got.shape, &tensor.shape);
            for (index, (got, want)) in got.data.iter().zip(&tensor.data).enumerate() {
                let largest = tensor.data.iter().skip(index % columns).step_by(columns).fold(0.0_f32, |m, x| m.max(x.abs()));
                let bound = match precision {
                    Precision::F32 => 0.0,
                    // Half a unit in the last of 11 bits.
                    Precision::F16 => (want.abs() / 2048.0).max(3e-8),
                    Precision::Int8 => largest / 127.0 * 0.5001,
                };
                prop_assert!((got - want).abs() <= bound, "{} for {} in {}", got, want, precision);
            }
        }
    }
}
