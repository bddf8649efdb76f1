//! The IDX format of MNIST, plain or gzip (told apart by their first bytes).
//!
//! `0 0 | dtype | rank | rank extents, 32-bit big-endian | elements`. Only unsigned bytes (dtype 8) are read, since
//! that is all that MNIST and its kin use. A file may have up to 1 GiB of elements.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::DataError;

/// Most bytes that a file may unpack to.
const MAX_BYTES: u64 = 1 << 30;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UNSIGNED_BYTE: u8 = 8;

/// An array of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Extents, the slowest axis first.
    pub shape: Vec<usize>,
    /// The elements; as many as the product of `shape`.
    pub data: Vec<u8>,
}

/// The bytes of a file, unpacked if they are gzip.
///
/// # Errors
/// A file that cannot be read, a damaged gzip stream, or one that unpacks to more than 1 GiB.
pub fn read_unpacked(path: &Path) -> Result<Vec<u8>, DataError> {
    let stored = fs::read(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    unpack(stored, path)
}

/// The bytes that were stored, unpacked if they are gzip. `path` is for messages only.
///
/// # Errors
/// A damaged gzip stream, or one that unpacks to more than 1 GiB.
pub fn unpack(stored: Vec<u8>, path: &Path) -> Result<Vec<u8>, DataError> {
    if !stored.starts_with(&GZIP_MAGIC) {
        return Ok(stored);
    }
    let mut bytes = Vec::new();
    MultiGzDecoder::new(stored.as_slice())
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(malformed(
            path,
            "unpacked size",
            "larger".to_owned(),
            format!("at most {MAX_BYTES} bytes"),
        ));
    }
    Ok(bytes)
}

/// Reads unpacked IDX bytes as an array of this rank. `path` is for messages only.
///
/// # Errors
/// Another magic number, type, rank or length.
pub fn parse(bytes: &[u8], rank: usize, path: &Path) -> Result<Idx, DataError> {
    let short = || malformed(path, "size", format!("{} bytes", bytes.len()), "a whole IDX header".to_owned());
    let (&[zero, zero_too, dtype, got_rank], rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    if (zero, zero_too) != (0, 0) {
        return Err(malformed(
            path,
            "beginning",
            format!("{:02x?}", &bytes[..4]),
            "00 00: an IDX file".to_owned(),
        ));
    }
    if dtype != UNSIGNED_BYTE {
        return Err(malformed(
            path,
            "element type",
            format!("{dtype:#04x}"),
            "0x08, unsigned bytes".to_owned(),
        ));
    }
    if usize::from(got_rank) != rank {
        return Err(malformed(path, "rank", got_rank.to_string(), rank.to_string()));
    }
    let (extents, data) = rest.split_at_checked(4 * rank).ok_or_else(short)?;
    let (extents, _) = extents.as_chunks::<4>();
    let shape: Vec<usize> = extents.iter().map(|&extent| u32::from_be_bytes(extent) as usize).collect();
    let count = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    if count != Some(data.len()) {
        let expected = format!("those of {shape:?}");
        return Err(malformed(path, "elements", data.len().to_string(), expected));
    }
    Ok(Idx { shape, data: data.to_vec() })
}

pub(super) fn malformed(path: &Path, field: &'static str, got: String, expected: String) -> DataError {
    DataError::Malformed { path: path.to_owned(), field, got, expected }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    /// The bytes of an IDX file.
    pub(in crate::data) fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|extent| extent.to_be_bytes()));
        bytes.extend_from_slice(data);
        bytes
    }

    /// The same bytes as gzip.
    pub(in crate::data) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn fault(bytes: &[u8], rank: usize) -> (&'static str, String, String) {
        match parse(bytes, rank, Path::new("file")).unwrap_err() {
            DataError::Malformed { path, field, got, expected } => {
                assert_eq!(path, Path::new("file"));
                (field, got, expected)
            }
            other => panic!("{other}"),
        }
    }

    #[test]
    fn plain_and_gzip_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        // The name says nothing: the first bytes do.
        for (name, stored) in [("plain.gz", bytes.clone()), ("packed", gzip(&bytes))] {
            let path = folder.path().join(name);
            fs::write(&path, stored).unwrap();
            let unpacked = read_unpacked(&path).unwrap();
            assert_eq!(unpacked, bytes);
            let array = parse(&unpacked, 3, &path).unwrap();
            assert_eq!(array, Idx { shape: vec![2, 1, 3], data: vec![1, 2, 3, 4, 5, 6] });
        }
    }

    #[test]
    fn a_damaged_gzip_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.gz");
        let packed = gzip(&[7; 1000]);
        for bytes in [packed[..packed.len() - 5].to_vec(), [&packed[..packed.len() - 8], &[0; 8]].concat()] {
            fs::write(&path, bytes).unwrap();
            let error = read_unpacked(&path).unwrap_err();
            assert!(matches!(error, DataError::Io { .. }), "{error:?}");
            assert!(error.to_string().contains("cut.gz"), "{error}");
        }
    }

    #[test]
    fn what_is_not_idx_is_named_with_what_was_expected() {
        assert_eq!(fault(b"", 1).0, "size");
        assert_eq!(fault(&[0, 0, 8, 3, 0, 0], 3).0, "size");
        assert_eq!(fault(b"PK\x03\x04", 1).0, "beginning");
        assert_eq!(
            fault(&[0, 0, 0x0d, 1, 0, 0, 0, 0], 1),
            ("element type", "0x0d".into(), "0x08, unsigned bytes".into())
        );
        assert_eq!(fault(&idx(&[2], &[1, 2]), 3), ("rank", "1".into(), "3".into()));
        assert_eq!(fault(&idx(&[3], &[1, 2]), 1), ("elements", "2".into(), "those of [3]".into()));
        assert_eq!(fault(&idx(&[1], &[1, 2]), 1).0, "elements");
        assert_eq!(fault(&idx(&[u32::MAX, u32::MAX, u32::MAX], &[]), 3).0, "elements");
    }
}
