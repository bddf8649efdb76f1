//! Files damaged everywhere and anyhow: the reader answers, and never panics.

mod common;

use common::{file, good, with_json};
use model_export::{Precision, ReadError, read};
use proptest::prelude::*;
use serde_json::json;

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    for precision in Precision::ALL {
        let bytes = good(precision);
        for length in 0..bytes.len() {
            let error = read(&bytes[..length]).unwrap_err();
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
}
