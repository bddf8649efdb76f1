//! The IDX format of MNIST: big-endian magic, extents, then bytes; gzip or not, told apart by the first two bytes.

use flate2::read::GzDecoder;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Largest file that is read, uncompressed: a thousand times the smallest, twenty times MNIST's.
const MAX_BYTES: u64 = 1 << 30;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const UNSIGNED_BYTE: u8 = 0x08;

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum IdxError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not the bytes of such a file.
    #[error("{path}: {what}; got {got}, expected {expected}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// What was found.
        got: String,
        /// What should be there.
        expected: String,
    },
}

/// A file's extents and bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// Extent of each axis.
    pub extents: Vec<usize>,
    /// The bytes, the last axis fastest.
    pub bytes: Vec<u8>,
}

/// The uncompressed bytes of a file.
///
/// # Errors
/// A file that cannot be read, a broken gzip stream, or more than 1 GiB.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, IdxError> {
    let io = |source| IdxError::Io { path: path.to_owned(), source };
    let raw = std::fs::read(path).map_err(io)?;
    if !raw.starts_with(&GZIP) {
        return Ok(raw);
    }
    let mut bytes = Vec::new();
    GzDecoder::new(raw.as_slice()).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MAX_BYTES {
        let (got, expected) = ("more".to_owned(), format!("at most {MAX_BYTES} bytes"));
        return Err(IdxError::Content { path: path.to_owned(), what: "too large uncompressed", got, expected });
    }
    Ok(bytes)
}

/// Parses bytes with `rank` axes; `path` stands in errors.
///
/// # Errors
/// Another magic number or rank, or a number of bytes that is not the product of the extents.
pub fn parse(bytes: &[u8], rank: usize, path: &Path) -> Result<Idx, IdxError> {
    let fault = |what, got: String, expected: String| {
        Err(IdxError::Content { path: path.to_owned(), what, got, expected })
    };
    let header = 4 + 4 * rank;
    if bytes.len() < header {
        return fault("the header is cut off", format!("{} bytes", bytes.len()), format!("{header} or more"));
    }
    let magic = [0, 0, UNSIGNED_BYTE, rank as u8];
    if bytes[..4] != magic {
        return fault("not an IDX file of this kind", format!("{:02x?}", &bytes[..4]), format!("{magic:02x?}"));
    }
    let extents: Vec<usize> = bytes[4..header]
        .chunks(4)
        .map(|c| c.iter().fold(0usize, |n, &b| (n << 8) | usize::from(b)))
        .collect();
    let product = extents.iter().try_fold(1usize, |n, &e| n.checked_mul(e));
    let got = bytes.len() - header;
    match product {
        Some(n) if n == got => Ok(Idx { extents, bytes: bytes[header..].to_vec() }),
        _ => {
            let expected = format!("{} for extents {extents:?}", product.map_or("too many".into(), |n| n.to_string()));
            fault("wrong number of values", got.to_string(), expected)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn idx(extents: &[u32], bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 0, 8, extents.len() as u8];
        out.extend(extents.iter().flat_map(|e| e.to_be_bytes()));
        out.extend(bytes);
        out
    }

    fn fault(bytes: &[u8], rank: usize) -> &'static str {
        match parse(bytes, rank, Path::new("x")).unwrap_err() {
            IdxError::Content { what, .. } => what,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_good_file_reads_gzip_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let plain = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let path = dir.path().join("a");
        std::fs::write(&path, &plain).unwrap();
        assert_eq!(read_bytes(&path).unwrap(), plain);
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(&plain).unwrap();
        let packed = gz.finish().unwrap();
        std::fs::write(&path, &packed).unwrap();
        assert_eq!(read_bytes(&path).unwrap(), plain);
        std::fs::write(&path, &packed[..packed.len() - 9]).unwrap();
        assert!(matches!(read_bytes(&path), Err(IdxError::Io { .. })));
        let read = parse(&plain, 3, &path).unwrap();
        assert_eq!((read.extents, read.bytes), (vec![2, 1, 3], vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn a_bad_file_is_refused_by_name() {
        assert_eq!(fault(&[0, 0, 8], 1), "the header is cut off");
        assert_eq!(fault(&idx(&[2], &[1, 2]), 3), "the header is cut off");
        assert_eq!(fault(b"<html>hello there</html>", 3), "not an IDX file of this kind");
        assert_eq!(fault(&idx(&[3], &[1, 2]), 1), "wrong number of values");
        assert_eq!(fault(&idx(&[1], &[1, 2]), 1), "wrong number of values");
        let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[]);
        assert_eq!(fault(&huge, 3), "wrong number of values");
    }
}
