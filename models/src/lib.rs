//! The networks of flow-digits: velocity networks, the autoencoders whose latents some of them learn, and the classifier
//! that judges them.
//!
//! A velocity network maps `(x, t, class)` to the velocity of the probability path at `(x, t)`;
//! `t = 0` is noise and `t = 1` is data. The same code runs on every Burn backend: the device that
//! a module is built on decides. Adding a network is one new file and one line in [`network`].

pub mod architecture;
pub mod autoencoder;
pub mod classifier;
pub mod conditional;
#[cfg(feature = "autodiff")]
pub mod differentiated;
pub mod dit;
pub mod gaussian;
pub mod latent_mlp;
pub mod layers;
pub mod network;
pub mod unet;
pub mod weights;

pub use architecture::{ArchitectureError, NetworkConfig};
pub use autoencoder::{Autoencoder, AutoencoderArchitecture, AutoencoderConfig, Encoded};
pub use classifier::{Classifier, ClassifierConfig};
pub use conditional::ConditionalNetwork;
#[cfg(feature = "autodiff")]
pub use differentiated::Differentiated;
pub use dit::{Dit, DitConfig};
pub use gaussian::GaussianConfig;
pub use latent_mlp::{LatentMlp, LatentMlpConfig};
pub use network::{Architecture, Network, VelocityNetwork};
pub use unet::{UNet, UNetConfig};
pub use weights::{WeightError, Weights};
