//! The IDX files of the data sets, plain and gzip.
//!
//! The first byte says how the rest is stored: even, as it is (gzip when it begins like gzip); odd, packed here, so that the
//! packed bytes are whole. Promises: bytes are an array of the rank that was asked for or are refused by name; an array has as
//! many elements as its shape says, and is the same bytes when it is written again; what is packed unpacks to the same bytes.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use trainer::data::idx::{Idx, parse, unpack};

/// See the module. Whether it is an array.
pub fn check(bytes: &[u8]) -> bool {
    let Some((how, stored)) = bytes.split_first() else { return false };
    let path = Path::new("file");
    let unpacked = if how % 2 == 1 {
        let unpacked = unpack(packed(stored), path);
        assert!(unpacked.as_ref().is_ok_and(|unpacked| unpacked == stored), "{unpacked:?}");
        unpacked
    } else {
        unpack(stored.to_vec(), path)
    };
    let unpacked = match unpacked {
        Ok(unpacked) => unpacked,
        Err(error) => {
            assert!(error.to_string().contains("file"));
            return false;
        }
    };
    let mut accepted = false;
    for rank in 1..=4 {
        match parse(&unpacked, rank, path) {
            Ok(array) => {
                assert_eq!(array.shape.iter().product::<usize>(), array.data.len());
                assert_eq!(written(&array), unpacked);
                accepted = true;
            }
            Err(error) => assert!(error.to_string().contains("file")),
        }
    }
    accepted
}

/// The bytes of an IDX file.
fn written(array: &Idx) -> Vec<u8> {
    let extents = array.shape.iter().flat_map(|&extent| u32::try_from(extent).unwrap_or(0).to_be_bytes());
    let rank = u8::try_from(array.shape.len()).unwrap_or(0);
    [0, 0, 8, rank].into_iter().chain(extents).chain(array.data.iter().copied()).collect()
}

/// The same bytes as gzip.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_else(|error| panic!("a list of bytes can always be written to: {error}"))
}
