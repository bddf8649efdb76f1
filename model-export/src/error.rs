//! What can be wrong with a model file: one variant a fault, each naming what it got and what is accepted.

use crate::container::{
    MAX_ELEMENTS, MAX_FILE_BYTES, MAX_HEADER_BYTES, MAX_NAME_BYTES, MAX_RANK, MAX_TENSORS,
};

/// Why bytes were refused as a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// More bytes than any model of this project may have.
    #[error("the file has {got} bytes; at most {MAX_FILE_BYTES} are accepted")]
    FileTooLarge {
        /// Bytes in the file.
        got: u64,
    },
    /// The file ends before what its beginning announces.
    #[error("the file is cut short: {needed} bytes are announced, {got} are there")]
    Truncated {
        /// Bytes that the part read so far announces.
        needed: u64,
        /// Bytes in the file.
        got: u64,
    },
    /// The header's length is beyond the limit.
    #[error(
        "the first eight bytes announce a header of {got} bytes, at most {MAX_HEADER_BYTES} are accepted: \
         this is no safetensors file of ours"
    )]
    HeaderTooLarge {
        /// The announced length.
        got: u64,
    },
    /// The header does not begin with `{`.
    #[error("the header does not begin with '{{': this is not a safetensors file")]
    HeaderStart,
    /// The header is not JSON of the safetensors layout.
    #[error("the header is not valid: {detail}")]
    HeaderJson {
        /// What the JSON parser said.
        detail: String,
    },
    /// The header has no `__metadata__`, as files of other programs.
    #[error("the header has no __metadata__: a safetensors file, but not one of flow-digits")]
    NoMetadata,
    /// A metadata key that every model file has is not there.
    #[error("the metadata key {key:?} is missing")]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// A metadata key that this version does not know.
    #[error("the metadata key {key:?} is not known")]
    UnknownKey {
        /// The key.
        key: String,
    },
    /// A metadata key stands twice.
    #[error("the metadata key {key:?} stands twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A format version that this reader does not read.
    #[error("format version {got:?} is not known; this reader reads {accepts}")]
    UnknownFormat {
        /// The version found.
        got: String,
        /// The version that is read.
        accepts: u32,
    },
    /// A metadata value that is out of range, malformed or of an unknown kind.
    #[error("header field {field:?} is {got}; accepted: {accepts}")]
    Field {
        /// The field.
        field: &'static str,
        /// The value, shortened.
        got: String,
        /// What is accepted.
        accepts: String,
    },
    /// No tensor at all.
    #[error("the file holds no tensor")]
    NoTensors,
    /// More tensors than the limit.
    #[error("the file holds {got} tensors; at most {MAX_TENSORS} are accepted")]
    TooManyTensors {
        /// Tensors found.
        got: usize,
    },
    /// A tensor's name is empty, too long or of other characters than `[A-Za-z0-9._-]`.
    #[error("the tensor name {got:?} is refused; accepted: 1 to {MAX_NAME_BYTES} of [A-Za-z0-9._-]")]
    TensorName {
        /// The name, shortened.
        got: String,
    },
    /// Two tensors of one name.
    #[error("the tensor {tensor:?} stands twice")]
    DuplicateTensor {
        /// The name.
        tensor: String,
    },
    /// A tensor of more axes than the limit.
    #[error("tensor {tensor:?} has rank {got}; at most {MAX_RANK} is accepted")]
    Rank {
        /// The tensor.
        tensor: String,
        /// Its rank.
        got: usize,
    },
    /// A shape with a zero, or whose product overflows.
    #[error("tensor {tensor:?} has the impossible shape {got:?}")]
    Extent {
        /// The tensor.
        tensor: String,
        /// Its shape.
        got: Vec<u64>,
    },
    /// More numbers in the file than the limit.
    #[error("the file announces {got} numbers; at most {MAX_ELEMENTS} are accepted")]
    TooManyElements {
        /// Numbers announced up to where reading stopped.
        got: u64,
    },
    /// A dtype that no model file of ours has.
    #[error("tensor {tensor:?} has dtype {got:?}; accepted: F32, F16, I8")]
    UnknownDtype {
        /// The tensor.
        tensor: String,
        /// The dtype.
        got: String,
    },
    /// A dtype that does not go with the precision the header declares.
    #[error("tensor {tensor:?} has dtype {got}, which a file of precision {precision} does not hold there")]
    DtypeForPrecision {
        /// The tensor.
        tensor: String,
        /// The dtype.
        got: &'static str,
        /// The declared precision.
        precision: crate::Precision,
    },
    /// Offsets whose distance is not the tensor's size.
    #[error("tensor {tensor:?} lies at {begin}..{end}, but its shape and dtype need {needed} bytes")]
    TensorLength {
        /// The tensor.
        tensor: String,
        /// First byte.
        begin: u64,
        /// One past the last byte.
        end: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A tensor that begins inside the one before.
    #[error("tensor {tensor:?} begins at {begin}, inside the tensor before, which ends at {expected}")]
    Overlap {
        /// The tensor.
        tensor: String,
        /// Where it begins.
        begin: u64,
        /// Where it should begin.
        expected: u64,
    },
    /// Bytes between two tensors that belong to none.
    #[error("tensor {tensor:?} begins at {begin}, after a gap: the tensor before ends at {expected}")]
    Gap {
        /// The tensor.
        tensor: String,
        /// Where it begins.
        begin: u64,
        /// Where it should begin.
        expected: u64,
    },
    /// Bytes after the last tensor.
    #[error("{got} bytes follow the last tensor")]
    Trailing {
        /// How many.
        got: u64,
    },
    /// A NaN or an infinity among the weights.
    #[error("tensor {tensor:?} holds a number that is not finite at index {index}")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Index into the flat data.
        index: usize,
    },
    /// An 8-bit tensor without its scales.
    #[error("the 8-bit tensor {tensor:?} has no scales")]
    MissingScale {
        /// The tensor.
        tensor: String,
    },
    /// Scales without an 8-bit tensor.
    #[error("the scales {tensor:?} belong to no 8-bit tensor")]
    OrphanScale {
        /// The scale tensor.
        tensor: String,
    },
    /// Scales whose shape does not broadcast over one axis of their tensor.
    #[error("the scales {tensor:?} have shape {got:?}; accepted: {accepts:?}")]
    ScaleShape {
        /// The scale tensor.
        tensor: String,
        /// Its shape.
        got: Vec<usize>,
        /// The shape that goes with its tensor.
        accepts: Vec<usize>,
    },
    /// A scale that is zero or negative.
    #[error("the scales {tensor:?} hold {got} at index {index}; accepted: greater than 0")]
    ScaleValue {
        /// The scale tensor.
        tensor: String,
        /// Index into the scales.
        index: usize,
        /// The scale.
        got: f32,
    },
    /// The architecture has a tensor that the file has not.
    #[error("tensor {tensor:?} of the architecture is missing from the file")]
    MissingTensor {
        /// The tensor.
        tensor: String,
    },
    /// The file has a tensor that the architecture has not.
    #[error("the architecture has no tensor {tensor:?}")]
    UnexpectedTensor {
        /// The tensor.
        tensor: String,
    },
    /// A tensor of another shape than the architecture's.
    #[error("tensor {tensor:?} has shape {got:?}; the architecture needs {expected:?}")]
    WrongShape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        got: Vec<usize>,
        /// The architecture's.
        expected: Vec<usize>,
    },
    /// Another number of bytes than the manifest says.
    #[error("{file} has {got} bytes; the manifest says {expected}")]
    WrongSize {
        /// The file.
        file: String,
        /// Bytes found.
        got: u64,
        /// Bytes announced.
        expected: u64,
    },
    /// Another SHA-256 than the manifest says.
    #[error("{file} has SHA-256 {got}; the manifest says {expected}")]
    WrongHash {
        /// The file.
        file: String,
        /// The hash found.
        got: String,
        /// The hash announced.
        expected: String,
    },
    /// A file that is whole, but whose header says something else than its manifest entry.
    #[error("{file} says {field} is {got}; the manifest says {expected}")]
    ManifestDisagrees {
        /// The file.
        file: String,
        /// The field.
        field: &'static str,
        /// The header's value.
        got: String,
        /// The manifest's value.
        expected: String,
    },
}

