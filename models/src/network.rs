//! The velocity networks behind one name. A further network is one new file and one line in the list below.

use crate::architecture::{ArchitectureError, NetworkConfig};
use crate::dit::{Dit, DitConfig};
use crate::gaussian::{Gaussian, GaussianConfig};
use crate::latent_mlp::{LatentMlp, LatentMlpConfig};
use crate::layers::{sinusoidal, sinusoidal_of};
use crate::unet::{UNet, UNetConfig};
use crate::weights::{WeightError, Weights, collect, load};
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};

/// What a velocity network computes.
pub trait VelocityNetwork: Module {
    /// Width of the sinusoidal embedding of time that it takes.
    fn embedding(&self) -> usize;

    /// The velocity for each state's class, with time already embedded.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - `time`: `[batch, embedding]`
    /// - `class`: `[batch]`, the null class is `classes`
    /// - returns the shape of `x`.
    fn forward_embedded(&self, x: Tensor<4>, time: Tensor<2>, class: Tensor<1, Int>) -> Tensor<4>;
}

macro_rules! networks {
    ($($(#[$about:meta])* $variant:ident = $kind:literal: $config:ident => $network:ident;)*) => {
        /// A velocity network's kind and sizes. In TOML or JSON: `kind = "unet"` and that kind's fields.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Architecture {
            $($(#[$about])* #[serde(rename = $kind)] $variant($config),)*
        }

        /// A velocity network of any kind.
        // A handful exist at a time, and Burn's modules are moved about by value.
        #[allow(clippy::large_enum_variant)]
        #[derive(Module, Debug)]
        pub enum Network {
            $($(#[$about])* $variant($network),)*
        }

        impl Architecture {
            /// The kinds' names, as in a recipe.
            pub const KINDS: &'static [&'static str] = &[$($kind),*];

            /// The kind's name, as in a recipe.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $kind,)* }
            }

            /// Checks that the sizes fit each other.
            ///
            /// # Errors
            /// Names the first field that does not fit.
            pub fn validate(&self) -> Result<(), ArchitectureError> {
                match self { $(Self::$variant(config) => config.validate(),)* }
            }

            /// Channels, height and width of a state: an image, or an autoencoder's latent.
            pub fn image(&self) -> [usize; 3] {
                match self { $(Self::$variant(config) => NetworkConfig::image(config),)* }
            }

            /// Number of classes, the null class not counted.
            pub fn classes(&self) -> usize {
                match self { $(Self::$variant(config) => NetworkConfig::classes(config),)* }
            }

            /// Multiply-adds of one evaluation of one state.
            pub fn multiply_adds(&self) -> u64 {
                match self { $(Self::$variant(config) => config.multiply_adds(),)* }
            }

            /// An untrained network. The architecture must be [valid](Self::validate).
            pub fn init(&self, device: &Device) -> Network {
                match self { $(Self::$variant(config) => Network::$variant(config.init(device)),)* }
            }

            fn module_name(&self) -> &'static str {
                match self { $(Self::$variant(_) => stringify!($variant),)* }
            }
        }

        impl Network {
            /// The velocity with time already embedded; see [`VelocityNetwork::forward_embedded`].
            fn forward_embedded(&self, x: Tensor<4>, time: Tensor<2>, class: Tensor<1, Int>) -> Tensor<4> {
                match self { $(Self::$variant(network) => network.forward_embedded(x, time, class),)* }
            }

            fn embedding(&self) -> usize {
                match self { $(Self::$variant(network) => VelocityNetwork::embedding(network),)* }
            }

            /// All weights by name, read back synchronously (not for the browser).
            pub fn weights(&self) -> Weights {
                match self { $(Self::$variant(network) => collect(network),)* }
            }
        }
    };
}

networks! {
    /// The U-Net, of residual or of plain blocks.
    Unet = "unet": UNetConfig => UNet;
    /// The diffusion transformer.
    Dit = "dit": DitConfig => Dit;
    /// Residual layers over a latent vector.
    LatentMlp = "latent-mlp": LatentMlpConfig => LatentMlp;
    /// No network: what was drawn stays as it is. The prior of a variational autoencoder.
    Gaussian = "gaussian": GaussianConfig => Gaussian;
}

impl Architecture {
    /// Number of values of a state.
    pub fn image_len(&self) -> usize {
        self.image().iter().product()
    }

    /// The label that stands for no class, in classifier-free guidance.
    pub fn null_class(&self) -> usize {
        self.classes()
    }

    /// Whether there is a network to evaluate at all.
    pub fn is_evaluated(&self) -> bool {
        !matches!(self, Self::Gaussian(_))
    }

    /// Number of trained values. Builds the network's (lazy) parameters on `device` to count them.
    pub fn parameters(&self, device: &Device) -> u64 {
        Module::num_params(&self.init(device)) as u64
    }

    /// Names and shapes of all tensors, sorted by name.
    pub fn expected(&self, device: &Device) -> Vec<(String, Vec<usize>)> {
        crate::weights::shapes(&self.init(device), self.module_name())
    }

    /// A network with the weights given.
    ///
    /// # Errors
    /// Sizes that do not fit, and weights that are missing, too many, or of another shape.
    pub fn with_weights(&self, weights: Weights, device: &Device) -> Result<Network, WeightError> {
        self.validate()?;
        load(self.init(device), weights, self.module_name(), device)
    }
}

impl Network {
    /// The velocity at `(x, t)` for each state's class.
    ///
    /// # Shapes
    /// - `x`: `[batch, channels, height, width]`
    /// - `t`: `[batch]`, 0 noise to 1 data
    /// - `class`: `[batch]`, the null class is `classes`
    /// - returns the shape of `x`.
    pub fn forward(&self, x: Tensor<4>, t: Tensor<1>, class: Tensor<1, Int>) -> Tensor<4> {
        self.forward_embedded(x, sinusoidal(t, self.embedding()), class)
    }

    /// As [`forward`](Self::forward), at times that the host knows; more accurate on a GPU.
    pub fn forward_at(&self, x: Tensor<4>, times: &[f32], class: Tensor<1, Int>) -> Tensor<4> {
        let embedded = sinusoidal_of(times, self.embedding(), &x.device());
        self.forward_embedded(x, embedded, class)
    }
}
