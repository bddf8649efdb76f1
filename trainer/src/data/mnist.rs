//! MNIST: 60,000 training and 10,000 test images of digits, 28 x 28, one byte a pixel.
//!
//! LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998. CC BY-SA 3.0.

use std::path::Path;

use model_export::manifest::sha256_hex;

use super::idx::{Idx, malformed, parse, read_unpacked};
use super::{DataError, Dataset};

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

/// The files of Fashion-MNIST, of the same names and layout (Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747; MIT).
pub const FASHION_FILES: [File; 4] = [
    File { name: FILES[0].name, sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888" },
    File { name: FILES[1].name, sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9" },
    File { name: FILES[2].name, sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b" },
    File { name: FILES[3].name, sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34" },
];

/// Reads the training and the test set from a folder with these four files, gzip or not; `label` is the data set's name.
///
/// Other data of the same names and layout (one's own) is read too, and `warn` hears of it: figures from it are not
/// figures of this data set.
///
/// # Errors
/// A file that is missing, damaged or not IDX, or files that do not belong together.
pub(super) fn load_files(
    dir: &Path,
    files: &[File; 4],
    label: &str,
    mut warn: impl FnMut(&str),
) -> Result<(Dataset, Dataset), DataError> {
    let [train_images, train_labels, test_images, test_labels] = *files;
    let train = load_set(dir, train_images, train_labels, label, &mut warn)?;
    let test = load_set(dir, test_images, test_labels, label, &mut warn)?;
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
/// As [`load_files`].
pub(super) fn load_test_files(dir: &Path, files: &[File; 4], label: &str) -> Result<Dataset, DataError> {
    let [_, _, images, labels] = *files;
    load_set(dir, images, labels, label, &mut |warning: &str| crate::errln!("warning: {warning}"))
}

fn load_set(
    dir: &Path,
    images: File,
    labels: File,
    label: &str,
    warn: &mut impl FnMut(&str),
) -> Result<Dataset, DataError> {
    let Idx { shape, data } = load_file(dir, images, 3, label, warn)?;
    let labels_path = dir.join(labels.name);
    let labels = load_file(dir, labels, 1, label, warn)?.data;
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
    Ok(Dataset { images: data, labels, count, channels: 1, height, width })
}

fn load_file(
    dir: &Path,
    file: File,
    rank: usize,
    label: &str,
    warn: &mut impl FnMut(&str),
) -> Result<Idx, DataError> {
    let candidates = [dir.join(file.name), dir.join(format!("{}.gz", file.name))];
    let Some(path) = candidates.into_iter().find(|path| path.is_file()) else {
        return Err(DataError::Missing { dir: dir.to_owned(), name: file.name.to_owned() });
    };
    let bytes = read_unpacked(&path)?;
    let array = parse(&bytes, rank, &path)?;
    let got = sha256_hex(&bytes);
    if got != file.sha256 {
        warn(&format!(
            "{} is not the file of {label} (SHA-256 {}…, that one's is {}…); reading it all the same",
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
        let (train, test) =
            load_files(dir.path(), &FILES, "MNIST", |warning| warnings.push(warning.to_owned())).unwrap();
        assert_eq!(
            train,
            Dataset {
                images: (0..12).collect(),
                labels: vec![7, 1],
                count: 2,
                channels: 1,
                height: 2,
                width: 3
            }
        );
        assert_eq!((test.count, &test.labels[..]), (1, &[4][..]));
        assert_eq!(warnings.len(), 4);
        assert!(warnings[0].contains("train-images-idx3-ubyte is not the file of MNIST"), "{}", warnings[0]);
    }

    #[test]
    fn a_missing_file_names_the_folder_and_the_command_that_fetches_it() {
        let dir = tempfile::tempdir().unwrap();
        small(dir.path());
        fs::remove_file(dir.path().join(FILES[3].name)).unwrap();
        let error = load_files(dir.path(), &FILES, "MNIST", |_| {}).unwrap_err();
        assert!(matches!(&error, DataError::Missing { name, .. } if name == FILES[3].name));
        assert!(error.to_string().contains("flow-digits data --dir"), "{error}");
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let field = || match load_files(dir.path(), &FILES, "MNIST", |_| {}).unwrap_err() {
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
