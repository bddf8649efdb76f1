//! Makes batches ahead on a thread of its own while the device trains; what takes longer than a batch, such as a
//! coupling of thousands, is prepared further ahead on a second thread.

use super::Task;
use std::ops::Range;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

/// Batches that wait, at most.
const AHEAD: usize = 4;

/// A thread that makes batches, in order.
pub(super) struct Loader<B> {
    batches: Receiver<Result<B, String>>,
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
        // One place: a preparation that is still under way is not asked for twice.
        let (ask, asked) = sync_channel(1);
        scope.spawn(move || {
            for step in asked {
                task.prepare(step);
            }
        });
        scope.spawn(move || {
            for step in steps {
                // Full means that a preparation is under way.
                let _ = ask.try_send(step);
                let batch = task.batch(step);
                let failed = batch.is_err();
                if sender.send(batch).is_err() || failed {
                    return;
                }
            }
        });
        Self { batches }
    }

    /// The next batch; none at the end.
    pub(super) fn next(&mut self) -> Option<Result<B, String>> {
        self.batches.recv().ok()
    }
}
