//! The data's order: each epoch is a permutation drawn from (seed, epoch); batches run across epochs without a gap.

use rand_chacha::rand_core::RngCore;

/// Which samples a step sees.
pub(super) struct Order {
    seed: u64,
    count: usize,
    batch: usize,
}

impl Order {
    /// For `count` samples in batches of `batch`.
    pub(super) fn new(seed: u64, count: usize, batch: usize) -> Self {
        Self { seed, count, batch }
    }

    /// The samples of a step. Drawn from (seed, epoch) alone, so it does not depend on earlier steps.
    pub(super) fn indices(&self, step: u64) -> Vec<usize> {
        self.range(step * self.batch as u64, self.batch)
    }

    /// `count` samples from place `first` of the endless order.
    pub(super) fn range(&self, first: u64, count: usize) -> Vec<usize> {
        let mut permutation: Option<(u64, Vec<u32>)> = None;
        (first..first + count as u64)
            .map(|position| {
                let epoch = position / self.count as u64;
                if permutation.as_ref().is_none_or(|(e, _)| *e != epoch) {
                    permutation = Some((epoch, self.permutation(epoch)));
                }
                let within = (position % self.count as u64) as usize;
                permutation.as_ref().map_or(0, |(_, p)| p[within] as usize)
            })
            .collect()
    }

    /// Fisher and Yates.
    fn permutation(&self, epoch: u64) -> Vec<u32> {
        let mut rng = flow::noise::rng(self.seed ^ 0x6f72_6465_7200_0000, epoch);
        let mut order: Vec<u32> = (0..self.count as u32).collect();
        for i in (1..order.len()).rev() {
            // 64 random bits against at most 2^32 choices: the bias is below 2^-32.
            let j = (rng.next_u64() % (i as u64 + 1)) as usize;
            order.swap(i, j);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_sees_each_sample_once() {
        let order = Order::new(5, 100, 30);
        let mut seen: Vec<usize> = (0..10).flat_map(|step| order.indices(step)).collect();
        assert_eq!(seen.len(), 300);
        for epoch in seen.chunks_mut(100) {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..100).collect::<Vec<_>>());
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_a_step_is_always_the_same() {
        let order = Order::new(5, 100, 100);
        assert_ne!(order.indices(0), order.indices(1));
        assert_ne!(order.indices(0), Order::new(6, 100, 100).indices(0));
        assert_eq!(order.indices(7), Order::new(5, 100, 100).indices(7));
    }
}
