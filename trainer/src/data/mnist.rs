//! MNIST: 60,000 training and 10,000 test images of digits, 28 x 28, one byte a pixel.
//!
//! LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998. CC BY-SA 3.0.

use std::path::Path;

use model_export::manifest::sha256_hex;

use super::DataError;
use super::idx::{Idx, malformed, parse, read_unpacked};

/// A file of MNIST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name; as fetched it ends in `.gz` besides.
    pub name: &'static str,
    /// SHA-256 of its unpacked bytes.
    pub sha256: &'static str,
}

/// The four files: training images and labels, test images and labels.
pub const FILES: [File; 4] = [
    File {
        name: "train-images-idx3-ubyte",
        sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    },
    File {
        name: "train-labels-idx1-ubyte",
        sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    File {
        name: "t10k-images-idx3-ubyte",
        sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    },
    File {
        name: "t10k-labels-idx1-ubyte",
        sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
];

/// Labelled images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Pixels, image after image, row after row: 0 is paper, 255 is ink. `count * height * width` bytes.
    pub images: Vec<u8>,
    /// The class of each image.
    pub labels: Vec<u8>,
    /// Number of images.
    pub count: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
}

/// Reads the training and the test set from a folder with the four files, gzip or not.
///
/// Other data of the same names and layout (Fashion-MNIST, one's own) is read too, with a warning on standard error:
/// figures from it are not figures of MNIST.
///
/// # Errors
/// A file that is missing, damaged or not IDX, or files that do not belong together.
pub fn load(dir: &Path) -> Result<(Dataset, Dataset), DataError> {
    load_with(dir, |warning| crate::errln!("warning: {warning}"))
}

/// As [`load`], with `warn` to hear of files that are not MNIST's.
///
/// # Errors
/// As [`load`].
pub fn load_with(dir: &Path, mut warn: impl FnMut(&str)) -> Result<(Dataset, Dataset), DataError> {
    let [train_images, train_labels, test_images, test_labels] = FILES;
    let train = load_set(dir, train_images, train_labels, &mut warn)?;
    let test = load_set(dir, test_images, test_labels, &mut warn)?;
    if (train.height, train.width) != (test.height, test.width) {
        let size = |set: &Dataset| format!("{} x {}", set.height, set.width);
        let path = dir.join(test_images.name);
        return Err(malformed(&path, "image size", size(&test), format!("{}, as in training", size(&train))));
    }
    Ok((train, test))
}

/// Reads the test set alone.
///
/// # Errors
/// As [`load`].
pub fn load_test(dir: &Path) -> Result<Dataset, DataError> {
    let [_, _, images, labels] = FILES;
    load_set(dir, images, labels, &mut |warning: &str| crate::errln!("warning: {warning}"))
}

fn load_set(
    dir: &Path,
    images: File,
    labels: File,
    warn: &mut impl FnMut(&str),
) -> Result<Dataset, DataError> {
    let Idx { shape, data } = load_file(dir, images, 3, warn)?;
    let labels_path = dir.join(labels.name);
    let labels = load_file(dir, labels, 1, warn)?.data;
    let [count, height, width] = shape[..] else {
        return Err(malformed(&dir.join(images.name), "rank", shape.len().to_string(), "3".to_owned()));
    };
    if data.is_empty() {
        return Err(malformed(
            &dir.join(images.name),
            "shape",
            format!("{shape:?}"),
            "at least one pixel".to_owned(),
        ));
    }
    if labels.len() != count {
        return Err(malformed(
            &labels_path,
            "number of labels",
            labels.len().to_string(),
            format!("{count}, as images"),
        ));
    }
    Ok(Dataset { images: data, labels, count, height, width })
}

fn load_file(dir: &Path, file: File, rank: usize, warn: &mut impl FnMut(&str)) -> Result<Idx, DataError> {
    let candidates = [dir.join(file.name), dir.join(format!("{}.gz", file.name))];
    let Some(path) = candidates.into_iter().find(|path| path.is_file()) else {
        return Err(DataError::Missing { dir: dir.to_owned(), name: file.name.to_owned() });
    };
    let bytes = read_unpacked(&path)?;
    let array = parse(&bytes, rank, &path)?;
    let got = sha256_hex(&bytes);
    if got != file.sha256 {
        warn(&format!(
            "{} is not MNIST's (SHA-256 {}…, MNIST's is {}…); reading it all the same",
            path.display(),
            &got[..12],
            &file.sha256[..12]
        ));
    }
    Ok(array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::idx::tests::{gzip, idx};
    use std::fs;

    /// Two training images and one test image of 2 x 3 pixels, half of the files gzip.
    fn small(dir: &Path) {
        let pixels: Vec<u8> = (0..12).collect();
        fs::write(dir.join(FILES[0].name), idx(&[2, 2, 3], &pixels)).unwrap();
        fs::write(dir.join(format!("{}.gz", FILES[1].name)), gzip(&idx(&[2], &[7, 1]))).unwrap();
        fs::write(dir.join(format!("{}.gz", FILES[2].name)), gzip(&idx(&[1, 2, 3], &pixels[..6]))).unwrap();
        fs::write(dir.join(FILES[3].name), idx(&[1], &[4])).unwrap();
    }

    #[test]
    fn other_data_of_the_same_layout_is_read_with_a_warning_a_file() {
        let dir = tempfile::tempdir().unwrap();
        small(dir.path());
        let mut warnings = Vec::new();
        let (train, test) = load_with(dir.path(), |warning| warnings.push(warning.to_owned())).unwrap();
        assert_eq!(
            train,
            Dataset { images: (0..12).collect(), labels: vec![7, 1], count: 2, height: 2, width: 3 }
        );
        assert_eq!((test.count, &test.labels[..]), (1, &[4][..]));
        assert_eq!(warnings.len(), 4);
        assert!(warnings[0].contains("train-images-idx3-ubyte is not MNIST's"), "{}", warnings[0]);
    }

    #[test]
    fn a_missing_file_names_the_folder_and_the_command_that_fetches_it() {
        let dir = tempfile::tempdir().unwrap();
        small(dir.path());
        fs::remove_file(dir.path().join(FILES[3].name)).unwrap();
        let error = load_with(dir.path(), |_| {}).unwrap_err();
        assert!(matches!(&error, DataError::Missing { name, .. } if name == FILES[3].name));
        assert!(error.to_string().contains("flow-digits data --dir"), "{error}");
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let field = || match load_with(dir.path(), |_| {}).unwrap_err() {
            DataError::Malformed { field, .. } => field,
            other => panic!("{other}"),
        };
        small(dir.path());
        fs::write(dir.path().join(FILES[3].name), idx(&[2], &[4, 5])).unwrap();
        assert_eq!(field(), "number of labels");
        small(dir.path());
        fs::write(dir.path().join(FILES[2].name), idx(&[1, 3, 3], &[0; 9])).unwrap();
        assert_eq!(field(), "image size");
        fs::write(dir.path().join(FILES[0].name), idx(&[0, 2, 3], &[])).unwrap();
        assert_eq!(field(), "shape");
        // Labels where images should be.
        fs::write(dir.path().join(FILES[0].name), idx(&[2], &[7, 1])).unwrap();
        assert_eq!(field(), "rank");
    }
}
