//! A pool of noises and data that is paired at once, ahead of the training, and served in batches.
//!
//! The exact assignment is cubic, so a pool is paired in blocks of at most [`Pool::BLOCK`] rows, spread over threads.

use super::{Coupling, Pairing};
use crate::Error;
use crate::noise;
use crate::rand_core::RngCore;

/// Paired noises and data.
#[derive(Clone, Debug)]
pub struct Pool {
    x0: Vec<f32>,
    x1: Vec<f32>,
    labels: Vec<usize>,
    dim: usize,
    /// For each row of data its row of noise.
    rows: Vec<usize>,
    seed: u64,
    mean_cost: f64,
    mean_cost_before: f64,
}

impl Pool {
    /// The most rows that are paired together.
    pub const BLOCK: usize = 1024;

    /// Pairs row-major noises `x0` and data `x1` with `dim` columns, one label a row of data, on so many threads
    /// (on the calling one alone where there are no threads).
    ///
    /// # Errors
    /// As [`Coupling::pair`]; nothing at all in the pool.
    pub fn new<R: RngCore>(
        coupling: Coupling,
        x0: Vec<f32>,
        x1: Vec<f32>,
        dim: usize,
        labels: Vec<usize>,
        threads: usize,
        rng: &mut R,
    ) -> Result<Self, Error> {
        if labels.is_empty() {
            return Err(Error::Pairing {
                what: "labels",
                got: "none".to_owned(),
                accepts: "at least one row",
            });
        }
        super::check(&x0, &x1, dim, labels.len())?;
        let seed = rng.next_u64();
        let blocks = labels.len().div_ceil(Self::BLOCK);
        // Blocks of nearly one size: a small last one would be paired worse than the others.
        let size = labels.len().div_ceil(blocks);
        let pair = |block: usize| -> Result<Pairing, Error> {
            let (from, to) = (block * size, ((block + 1) * size).min(labels.len()));
            let mut rng = noise::rng(seed, block as u64);
            coupling.pair(
                &x0[from * dim..to * dim],
                &x1[from * dim..to * dim],
                dim,
                &labels[from..to],
                &mut rng,
            )
        };
        let mut found = run(blocks, threads, &pair)?;
        let mut rows = Vec::with_capacity(labels.len());
        let (mut cost, mut before) = (0.0, 0.0);
        for (block, pairing) in found.drain(..).enumerate() {
            let part = pairing.rows.len() as f64 / labels.len() as f64;
            cost += part * pairing.mean_cost;
            before += part * pairing.mean_cost_before;
            rows.extend(pairing.rows.into_iter().map(|row| row + block * size));
        }
        Ok(Self { x0, x1, labels, dim, rows, seed, mean_cost: cost, mean_cost_before: before })
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: a pool has at least one pair.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The mean of |x0 - x1|^2 over the pairs, and what it would be with each datum's own row of noise.
    pub fn mean_costs(&self) -> (f64, f64) {
        (self.mean_cost, self.mean_cost_before)
    }

    /// Batch number `k` of `size` pairs: noises, data and labels. Batches go through the pool again and again; the
    /// first pass keeps the pool's order, each later one has an order of its own.
    pub fn batch(&self, k: usize, size: usize) -> (Vec<f32>, Vec<f32>, Vec<usize>) {
        let n = self.len();
        let mut order: Option<(usize, Vec<usize>)> = None;
        let (mut x0, mut x1) = (Vec::with_capacity(size * self.dim), Vec::with_capacity(size * self.dim));
        let mut labels = Vec::with_capacity(size);
        for position in k * size..(k + 1) * size {
            let (pass, place) = (position / n, position % n);
            if order.as_ref().is_none_or(|(p, _)| *p != pass) {
                order = Some((pass, self.order(pass)));
            }
            let datum = order.as_ref().map_or(place, |(_, order)| order[place]);
            let noise = self.rows[datum];
            x0.extend_from_slice(&self.x0[noise * self.dim..(noise + 1) * self.dim]);
            x1.extend_from_slice(&self.x1[datum * self.dim..(datum + 1) * self.dim]);
            labels.push(self.labels[datum]);
        }
        (x0, x1, labels)
    }

    /// Fisher and Yates, from the pool's seed and the pass alone.
    fn order(&self, pass: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        if pass > 0 {
            // Streams below 2^32 belong to the blocks.
            let mut rng = noise::rng(self.seed, (1 << 32) + pass as u64);
            for i in (1..order.len()).rev() {
                order.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
            }
        }
        order
    }
}

/// Runs `pair` for every block, in order, on at most so many threads.
#[cfg(not(target_family = "wasm"))]
fn run<T: Send>(
    blocks: usize,
    threads: usize,
    pair: &(impl Fn(usize) -> Result<T, Error> + Sync),
) -> Result<Vec<T>, Error> {
    let threads = threads.clamp(1, blocks);
    if threads == 1 {
        return (0..blocks).map(pair).collect();
    }
    let each = blocks.div_ceil(threads);
    let part = |thread: usize| (thread * each).min(blocks)..((thread + 1) * each).min(blocks);
    let parts: Vec<Result<Vec<T>, Error>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(part)
            .map(|part| scope.spawn(move || part.map(pair).collect::<Result<Vec<T>, Error>>()))
            .collect();
        let died = || Error::Field { reason: "a thread that pairs noises and data ended early".to_owned() };
        handles.into_iter().map(|handle| handle.join().unwrap_or_else(|_| Err(died()))).collect()
    });
    let mut all = Vec::with_capacity(blocks);
    for part in parts {
        all.extend(part?);
    }
    Ok(all)
}

