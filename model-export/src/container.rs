//! The outer layout: safetensors' length, JSON header and tightly packed tensor bytes.
//!
//! `u64 little-endian N | N bytes of JSON, padded with spaces to a multiple of 8 | tensor bytes`
//!
//! Stricter than the format itself, where a stranger's file could use the freedom: names are of few
//! characters, no tensor is empty, and every limit below is checked before memory is asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::error::{ReadError, shorten};

/// Largest file, in bytes.
pub const MAX_FILE_BYTES: u64 = 128 << 20;
/// Longest JSON header, in bytes.
pub const MAX_HEADER_BYTES: usize = 1 << 20;
/// Most tensors in a file; the scales of 8-bit tensors count.
pub const MAX_TENSORS: usize = 4096;
/// Most axes of a tensor.
pub const MAX_RANK: usize = 6;
/// Longest name of a tensor, in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Most numbers in a file: what they take in memory as `f32` is four bytes each.
pub const MAX_ELEMENTS: u64 = 64 << 20;

/// Bytes of the length that opens the file.
pub(crate) const LENGTH_BYTES: usize = 8;
const METADATA: &str = "__metadata__";

/// The dtypes that a model file of ours may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dtype {
    F32,
    F16,
    I8,
}

impl Dtype {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::I8 => "I8",
        }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::I8 => 1,
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::F32, Self::F16, Self::I8].into_iter().find(|dtype| dtype.name() == name)
    }
}

/// A tensor as it lies in a file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View<'a> {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: &'a [u8],
}

/// A file taken apart, its offsets checked, its numbers not yet read.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) tensors: BTreeMap<String, View<'a>>,
}

/// Whether a tensor may have this name.
pub(crate) fn is_tensor_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Takes a file apart.
///
/// # Errors
/// Any fault of the outer layout: lengths, JSON, names, dtypes, shapes, offsets.
pub(crate) fn parse(bytes: &[u8]) -> Result<Container<'_>, ReadError> {
    let (json, body) = split(bytes)?;
    let raw: RawHeader = serde_json::from_slice(json)
        .map_err(|error| ReadError::HeaderJson { detail: shorten(&error.to_string()) })?;

    let mut metadata = BTreeMap::new();
    for (key, value) in raw.metadata.ok_or(ReadError::NoMetadata)?.0 {
        let key_again = shorten(&key);
        if metadata.insert(key, value).is_some() {
            return Err(ReadError::DuplicateKey { key: key_again });
        }
    }

    if raw.tensors.is_empty() {
        return Err(ReadError::NoTensors);
    }
    if raw.tensors.len() > MAX_TENSORS {
        return Err(ReadError::TooManyTensors { got: raw.tensors.len() });
    }
    let mut elements = 0_u64;
    let mut layout = Vec::with_capacity(raw.tensors.len());
    for (name, tensor) in raw.tensors {
        layout.push(check_tensor(name, tensor, &mut elements)?);
    }
    layout.sort_by_key(|(_, planned)| planned.offsets.start);

    let mut tensors = BTreeMap::new();
    let mut expected = 0_u64;
    for (name, planned) in layout {
        let Range { start, end } = planned.offsets;
        if start < expected {
            return Err(ReadError::Overlap { tensor: name, begin: start, expected });
        }
        if start > expected {
            return Err(ReadError::Gap { tensor: name, begin: start, expected });
        }
        expected = end;
        // A file fits in memory, so an offset that fits in the file fits in usize.
        let span = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        let Some(view) = span.and_then(|(start, end)| body.get(start..end)) else {
            let before = (bytes.len() - body.len()) as u64;
            return Err(ReadError::Truncated { needed: before.saturating_add(end), got: bytes.len() as u64 });
        };
        let view = View { dtype: planned.dtype, shape: planned.shape, bytes: view };
        if tensors.insert(name.clone(), view).is_some() {
            return Err(ReadError::DuplicateTensor { tensor: name });
        }
    }
    let body_bytes = body.len() as u64;
    if body_bytes > expected {
        return Err(ReadError::Trailing { got: body_bytes - expected });
    }
    Ok(Container { metadata, tensors })
}

/// The JSON header and the tensor bytes.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), ReadError> {
    let got = bytes.len() as u64;
    if got > MAX_FILE_BYTES {
        return Err(ReadError::FileTooLarge { got });
    }
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_BYTES>() else {
        return Err(ReadError::Truncated { needed: LENGTH_BYTES as u64, got });
    };
    let announced = u64::from_le_bytes(*length);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if length > MAX_HEADER_BYTES {
        return Err(ReadError::HeaderTooLarge { got: announced });
    }
    let Some((json, body)) = rest.split_at_checked(length) else {
        return Err(ReadError::Truncated { needed: announced + LENGTH_BYTES as u64, got });
    };
    if json.first() != Some(&b'{') {
        return Err(ReadError::HeaderStart);
    }
    Ok((json, body))
}

