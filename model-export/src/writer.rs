//! From a header and named tensors to the bytes of a file. What is written here, [`crate::read`] accepts.

use std::collections::BTreeMap;

use half::f16;

use crate::container::{
    Dtype, Encoded, MAX_ELEMENTS, MAX_FILE_BYTES, MAX_RANK, MAX_TENSORS, assemble, is_tensor_name,
};
use crate::error::{WriteError, shorten};
use crate::quantize::{MOST_LEVELS, SCALE_SUFFIX, levels_of, quantize, scale_shape};
use crate::{Header, Precision, TensorF32};

/// The bytes of a model file. The same input gives the same bytes.
///
/// # Errors
/// A header, name, shape or number that no reader would accept, or a weight that 16-bit floats cannot hold.
pub fn write(
    header: &Header,
    tensors: &BTreeMap<String, TensorF32>,
    precision: Precision,
) -> Result<Vec<u8>, WriteError> {
    write_rounded(header, tensors, precision, MOST_LEVELS)
}

/// As [`write`], with 8-bit weights that are whole numbers from `-levels` to `levels`, 1 to 127; small
/// tensors as [`levels_of`] says.
///
/// # Errors
/// As [`write`].
pub fn write_rounded(
    header: &Header,
    tensors: &BTreeMap<String, TensorF32>,
    precision: Precision,
    levels: u8,
) -> Result<Vec<u8>, WriteError> {
    let metadata = header.to_metadata(precision)?;
    if tensors.is_empty() {
        return Err(WriteError::NoTensors);
    }
    let mut encoded = Vec::new();
    for (name, tensor) in tensors {
        check(name, tensor)?;
        match precision {
            Precision::F32 => encoded.push(encode_f32(name, tensor.shape.clone(), &tensor.data)),
            Precision::Int8 if tensor.shape.len() >= 2 => {
                let scale_name = format!("{name}{SCALE_SUFFIX}");
                if tensors.contains_key(&scale_name) {
                    return Err(WriteError::ScaleNameTaken { tensor: scale_name });
                }
                if !is_tensor_name(&scale_name) {
                    return Err(WriteError::TensorName { got: shorten(&scale_name) });
                }
                let (quantized, scales) = quantize(tensor, levels_of(tensor.data.len(), levels));
                encoded.push(encode_f32(&scale_name, scale_shape(&tensor.shape), &scales));
                encoded.push(Encoded {
                    name: name.clone(),
                    dtype: Dtype::I8,
                    shape: tensor.shape.clone(),
                    bytes: quantized.into_iter().flat_map(i8::to_le_bytes).collect(),
                });
            }
            Precision::F16 | Precision::Int8 => encoded.push(encode_f16(name, tensor)?),
        }
    }
    if encoded.len() > MAX_TENSORS {
        return Err(WriteError::TooManyTensors { got: encoded.len() });
    }
    let elements: u64 = encoded.iter().map(|tensor| (tensor.bytes.len() / tensor.dtype.bytes()) as u64).sum();
    if elements > MAX_ELEMENTS {
        return Err(WriteError::TooLarge { elements });
    }
    let file = assemble(&metadata, encoded).map_err(|got| WriteError::HeaderTooLarge { got })?;
    if file.len() as u64 > MAX_FILE_BYTES {
        return Err(WriteError::TooLarge { elements });
    }
    Ok(file)
}

fn check(name: &str, tensor: &TensorF32) -> Result<(), WriteError> {
    if !is_tensor_name(name) {
        return Err(WriteError::TensorName { got: shorten(name) });
    }
    let TensorF32 { shape, data } = tensor;
    if shape.len() > MAX_RANK {
        return Err(WriteError::Rank { tensor: name.to_owned(), got: shape.len() });
    }
    let count = shape.iter().try_fold(1_usize, |product, &extent| product.checked_mul(extent));
    if count != Some(data.len()) || data.is_empty() {
        return Err(WriteError::Length { tensor: name.to_owned(), shape: shape.clone(), got: data.len() });
    }
    match data.iter().position(|number| !number.is_finite()) {
        Some(index) => Err(WriteError::NotFinite { tensor: name.to_owned(), index, got: data[index] }),
        None => Ok(()),
    }
}

fn encode_f32(name: &str, shape: Vec<usize>, data: &[f32]) -> Encoded {
    let bytes = data.iter().flat_map(|number| number.to_le_bytes()).collect();
    Encoded { name: name.to_owned(), dtype: Dtype::F32, shape, bytes }
}

fn encode_f16(name: &str, tensor: &TensorF32) -> Result<Encoded, WriteError> {
    let mut bytes = Vec::with_capacity(2 * tensor.data.len());
    for (index, &number) in tensor.data.iter().enumerate() {
        let narrow = f16::from_f32(number);
        if !narrow.is_finite() {
            return Err(WriteError::F16Overflow { tensor: name.to_owned(), index, got: number });
        }
        bytes.extend_from_slice(&narrow.to_le_bytes());
    }
    Ok(Encoded { name: name.to_owned(), dtype: Dtype::F16, shape: tensor.shape.clone(), bytes })
}
