//! From the bytes of a file to a header and named `f32` tensors, or to the fault that was found.

use std::collections::BTreeMap;

use half::f16;

use crate::container::{self, Dtype, View};
use crate::error::ReadError;
use crate::quantize::{SCALE_SUFFIX, dequantize, scale_shape};
use crate::{Header, Precision, TensorF32};

/// A model file that was read: well-formed, every number finite. Whether its tensors are those of the
/// architecture is [`ModelFile::check`]'s to say, since this crate knows no network.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// What the file says about its model.
    pub header: Header,
    /// How the weights were stored.
    pub precision: Precision,
    /// The weights by name, widened to `f32`; scales are already multiplied in.
    pub tensors: BTreeMap<String, TensorF32>,
}

/// Reads a model file. Bounded by the crate's `MAX_` constants; never panics.
///
/// # Errors
/// The first fault found; see [`ReadError`].
pub fn read(bytes: &[u8]) -> Result<ModelFile, ReadError> {
    let container = container::parse(bytes)?;
    let (header, precision) = Header::from_metadata(container.metadata)?;
    let mut views = container.tensors;
    let tensors = match precision {
        Precision::F32 => widen_all(views, precision, Dtype::F32)?,
        Precision::F16 => widen_all(views, precision, Dtype::F16)?,
        Precision::Int8 => {
            let quantized: Vec<String> = views
                .iter()
                .filter(|(_, view)| view.dtype == Dtype::I8)
                .map(|(name, _)| name.clone())
                .collect();
            let mut tensors = BTreeMap::new();
            for name in quantized {
                let scale_name = format!("{name}{SCALE_SUFFIX}");
                let scales = views.remove(&scale_name);
                if let Some(view) = views.remove(&name) {
                    tensors.insert(name.clone(), read_int8(&name, &view, &scale_name, scales)?);
                }
            }
            // 32-bit floats in this precision are scales, and those that belong somewhere are gone by now.
            if let Some(name) =
                views.iter().find_map(|(name, view)| (view.dtype == Dtype::F32).then_some(name))
            {
                return Err(ReadError::OrphanScale { tensor: name.clone() });
            }
            tensors.extend(widen_all(views, precision, Dtype::F16)?);
            tensors
        }
    };
    Ok(ModelFile { header, precision, tensors })
}

impl ModelFile {
    /// Whether the tensors are exactly these, by name and shape.
    ///
    /// # Errors
    /// The first tensor, in the order of `expected`, that is missing or of another shape; else one that is
    /// too many.
    pub fn check(&self, expected: &[(String, Vec<usize>)]) -> Result<(), ReadError> {
        for (name, shape) in expected {
            let Some(tensor) = self.tensors.get(name) else {
                return Err(ReadError::MissingTensor { tensor: name.clone() });
            };
            if tensor.shape != *shape {
                return Err(ReadError::WrongShape {
                    tensor: name.clone(),
                    got: tensor.shape.clone(),
                    expected: shape.clone(),
                });
            }
        }
        match self.tensors.keys().find(|name| !expected.iter().any(|(known, _)| known == *name)) {
            Some(name) => Err(ReadError::UnexpectedTensor { tensor: name.clone() }),
            None => Ok(()),
        }
    }

    /// How many weights the model has.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.tensors.values().map(|tensor| tensor.data.len() as u64).sum()
    }
}

/// Every tensor to `f32`; all must be of the one dtype.
fn widen_all(
    views: BTreeMap<String, View<'_>>,
    precision: Precision,
    dtype: Dtype,
) -> Result<BTreeMap<String, TensorF32>, ReadError> {
    let mut tensors = BTreeMap::new();
    for (name, view) in views {
        // In an 8-bit file a matrix or a convolution kept at 16 bits is as foreign as an 8-bit bias.
        if view.dtype != dtype || (precision == Precision::Int8 && view.shape.len() >= 2) {
            return Err(ReadError::DtypeForPrecision { tensor: name, got: view.dtype.name(), precision });
        }
        let data = floats(&view);
        all_finite(&name, &data)?;
        tensors.insert(name, TensorF32 { shape: view.shape, data });
    }
    Ok(tensors)
}

fn read_int8(
    name: &str,
    view: &View<'_>,
    scale_name: &str,
    scales: Option<View<'_>>,
) -> Result<TensorF32, ReadError> {
    let precision = Precision::Int8;
    if view.shape.len() < 2 {
        return Err(ReadError::DtypeForPrecision {
            tensor: name.to_owned(),
            got: view.dtype.name(),
            precision,
        });
    }
    let Some(scales) = scales else {
        return Err(ReadError::MissingScale { tensor: name.to_owned() });
    };
    let tensor = scale_name.to_owned();
    if scales.dtype != Dtype::F32 {
        return Err(ReadError::DtypeForPrecision { tensor, got: scales.dtype.name(), precision });
    }
    let accepts = scale_shape(&view.shape);
    if scales.shape != accepts {
        return Err(ReadError::ScaleShape { tensor, got: scales.shape, accepts });
    }
    let scales = floats(&scales);
    all_finite(scale_name, &scales)?;
    if let Some(index) = scales.iter().position(|&scale| scale <= 0.0) {
        return Err(ReadError::ScaleValue { tensor, index, got: scales[index] });
    }
    let data = dequantize(&view.shape, view.bytes, &scales);
    all_finite(name, &data)?;
    Ok(TensorF32 { shape: view.shape.clone(), data })
}

/// The numbers of a tensor of floats.
fn floats(view: &View<'_>) -> Vec<f32> {
    let (fours, _) = view.bytes.as_chunks::<4>();
    let (twos, _) = view.bytes.as_chunks::<2>();
    match view.dtype {
        Dtype::F32 => fours.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect(),
        Dtype::F16 => twos.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()).collect(),
        Dtype::I8 => view.bytes.iter().map(|&byte| f32::from(i8::from_le_bytes([byte]))).collect(),
    }
}

fn all_finite(name: &str, data: &[f32]) -> Result<(), ReadError> {
    match data.iter().position(|number| !number.is_finite()) {
        Some(index) => Err(ReadError::NotFinite { tensor: name.to_owned(), index }),
        None => Ok(()),
    }
}
