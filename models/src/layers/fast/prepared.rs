//! Weights laid out for their loops, each made once from the tensor that holds them.
//!
//! What was prepared is found by where the weights are stored. It is remembered with a weak reference to them: while
//! that lives no other tensor can be stored there, and Burn does not write into storage that is referred to.

use super::held::Primitive;
use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};

struct Entry {
    stored: Box<dyn Fn() -> bool>,
    prepared: Rc<dyn Any>,
}

thread_local! {
    static ENTRIES: RefCell<BTreeMap<usize, Entry>> = const { RefCell::new(BTreeMap::new()) };
}

/// What `make` makes of these weights, made at most once while they live.
pub(super) fn prepared<T: 'static>(
    weights: &Primitive,
    make: impl FnOnce(&[f32]) -> Option<T>,
) -> Option<Rc<T>> {
    let stored = weights.data_arc();
    let key = Arc::as_ptr(&stored).addr();
    ENTRIES.with_borrow_mut(|entries| {
        if let Some(entry) = entries.get(&key).filter(|entry| (entry.stored)())
            && let Ok(found) = Rc::clone(&entry.prepared).downcast::<T>()
        {
            return Some(found);
        }
        entries.retain(|_, entry| (entry.stored)());
        let made = Rc::new(make(weights.as_slice()?)?);
        let lives = lives(&stored);
        entries.insert(key, Entry { stored: Box::new(lives), prepared: Rc::clone(&made) as Rc<dyn Any> });
        Some(made)
    })
}

fn lives<T: 'static>(stored: &Arc<T>) -> impl Fn() -> bool + 'static {
    let weak: Weak<T> = Arc::downgrade(stored);
    move || weak.strong_count() > 0
}
