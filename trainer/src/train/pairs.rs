//! Which noise goes with which image: the pairs of every training step.
//!
//! Images come in the data's order, and noise number k is drawn beside image number k, unless the image has its own (reflow). A coupling then pairs a pool of
//! images with the pool's noises, and the pool is served in batches, `passes` times. A pool depends on the recipe's
//! seed and its own number alone, so a resumed run sees the pairs that an unbroken one would have seen. While one pool
//! is served, the next is made on another thread ([`Pairs::prepare`]), so that training does not wait for it.

use super::images::Images;
use super::order::Order;
use crate::recipe::Recipe;
use anyhow::Result;
use flow::coupling::{Coupling, Pool};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One batch: noises and images in the network's values, row by row, and the images' classes.
pub(super) struct PairedBatch {
    pub(super) x0: Vec<f32>,
    pub(super) x1: Vec<f32>,
    pub(super) labels: Vec<usize>,
}

/// A pool, or why it could not be made.
type Slot = Arc<OnceLock<Result<Pool, String>>>;

/// The pairs of a training.
pub(super) struct Pairs<'a> {
    images: Images<'a>,
    order: Order,
    seed: u64,
    batch: usize,
    coupled: Option<Coupled>,
}

struct Coupled {
    coupling: Coupling,
    pool: usize,
    passes: u64,
    warmup_steps: u64,
    threads: usize,
    /// The pool being served and the next, by number.
    slots: Mutex<Vec<(u64, Slot)>>,
}

impl Coupled {
    /// The pool that a step is served from and the batch within it; none during the warm-up.
    fn place(&self, step: u64, batch: usize) -> Option<(u64, usize)> {
        let since = step.checked_sub(self.warmup_steps)?;
        let steps_a_pool = self.pool as u64 / batch as u64 * self.passes;
        Some((since / steps_a_pool, (since % steps_a_pool) as usize))
    }

    /// The place of a pool, made on demand. Asking for a pool to serve forgets the earlier ones.
    fn slot(&self, number: u64, serving: bool) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if serving {
            slots.retain(|(n, _)| *n >= number);
        }
        if let Some((_, slot)) = slots.iter().find(|(n, _)| *n == number) {
            return Arc::clone(slot);
        }
        let slot = Slot::default();
        slots.push((number, Arc::clone(&slot)));
        slot
    }
}

impl<'a> Pairs<'a> {
    /// For a recipe that was checked.
    ///
    /// # Errors
    /// A coupling that the registry does not know.
    pub(super) fn new(recipe: &Recipe, images: Images<'a>) -> Result<Self> {
        let batch = recipe.train.batch;
        let coupling = recipe.flow.as_ref().and_then(|flow| flow.coupling.as_ref());
        let coupled = match coupling {
            None => None,
            Some(coupling) => Some(Coupled {
                coupling: coupling.kind.parse()?,
                pool: coupling.pool_of(batch),
                passes: coupling.passes,
                warmup_steps: coupling.warmup_steps,
                threads: coupling.threads as usize,
                slots: Mutex::default(),
            }),
        };
        Ok(Self {
            images,
            order: Order::new(recipe.seed, images.count(), batch),
            seed: recipe.seed,
            batch,
            coupled,
        })
    }

    /// The pairs of a step.
    ///
    /// # Errors
    /// A coupling that failed, in words.
    pub(super) fn at(&self, step: u64) -> Result<PairedBatch, String> {
        let Some((coupled, (number, within))) =
            self.coupled.as_ref().and_then(|c| Some((c, c.place(step, self.batch)?)))
        else {
            return Ok(self.drawn(step * self.batch as u64, self.batch));
        };
        let slot = coupled.slot(number, true);
        let pool = slot.get_or_init(|| self.pool(coupled, number)).as_ref().map_err(Clone::clone)?;
        let (x0, x1, labels) = pool.batch(within, self.batch);
        Ok(PairedBatch { x0, x1, labels })
    }

    /// Makes the pool after the one that `step` is served from.
    pub(super) fn prepare(&self, step: u64) {
        let Some(coupled) = &self.coupled else { return };
        let next = coupled.place(step, self.batch).map_or(0, |(number, _)| number + 1);
        coupled.slot(next, false).get_or_init(|| self.pool(coupled, next));
    }

    fn pool(&self, coupled: &Coupled, number: u64) -> Result<Pool, String> {
        let first = coupled.warmup_steps * self.batch as u64 + number * coupled.pool as u64;
        let drawn = self.drawn(first, coupled.pool);
        let dim = self.images.len();
        let mut rng = flow::noise::rng(self.seed ^ 0x706f_6f6c_0000_0000, number);
        Pool::new(coupled.coupling.clone(), drawn.x0, drawn.x1, dim, drawn.labels, coupled.threads, &mut rng)
            .map_err(|error| format!("the coupling of pool {number} failed: {error}"))
    }

