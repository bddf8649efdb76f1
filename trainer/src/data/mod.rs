//! Images to train on: the data sets, their formats, and fetching them.

pub mod cifar10;
pub mod fetch;
pub mod idx;
pub mod mnist;
pub mod sets;

pub use sets::{DataSet, Loaded};

use std::io;
use std::path::PathBuf;

/// Labelled images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Pixels, image after image, channel after channel, row after row; of a grey image, 0 is paper and 255 is ink.
    /// `count * channels * height * width` bytes.
    pub images: Vec<u8>,
    /// The class of each image.
    pub labels: Vec<u8>,
    /// Number of images.
    pub count: usize,
    /// Values of a pixel: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
}

impl Dataset {
    /// Number of values of an image.
    pub fn image_len(&self) -> usize {
        self.channels * self.height * self.width
    }

    /// Channels, height and width.
    pub fn image(&self) -> [usize; 3] {
        [self.channels, self.height, self.width]
    }
}

/// Why data was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Neither the file nor its gzip is there.
    #[error("{}: no {name} and no {name}.gz there; `flow-digits data --dir {}` fetches them", dir.display(), dir.display())]
    Missing {
        /// The folder that was looked in.
        dir: PathBuf,
        /// The file's name without `.gz`.
        name: String,
    },
    /// Nothing of what could be there is.
    #[error("{}: no {name} there", dir.display())]
    MissingHere {
        /// The folder that was looked in.
        dir: PathBuf,
        /// What was looked for.
        name: String,
    },
    /// The file system, or a gzip stream that is damaged.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A file that is not what it should be.
    #[error("{}: {field} is {got}, expected {expected}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What of it.
        field: &'static str,
        /// What it is.
        got: String,
        /// What it should be.
        expected: String,
    },
}