struct Planned {
    dtype: Dtype,
    shape: Vec<usize>,
    offsets: Range<u64>,
}

fn check_tensor(name: String, raw: RawTensor, elements: &mut u64) -> Result<(String, Planned), ReadError> {
    if !is_tensor_name(&name) {
        return Err(ReadError::TensorName { got: shorten(&name) });
    }
    let Some(dtype) = Dtype::parse(&raw.dtype) else {
        return Err(ReadError::UnknownDtype { tensor: name, got: shorten(&raw.dtype) });
    };
    if raw.shape.len() > MAX_RANK {
        return Err(ReadError::Rank { tensor: name, got: raw.shape.len() });
    }
    let count = raw.shape.iter().try_fold(1_u64, |product, &extent| product.checked_mul(extent));
    let shape: Option<Vec<usize>> = raw.shape.iter().map(|&extent| usize::try_from(extent).ok()).collect();
    let (count, shape) = match (count, shape) {
        (Some(count), Some(shape)) if count > 0 => (count, shape),
        _ => return Err(ReadError::Extent { tensor: name, got: raw.shape }),
    };
    *elements = elements.saturating_add(count);
    if *elements > MAX_ELEMENTS {
        return Err(ReadError::TooManyElements { got: *elements });
    }
    let [begin, end] = raw.data_offsets;
    let needed = count * dtype.bytes() as u64;
    if begin.checked_add(needed) != Some(end) {
        return Err(ReadError::TensorLength { tensor: name, begin, end, needed });
    }
    Ok((name, Planned { dtype, shape, offsets: begin..end }))
}

/// A tensor ready to be written.
pub(crate) struct Encoded {
    pub(crate) name: String,
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) bytes: Vec<u8>,
}

/// The file of these tensors, or the length of a header that is beyond the limit.
///
/// Wide dtypes come first, then names in order: every tensor is aligned to its dtype, and the same
/// model gives the same bytes.
pub(crate) fn assemble(
    metadata: &BTreeMap<&'static str, String>,
    mut tensors: Vec<Encoded>,
) -> Result<Vec<u8>, usize> {
    tensors.sort_by(|a, b| b.dtype.bytes().cmp(&a.dtype.bytes()).then_with(|| a.name.cmp(&b.name)));
    // Strings, numbers and lists of them cannot fail to become JSON.
    let mut json = serde_json::to_vec(&HeaderOut { metadata, tensors: &tensors }).unwrap_or_default();
    json.resize(json.len().next_multiple_of(LENGTH_BYTES), b' ');
    if json.len() > MAX_HEADER_BYTES {
        return Err(json.len());
    }
    let body: usize = tensors.iter().map(|tensor| tensor.bytes.len()).sum();
    let mut file = Vec::with_capacity(LENGTH_BYTES + json.len() + body);
    file.extend_from_slice(&(json.len() as u64).to_le_bytes());
    file.extend_from_slice(&json);
    for tensor in &tensors {
        file.extend_from_slice(&tensor.bytes);
    }
    Ok(file)
}

/// The JSON header as it stands, twice-standing names included, so that they can be named.
struct RawHeader {
    metadata: Option<Pairs>,
    tensors: Vec<(String, RawTensor)>,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// A JSON object of strings, with repetitions.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut header = RawHeader { metadata: None, tensors: Vec::new() };
                while let Some(key) = map.next_key::<String>()? {
                    if key != METADATA {
                        header.tensors.push((key, map.next_value()?));
                    } else if header.metadata.replace(map.next_value()?).is_some() {
                        return Err(serde::de::Error::custom("__metadata__ stands twice"));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Strings)
    }
}

struct HeaderOut<'a> {
    metadata: &'a BTreeMap<&'static str, String>,
    tensors: &'a [Encoded],
}

impl Serialize for HeaderOut<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.tensors.len()))?;
        map.serialize_entry(METADATA, self.metadata)?;
        let mut begin = 0_u64;
        for tensor in self.tensors {
            let end = begin + tensor.bytes.len() as u64;
            let raw = RawTensor {
                dtype: tensor.dtype.name().to_owned(),
                shape: tensor.shape.iter().map(|&extent| extent as u64).collect(),
                data_offsets: [begin, end],
            };
            map.serialize_entry(&tensor.name, &raw)?;
            begin = end;
        }
        map.end()
    }
}