    /// Noise `first..first + count` beside the images at these places of the data's order.
    fn drawn(&self, first: u64, count: usize) -> PairedBatch {
        let n = self.images.len();
        let mut drawn = PairedBatch {
            x0: flow::noise::batch(self.seed ^ 0x6e6f_6973_6500_0000, first..first + count as u64, n),
            x1: Vec::with_capacity(count * n),
            labels: Vec::with_capacity(count),
        };
        for (place, index) in (first..).zip(self.order.range(first, count)) {
            if let Some(own) = self.images.own_noise(index) {
                let at = (place - first) as usize * n;
                drawn.x0[at..at + n].copy_from_slice(&own);
            }
            self.images.push(&mut drawn.x1, index, self.seed, place);
            drawn.labels.push(usize::from(self.images.labels()[index]));
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::reflow::TeacherPairs;

    /// Images that name themselves: image i has the value i in its first pixel.
    fn data(count: usize) -> Dataset {
        let mut images = vec![0; count * 784];
        for (i, image) in images.chunks_mut(784).enumerate() {
            image[0] = i as u8;
        }
        let labels = (0..count).map(|i| (i % 10) as u8).collect();
        Dataset { images, labels, count, channels: 1, height: 28, width: 28 }
    }

    fn recipe(coupling: &str) -> Recipe {
        let text = include_str!("../../../recipes/pair-independent.toml");
        let mut overrides = vec!["train.batch=20".to_owned()];
        if !coupling.is_empty() {
            overrides.push(format!(
                "flow.coupling={{ kind = \"{coupling}\", pool = 40, passes = 2, warmup_steps = 3 }}"
            ));
        }
        Recipe::parse(text, "test", &overrides).unwrap()
    }

    fn sorted(rows: &[f32]) -> Vec<Vec<u32>> {
        let mut rows: Vec<Vec<u32>> =
            rows.chunks(784).map(|row| row.iter().map(|v| v.to_bits()).collect()).collect();
        rows.sort();
        rows
    }

    #[test]
    fn the_warm_up_is_the_independent_training_and_a_pool_holds_the_same_noises_and_images() {
        let data = data(100);
        let plain = recipe("");
        let independent = Pairs::new(&plain, Images::Pixels(&data, plain.normalization)).unwrap();
        for kind in ["independent", "exact", "class-aware"] {
            let recipe = recipe(kind);
            let pairs = Pairs::new(&recipe, Images::Pixels(&data, recipe.normalization)).unwrap();
            for step in 0..3 {
                let (ours, theirs) = (pairs.at(step).unwrap(), independent.at(step).unwrap());
                assert_eq!((ours.x0, ours.x1, ours.labels), (theirs.x0, theirs.x1, theirs.labels));
            }
            // Steps 3 and 4 are the first pass of pool 0, steps 5 and 6 its second.
            for steps in [[3, 4], [5, 6]] {
                let gather = |pairs: &Pairs<'_>, steps: [u64; 2]| {
                    let batches = steps.map(|step| pairs.at(step).unwrap());
                    let join = |f: fn(&PairedBatch) -> &Vec<f32>| {
                        batches.iter().flat_map(f).copied().collect::<Vec<f32>>()
                    };
                    (sorted(&join(|b| &b.x0)), sorted(&join(|b| &b.x1)))
                };
                assert_eq!(gather(&pairs, steps), gather(&independent, [3, 4]), "{kind}");
            }
        }
    }

    #[test]
    fn a_step_has_the_same_pairs_whether_or_not_the_steps_before_were_seen() {
        let data = data(100);
        let recipe = recipe("sinkhorn");
        let unbroken = Pairs::new(&recipe, Images::Pixels(&data, recipe.normalization)).unwrap();
        let all: Vec<_> = (0..9)
            .map(|step| {
                unbroken.prepare(step);
                unbroken.at(step).unwrap()
            })
            .collect();
        let resumed = Pairs::new(&recipe, Images::Pixels(&data, recipe.normalization)).unwrap();
        for step in [8, 7] {
            let again = resumed.at(step).unwrap();
            let before = &all[step as usize];
            assert_eq!((&again.x0, &again.labels), (&before.x0, &before.labels));
        }
    }

    #[test]
    fn labels_stay_with_their_images_and_only_two_pools_are_kept() {
        let data = data(100);
        let recipe = recipe("exact");
        let pairs = Pairs::new(&recipe, Images::Pixels(&data, recipe.normalization)).unwrap();
        for step in 0..40 {
            pairs.prepare(step);
            let batch = pairs.at(step).unwrap();
            for (image, label) in batch.x1.chunks(784).zip(&batch.labels) {
                let number = ((image[0] * 0.5 + 0.5) * 255.0).round() as usize;
                assert_eq!(number % 10, *label);
            }
            let kept = pairs.coupled.as_ref().map(|c| c.slots.lock().unwrap().len());
            assert!(kept.is_some_and(|kept| kept <= 2));
        }
    }

    #[test]
    fn a_teachers_image_always_comes_with_the_noise_that_it_was_made_of() {
        let states: Vec<f32> = (0..7 * 784).map(|i| (i / 784) as f32).collect();
        let teacher = TeacherPairs::at_hand(11, [1, 28, 28], states, (0..7).collect());
        let recipe = recipe("");
        let pairs = Pairs::new(&recipe, Images::Pairs(&teacher)).unwrap();
        for step in [0, 3, 9] {
            let batch = pairs.at(step).unwrap();
            for ((x0, x1), label) in batch.x0.chunks(784).zip(batch.x1.chunks(784)).zip(&batch.labels) {
                assert_eq!(x1[0] as usize, *label);
                assert_eq!(x0, teacher.noise(*label));
            }
        }
    }
}
