//! Weights by name: out of a module, and into one, checked.
//!
//! Names are the module's field names joined by dots. Linear weights are `[in, out]`, convolutions `[out, in, h, w]`.

use crate::architecture::ArchitectureError;
use crate::layers::arranged;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::BTreeMap;

/// Shape and values of each tensor, by name.
pub type Weights = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Why weights do not fit a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightError {
    /// The network itself cannot be built.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// A tensor that the network needs is not there.
    #[error("weights: the tensor `{name}` is missing")]
    Missing {
        /// The tensor's name.
        name: String,
    },
    /// A tensor that the network does not know.
    #[error("weights: the network has no tensor `{name}`")]
    Unknown {
        /// The tensor's name.
        name: String,
    },
    /// A tensor of another shape, or whose values do not fill its shape.
    #[error("weights: the tensor `{name}` has shape {got:?}, the network takes {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape given.
        got: Vec<usize>,
        /// The shape that the network takes.
        expected: Vec<usize>,
    },
}

/// All weights of a module, read back synchronously (not for the browser).
pub fn collect<M: Module>(module: &M) -> Weights {
    let mut collector = Collector { path: Path::default(), weights: Weights::new() };
    module.visit(&mut collector);
    collector.weights
}

/// Names and shapes of a module's tensors, sorted; `root` is the enclosing enum's variant, left out of names.
pub(crate) fn shapes<M: Module>(module: &M, root: &str) -> Vec<(String, Vec<usize>)> {
    let mut shapes = Shapes { path: Path::without(root), shapes: Vec::new() };
    module.visit(&mut shapes);
    shapes.shapes.sort();
    shapes.shapes
}

/// Puts weights into a module that was made on `device`.
///
/// # Errors
/// The first missing tensor or wrong shape in the module's order, then the first unknown tensor.
pub fn load<M: Module>(module: M, weights: Weights, root: &str, device: &Device) -> Result<M, WeightError> {
    let mut loader = Loader { path: Path::without(root), weights, device: device.clone(), error: None };
    let module = module.map(&mut loader);
    if let Some(error) = loader.error {
        return Err(error);
    }
    match loader.weights.into_keys().next() {
        Some(name) => Err(WeightError::Unknown { name }),
        None => Ok(module),
    }
}

/// Where a traversal is, as a dotted name.
#[derive(Default)]
struct Path {
    parts: Vec<String>,
    root: Option<String>,
}

impl Path {
    fn without(root: &str) -> Self {
        Self { parts: Vec::new(), root: (!root.is_empty()).then(|| root.to_owned()) }
    }

    fn enter(&mut self, name: &str) {
        self.parts.push(name.to_owned());
    }

    fn exit(&mut self) {
        self.parts.pop();
    }

    fn name(&self) -> String {
        match (&self.root, self.parts.first()) {
            (Some(root), Some(first)) if root == first => self.parts[1..].join("."),
            _ => self.parts.join("."),
        }
    }
}

struct Collector {
    path: Path,
    weights: Weights,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let data = param.val().into_data();
        let shape = data.shape().to_vec();
        self.weights.insert(self.path.name(), (shape, data.iter::<f32>().collect()));
    }
}

struct Shapes {
    path: Path,
    shapes: Vec<(String, Vec<usize>)>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.shapes.push((self.path.name(), param.lazy_shape().to_vec()));
    }
}

struct Loader {
    path: Path,
    weights: Weights,
    device: Device,
    error: Option<WeightError>,
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let name = self.path.name();
        let Some((got, values)) = self.weights.remove(&name) else {
            self.error = Some(WeightError::Missing { name });
            return param;
        };
        let expected = param.lazy_shape().to_vec();
        if got != expected || values.len() != expected.iter().product::<usize>() {
            self.error = Some(WeightError::Shape { name, got, expected });
            return param;
        }
        let tensor = arranged(Tensor::from_data(TensorData::new(values, got), &self.device));
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}
