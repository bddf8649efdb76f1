//! What is written reads back, opens elsewhere, and nothing is written that would not.

mod common;

use std::collections::BTreeMap;

use common::{good, header, offsets, take_apart, tensors};
use model_export::{
    MAX_HEADER_BYTES, Precision, SMALL_TENSOR, TensorF32, WriteError, read, write, write_rounded,
};
use proptest::prelude::*;
use serde_json::json;

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
fn a_file_of_few_levels_has_four_times_as_many_in_its_small_tensors() {
    let tensor = |weights: usize| {
        let data = (0..weights).map(|i| ((i * 37 % 1009) as f32 - 504.0) / 504.0).collect();
        TensorF32 { shape: vec![1, weights, 1, 1], data }
    };
    let tensors = BTreeMap::from([
        ("small".to_owned(), tensor(SMALL_TENSOR)),
        ("large".to_owned(), tensor(SMALL_TENSOR + 1)),
    ]);
    let different = |levels: u8, name: &str| {
        let file = write_rounded(&header(), &tensors, Precision::Int8, levels).unwrap();
        let mut numbers: Vec<_> =
            read(&file).unwrap().tensors[name].data.iter().map(|x| x.to_bits()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.len()
    };
    assert_eq!((different(7, "large"), different(7, "small")), (15, 57));
    assert_eq!((different(40, "large"), different(40, "small")), (81, 255));
    assert_eq!((different(127, "large"), different(127, "small")), (255, 255));
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

proptest! {
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
