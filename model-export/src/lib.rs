//! The compact model file of flow-digits: write, read, verify, quantize.
//!
//! A file is ordinary [safetensors](https://github.com/huggingface/safetensors): eight bytes of header
//! length, a JSON header, and the tensors' bytes. The header's `__metadata__` carries what a reader needs to
//! rebuild the network (`flow-digits.*`, see `docs/model-format.md`), so one file is a whole model and still
//! opens in Python with the usual package.
//!
//! The reader is strict and bounded. It refuses what it does not know, checks every length before it
//! allocates, and never panics whatever the bytes are. Everything here builds for wasm32 and uses no tensor
//! library, so the page's worker can verify a model before it builds one.
//!
//! - [`write`] and [`read`]: a [`Header`] and named `f32` tensors to bytes and back, in one [`Precision`].
//! - [`ModelFile::check`]: names and shapes against an architecture.
//! - [`manifest`]: which models ship, with byte sizes and SHA-256.
//! - `write_atomically` and `write_all_atomically` (native only): what matters is written beside itself and renamed.

#[cfg(not(target_arch = "wasm32"))]
mod atomic;
mod container;
mod error;
mod header;
pub mod manifest;
mod quantize;
mod reader;
mod writer;

#[cfg(not(target_arch = "wasm32"))]
pub use atomic::{write_all_atomically, write_atomically};
pub use container::{MAX_ELEMENTS, MAX_FILE_BYTES, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS};
pub use error::{ReadError, WriteError};
pub use header::{Conditioning, FORMAT, Header, ImageSpec, Kind, Normalization};
pub use quantize::{MOST_LEVELS, SCALE_SUFFIX, SMALL_TENSOR, levels_of};
pub use reader::{ModelFile, read};
pub use writer::{write, write_rounded};

use serde::{Deserialize, Serialize};

/// A tensor as the project computes with it: 32-bit floats in C order.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorF32 {
    /// Extent of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, the last axis fastest; as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// How a file stores its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Every tensor as 32-bit floats: exact.
    F32,
    /// Every tensor as 16-bit floats.
    F16,
    /// Tensors of rank 2 and more as 8-bit integers with one scale an output channel, the rest as 16-bit floats.
    Int8,
}

impl Precision {
    /// All of them, the largest file first.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Int8];

    /// The name in a file, a manifest and a command line.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Int8 => "int8",
        }
    }

    /// The precision of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|precision| precision.id() == text)
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}
