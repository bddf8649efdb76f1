//! The manifest, as the page and the worker read it from the network.
//!
//! Promises: a text is a manifest or is refused in words; what was accepted stays the same when it is written and read
//! again; no empty or other file passes for one that it names.

use model_export::ReadError;
use model_export::manifest::{Manifest, verify};

/// See the module. Whether it is a manifest.
pub fn check(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let manifest = match Manifest::parse(text) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let written = manifest.to_text();
    assert_eq!(Manifest::parse(&written).as_ref(), Ok(&manifest), "{written}");
    assert!(manifest.entry(&manifest.default).is_some_and(|entry| entry.can_be_sampled()));
    for entry in &manifest.models {
        assert!(matches!(entry.open(bytes), Err(ReadError::WrongSize { .. } | ReadError::WrongHash { .. })));
        assert!(matches!(verify(entry, &[]), Err(ReadError::WrongSize { .. })));
        assert!(!entry.file.contains(['/', '\\']) && !entry.file.starts_with('.'), "{}", entry.file);
        for other in [&entry.weak, &entry.decoder].into_iter().flatten() {
            assert!(manifest.entry(other).is_some(), "{other}");
        }
        for (steps, row) in entry.knots.iter().flat_map(|knots| &knots.rows) {
            assert_eq!(row.len(), steps + 1);
            assert!(row.windows(2).all(|pair| pair[0] < pair[1]), "{row:?}");
        }
    }
    true
}