/// Why a model was not written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A header field that no reader would accept.
    #[error("header field {field:?} is {got}; accepted: {accepts}")]
    Field {
        /// The field.
        field: &'static str,
        /// The value, shortened.
        got: String,
        /// What is accepted.
        accepts: String,
    },
    /// No tensor at all.
    #[error("a model needs at least one tensor")]
    NoTensors,
    /// More tensors than the limit (scales count).
    #[error("{got} tensors are too many; at most {MAX_TENSORS} are accepted")]
    TooManyTensors {
        /// Tensors, with scales.
        got: usize,
    },
    /// A tensor's name is empty, too long or of other characters than `[A-Za-z0-9._-]`.
    #[error("the tensor name {got:?} is refused; accepted: 1 to {MAX_NAME_BYTES} of [A-Za-z0-9._-]")]
    TensorName {
        /// The name.
        got: String,
    },
    /// A tensor has the name that another tensor's scales need.
    #[error("the name {tensor:?} is needed for another tensor's scales")]
    ScaleNameTaken {
        /// The name.
        tensor: String,
    },
    /// A tensor of more axes than the limit.
    #[error("tensor {tensor:?} has rank {got}; at most {MAX_RANK} is accepted")]
    Rank {
        /// The tensor.
        tensor: String,
        /// Its rank.
        got: usize,
    },
    /// A shape with a zero, or one that is not the data's length.
    #[error("tensor {tensor:?} has shape {shape:?} and {got} numbers")]
    Length {
        /// The tensor.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
        /// How many numbers it has.
        got: usize,
    },
    /// A NaN or an infinity among the weights.
    #[error("tensor {tensor:?} holds {got} at index {index}")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// Index into the flat data.
        index: usize,
        /// The number.
        got: f32,
    },
    /// A weight beyond the range of 16-bit floats.
    #[error("tensor {tensor:?} holds {got} at index {index}, beyond the largest 16-bit float, 65504")]
    F16Overflow {
        /// The tensor.
        tensor: String,
        /// Index into the flat data.
        index: usize,
        /// The number.
        got: f32,
    },
    /// A header longer than the limit.
    #[error("the header would have {got} bytes; at most {MAX_HEADER_BYTES} are accepted")]
    HeaderTooLarge {
        /// Its length in bytes.
        got: usize,
    },
    /// More numbers or bytes than the limits.
    #[error(
        "the model has {elements} numbers; at most {MAX_ELEMENTS} in {MAX_FILE_BYTES} bytes are accepted"
    )]
    TooLarge {
        /// How many numbers.
        elements: u64,
    },
}

/// At most 80 characters of a text of unknown origin, for an error message.
pub(crate) fn shorten(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
