//! Makes batches ahead on a thread of its own while the device trains.

use super::Task;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Batches that wait, at most.
const AHEAD: usize = 4;

/// A thread that makes batches, in order.
pub(super) struct Loader<B> {
    batches: Receiver<B>,
}

impl<B: Send> Loader<B> {
    /// Starts the thread; it ends with the range, or when the loader is dropped.
    pub(super) fn start<'scope, 'env, T>(
        scope: &'scope Scope<'scope, 'env>,
        task: &'env T,
        steps: Range<u64>,
    ) -> Self
    where
        T: Task<Batch = B>,
        B: 'scope,
    {
        let (sender, batches) = sync_channel(AHEAD);
        scope.spawn(move || {
            for step in steps {
                if sender.send(task.batch(step)).is_err() {
                    return;
                }
            }
        });
        Self { batches }
    }

    /// The next batch; none at the end.
    pub(super) fn next(&mut self) -> Option<B> {
        self.batches.recv().ok()
    }
}