#[cfg(target_family = "wasm")]
fn run<T>(blocks: usize, _: usize, pair: &impl Fn(usize) -> Result<T, Error>) -> Result<Vec<T>, Error> {
    (0..blocks).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(coupling: &str, n: usize, threads: usize) -> Pool {
        let (x0, x1) = (noise::gaussian(1, 0, 2 * n), noise::gaussian(2, 0, 2 * n));
        let labels = (0..n).map(|i| i % 10).collect();
        let coupling = Coupling::parse(coupling).unwrap();
        Pool::new(coupling, x0, x1, 2, labels, threads, &mut noise::rng(3, 0)).unwrap()
    }

    #[test]
    fn a_pass_serves_every_datum_and_every_noise_once_and_labels_stay() {
        let n = 60;
        let pool = pool("exact", n, 1);
        for pass in 0..3 {
            let (mut noises, mut data) = (Vec::new(), Vec::new());
            for k in 0..3 {
                let (x0, x1, labels) = pool.batch(3 * pass + k, 20);
                for i in 0..20 {
                    let datum = (0..n).find(|d| pool.x1[2 * d..2 * d + 2] == x1[2 * i..2 * i + 2]).unwrap();
                    assert_eq!(labels[i], datum % 10);
                    data.push(datum);
                }
                noises.extend(x0.chunks(2).map(|x| [x[0].to_bits(), x[1].to_bits()]));
            }
            assert_eq!(data.is_sorted(), pass == 0, "later passes have an order of their own");
            data.sort_unstable();
            assert_eq!(data, (0..n).collect::<Vec<_>>());
            noises.sort_unstable();
            noises.dedup();
            assert_eq!(noises.len(), n);
        }
    }

    #[test]
    fn threads_change_nothing_and_blocks_stay_apart() {
        let n = 2 * Pool::BLOCK + 100;
        for coupling in ["class-aware", "independent"] {
            let (one, many) = (pool(coupling, n, 1), pool(coupling, n, 3));
            assert_eq!(one.rows, many.rows);
            let size = n.div_ceil(3);
            assert!(one.rows.iter().enumerate().all(|(i, row)| i / size == row / size));
            let (cost, before) = one.mean_costs();
            assert!(cost <= before + 1e-9);
        }
    }

    #[test]
    fn a_batch_may_cross_the_end_of_a_pass() {
        let pool = pool("exact", 10, 1);
        let (x0, x1, labels) = pool.batch(1, 7);
        assert_eq!((x0.len(), x1.len(), labels.len()), (14, 14, 7));
    }

    #[test]
    fn an_empty_pool_is_refused() {
        let coupling = Coupling::parse("exact").unwrap();
        let refused = Pool::new(coupling, vec![], vec![], 2, vec![], 1, &mut noise::rng(0, 0));
        assert!(matches!(refused, Err(Error::Pairing { what: "labels", .. })));
    }
}
