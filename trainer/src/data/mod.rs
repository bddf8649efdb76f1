//! Images to train on: the IDX format, MNIST, and fetching it.

pub mod fetch;
pub mod idx;
pub mod mnist;

use std::io;
use std::path::PathBuf;

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
