//! MNIST (LeCun, Cortes and Burges 1998) from its four IDX files. CC BY-SA 3.0.
//!
//! Other data of the same form is read too, with a warning that the contents are not MNIST's.

use super::idx::{self, Idx, IdxError};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The four files without `.gz`, and the SHA-256 of each uncompressed: training images and labels, test images and labels.
pub const FILES: [(&str, &str); 4] = [
    ("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
];

/// Labelled grey images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Pixels, 0 to 255, image after image, row after row.
    pub images: Vec<u8>,
    /// A class for each image.
    pub labels: Vec<u8>,
    /// Number of images.
    pub count: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
}

/// Why a data set was refused.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file is not there, in either form.
    #[error("{dir} has neither {name} nor {name}.gz; `flow-digits data --dir {dir}` fetches MNIST")]
    Missing {
        /// The folder.
        dir: String,
        /// The file.
        name: &'static str,
    },
    /// A file that cannot be read.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// Images and labels of different number, or no images at all.
    #[error("{dir}: {images} images but {labels} labels; accepted: as many of each, and at least one")]
    Count {
        /// The folder.
        dir: String,
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
}

/// Training and test set from a folder.
///
/// # Errors
/// A missing, unreadable or malformed file, by name.
pub fn load(dir: &Path) -> Result<(Dataset, Dataset), DataError> {
    let mut other = Vec::new();
    let mut read = |index: usize, rank: usize| -> Result<Idx, DataError> {
        let (name, sha256) = FILES[index];
        let plain = dir.join(name);
        let gz = dir.join(format!("{name}.gz"));
        let path = [plain, gz].into_iter().find(|p| p.exists());
        let Some(path) = path else {
            return Err(DataError::Missing { dir: dir.display().to_string(), name });
        };
        let bytes = idx::read_bytes(&path)?;
        if hex(&Sha256::digest(&bytes)) != sha256 {
            other.push(path.display().to_string());
        }
        Ok(idx::parse(&bytes, rank, &path)?)
    };
    let set = |images: Idx, labels: Idx| {
        let count = images.extents[0];
        if count == 0 || count != labels.extents[0] {
            let (dir, labels) = (dir.display().to_string(), labels.extents[0]);
            return Err(DataError::Count { dir, images: count, labels });
        }
        let (height, width) = (images.extents[1], images.extents[2]);
        Ok(Dataset { images: images.bytes, labels: labels.bytes, count, height, width })
    };
    let train = set(read(0, 3)?, read(1, 1)?)?;
    let test = set(read(2, 3)?, read(3, 1)?)?;
    if !other.is_empty() {
        eprintln!("warning: not MNIST's contents (the SHA-256 differs): {}", other.join(", "));
    }
    Ok((train, test))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, extents: &[u32], bytes: &[u8]) {
        let mut out = vec![0, 0, 8, extents.len() as u8];
        out.extend(extents.iter().flat_map(|e| e.to_be_bytes()));
        out.extend(bytes);
        std::fs::write(dir.join(name), out).unwrap();
    }

    #[test]
    fn a_folder_of_the_same_form_is_read() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), FILES[0].0, &[2, 1, 2], &[1, 2, 3, 4]);
        write(dir.path(), FILES[1].0, &[2], &[7, 8]);
        write(dir.path(), FILES[2].0, &[1, 1, 2], &[5, 6]);
        let missing = load(dir.path()).unwrap_err();
        assert!(matches!(missing, DataError::Missing { name: "t10k-labels-idx1-ubyte", .. }), "{missing}");
        write(dir.path(), FILES[3].0, &[2], &[9, 9]);
        let count = load(dir.path()).unwrap_err();
        assert!(matches!(count, DataError::Count { images: 1, labels: 2, .. }), "{count}");
        write(dir.path(), FILES[3].0, &[1], &[9]);
        let (train, test) = load(dir.path()).unwrap();
        assert_eq!((train.count, train.height, train.width), (2, 1, 2));
        assert_eq!(test.labels, [9]);
    }
}
