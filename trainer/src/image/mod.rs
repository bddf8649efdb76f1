//! Images to look at and to hand on: PNG grids and NumPy arrays.

pub mod grid;
pub mod npy;
pub mod picture;
pub mod read;

/// Why images were not written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Pixels that are no whole number of images, or no image at all.
    #[error("{pixels} pixels are no images of {height} x {width}")]
    Pixels {
        /// Pixels given.
        pixels: usize,
        /// Rows of an image.
        height: usize,
        /// Columns of an image.
        width: usize,
    },
    /// A pixel that is NaN or infinite.
    #[error("pixel {index} is not a finite number")]
    NotFinite {
        /// Its index.
        index: usize,
    },
    /// Another number of labels than of images.
    #[error("{labels} labels for {images} images")]
    Labels {
        /// Labels given.
        labels: usize,
        /// Images given.
        images: usize,
    },
    /// A grid of no columns, no scale, or too large a picture.
    #[error("{option} is {got}; accepted: {accepts}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        got: usize,
        /// What is accepted.
        accepts: String,
    },
    /// The encoder or the file system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The number of images in these pixels, all finite.
fn count(pixels: &[f32], height: usize, width: usize) -> Result<usize, ImageError> {
    let size = height * width;
    if size == 0 || pixels.is_empty() || !pixels.len().is_multiple_of(size) {
        return Err(ImageError::Pixels { pixels: pixels.len(), height, width });
    }
    match pixels.iter().position(|pixel| !pixel.is_finite()) {
        Some(index) => Err(ImageError::NotFinite { index }),
        None => Ok(pixels.len() / size),
    }
}
