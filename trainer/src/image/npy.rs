//! Images as a NumPy array, with their labels beside: version 1.0 of the `.npy` format, C order, little-endian.
//!
//! `\x93NUMPY 1 0 | u16 length | a Python dict, padded so that the data begins at a multiple of 64 | data`

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use model_export::write_atomically;

use super::{ImageError, count};

/// Writes images as float32 `N x height x width`, and their labels as int64 `N` in the file of [`labels_path`], whose
/// path it gives back. Each file is written atomically.
///
/// # Errors
/// Pixels that are no images or not finite, another number of labels, or a file that cannot be written.
pub fn write(
    path: &Path,
    pixels: &[f32],
    height: usize,
    width: usize,
    labels: &[u8],
) -> Result<PathBuf, ImageError> {
    let images = count(pixels, height, width)?;
    if labels.len() != images {
        return Err(ImageError::Labels { labels: labels.len(), images });
    }
    let mut bytes = header("<f4", &[images, height, width]);
    bytes.extend(pixels.iter().flat_map(|pixel| pixel.to_le_bytes()));
    write_atomically(path, &bytes)?;
    let mut bytes = header("<i8", &[images]);
    bytes.extend(labels.iter().flat_map(|&label| i64::from(label).to_le_bytes()));
    let labels_path = labels_path(path);
    write_atomically(&labels_path, &bytes)?;
    Ok(labels_path)
}

/// Where the labels of `NAME.npy` stand: `NAME-labels.npy`.
#[must_use]
pub fn labels_path(path: &Path) -> PathBuf {
    let mut name = match path.extension() {
        Some(extension) if extension == "npy" => path.file_stem(),
        _ => path.file_name(),
    }
    .map(OsString::from)
    .unwrap_or_default();
    name.push("-labels.npy");
    path.with_file_name(name)
}

fn header(dtype: &str, shape: &[usize]) -> Vec<u8> {
    const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
    const ALIGNMENT: usize = 64;
    let mut axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    if axes.len() == 1 {
        // Python's tuple of one.
        axes.push(String::new());
    }
    let axes = axes.join(", ");
    let mut dict =
        format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({}), }}", axes.trim_end())
            .into_bytes();
    let whole = (MAGIC.len() + 2 + dict.len() + 1).next_multiple_of(ALIGNMENT);
    dict.resize(whole - MAGIC.len() - 2 - 1, b' ');
    dict.push(b'\n');
    // A dict of three short entries has far fewer than 65,536 bytes.
    [MAGIC.as_slice(), &(dict.len() as u16).to_le_bytes(), &dict].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// The dict and the data of a file.
    fn read(path: &Path) -> (String, Vec<u8>) {
        let bytes = fs::read(path).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + length) % 64, 0);
        let dict = String::from_utf8(bytes[10..10 + length].to_vec()).unwrap();
        assert!(dict.ends_with('\n'));
        (dict.trim().to_owned(), bytes[10 + length..].to_vec())
    }

    #[test]
    fn images_and_labels_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("digits.npy");
        let pixels: Vec<f32> = (0..12).map(|i| i as f32 / 11.0).collect();
        let labels = write(&path, &pixels, 2, 3, &[7, 9]).unwrap();
        assert_eq!(labels, dir.path().join("digits-labels.npy"));

        let (dict, data) = read(&path);
        assert_eq!(dict, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 3), }");
        let read_back: Vec<f32> =
            data.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        assert_eq!(read_back, pixels);

        let (dict, data) = read(&labels);
        assert_eq!(dict, "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }");
        assert_eq!(data, [7_i64.to_le_bytes(), 9_i64.to_le_bytes()].concat());
    }

    #[test]
    fn labels_stand_beside_their_images() {
        for (images, labels) in
            [("a/b.npy", "a/b-labels.npy"), ("b", "b-labels.npy"), ("b.v2", "b.v2-labels.npy")]
        {
            assert_eq!(labels_path(Path::new(images)), Path::new(labels));
        }
    }

    #[test]
    fn labels_that_do_not_go_with_the_images_are_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(&dir.path().join("x.npy"), &[0.0; 4], 2, 2, &[1, 2]).unwrap_err();
        assert!(matches!(error, ImageError::Labels { labels: 2, images: 1 }));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
