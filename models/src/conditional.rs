//! A velocity network with each image's class held fixed: what guidance and the integrator call.
//!
//! Both branches of classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598) go through the network as one batch.

use crate::network::Network;
use burn::tensor::{Device, Int, Tensor, TensorData};
use flow::Error;
use flow::guidance::Conditional;

/// A network and the classes of a batch.
pub struct ConditionalNetwork<'a> {
    network: &'a Network,
    labels: Vec<i32>,
    null_class: i32,
    device: Device,
}

impl<'a> ConditionalNetwork<'a> {
    /// Holds `labels` (one an image, each below the number of classes) and the null class for `network`.
    pub fn new(network: &'a Network, labels: &[u8], null_class: usize, device: &Device) -> Self {
        Self {
            network,
            labels: labels.iter().map(|&l| i32::from(l)).collect(),
            null_class: null_class as i32,
            device: device.clone(),
        }
    }

    fn forward(&self, t: f64, x: Tensor<4>, labels: Vec<i32>) -> Tensor<4> {
        let batch = labels.len();
        let class = Tensor::<1, Int>::from_data(TensorData::new(labels, [batch]), &self.device);
        self.network.forward_at(x, &vec![t as f32; batch], class)
    }

    fn nulls(&self) -> Vec<i32> {
        vec![self.null_class; self.labels.len()]
    }
}

impl Conditional<Tensor<4>> for ConditionalNetwork<'_> {
    fn conditional(&mut self, t: f64, x: &Tensor<4>) -> Result<Tensor<4>, Error> {
        Ok(self.forward(t, x.clone(), self.labels.clone()))
    }

    fn unconditional(&mut self, t: f64, x: &Tensor<4>) -> Result<Tensor<4>, Error> {
        Ok(self.forward(t, x.clone(), self.nulls()))
    }

    fn both(&mut self, t: f64, x: &Tensor<4>) -> Result<(Tensor<4>, Tensor<4>), Error> {
        let batch = self.labels.len();
        let mut labels = self.labels.clone();
        labels.extend(self.nulls());
        let out = self.forward(t, Tensor::cat(vec![x.clone(), x.clone()], 0), labels);
        Ok((out.clone().narrow(0, 0, batch), out.narrow(0, batch, batch)))
    }
}
