//! A velocity network with each image's class held fixed: what guidance and the integrator call.
//!
//! Both branches of classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598) go through the network as one batch.
//! A second, weaker network may stand beside it for autoguidance (Karras et al. 2024, arXiv 2406.02507).

use crate::network::Network;
use burn::tensor::{Device, Int, Tensor, TensorData};
use flow::Error;
use flow::guidance::{At, Conditional};

/// A network and the classes of a batch.
pub struct ConditionalNetwork<'a> {
    network: &'a Network,
    weak: Option<&'a Network>,
    labels: Vec<i32>,
    null_class: i32,
    device: Device,
}

impl<'a> ConditionalNetwork<'a> {
    /// Holds `labels` (one an image, each below the number of classes) and the null class for `network`.
    pub fn new(network: &'a Network, labels: &[u8], null_class: usize, device: &Device) -> Self {
        Self {
            network,
            weak: None,
            labels: labels.iter().map(|&l| i32::from(l)).collect(),
            null_class: null_class as i32,
            device: device.clone(),
        }
    }

    /// The same with a weaker network of the same images and classes, for autoguidance.
    pub fn with_weak(self, weak: Option<&'a Network>) -> Self {
        Self { weak, ..self }
    }

    fn forward(&self, network: &Network, times: &[f32], x: Tensor<4>, labels: Vec<i32>) -> Tensor<4> {
        let batch = labels.len();
        let class = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), &self.device);
        network.forward_at(x, times, class)
    }

    /// The time and the class of each image that is asked about.
    fn asked(&self, at: At<'_>) -> (Vec<f32>, Vec<i32>) {
        match at {
            At::All(t) => (vec![t as f32; self.labels.len()], self.labels.clone()),
            At::Rows { times, rows } => {
                let times = times.iter().map(|t| *t as f32).collect();
                (times, rows.iter().map(|row| self.labels[*row]).collect())
            }
        }
    }
}

impl Conditional<Tensor<4>> for ConditionalNetwork<'_> {
    fn conditional(&mut self, at: At<'_>, x: &Tensor<4>) -> Result<Tensor<4>, Error> {
        let (times, labels) = self.asked(at);
        Ok(self.forward(self.network, &times, x.clone(), labels))
    }

    fn unconditional(&mut self, at: At<'_>, x: &Tensor<4>) -> Result<Tensor<4>, Error> {
        let (times, labels) = self.asked(at);
        Ok(self.forward(self.network, &times, x.clone(), vec![self.null_class; labels.len()]))
    }

    fn both(&mut self, at: At<'_>, x: &Tensor<4>) -> Result<(Tensor<4>, Tensor<4>), Error> {
        let (times, mut labels) = self.asked(at);
        let batch = labels.len();
        labels.extend(vec![self.null_class; batch]);
        let twice = [times.as_slice(), times.as_slice()].concat();
        let out = self.forward(self.network, &twice, Tensor::cat(vec![x.clone(), x.clone()], 0), labels);
        Ok((out.clone().narrow(0, 0, batch), out.narrow(0, batch, batch)))
    }

    fn weak(&mut self, at: At<'_>, x: &Tensor<4>) -> Result<Tensor<4>, Error> {
        let Some(weak) = self.weak else {
            let reason = "this guidance needs a second, weaker model, and there is none".to_owned();
            return Err(Error::Field { reason });
        };
        let (times, labels) = self.asked(at);
        Ok(self.forward(weak, &times, x.clone(), labels))
    }
}
