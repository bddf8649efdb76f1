//! The messages between the page and a worker, and the buffers beside them.
//!
//! Promises: a text is a message or is refused in words; what was read is written and read again to the same message; a
//! buffer of another length than asked for is refused.

use protocol::{Looks, ToPage, ToWorker, start};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// See the module. Whether it is a message.
pub fn check(bytes: &[u8]) -> bool {
    let message = same::<ToWorker>(bytes) | same::<ToPage>(bytes);
    let looks = Looks { image: [1, 2, 2], latent: bytes.len().is_multiple_of(5), mean: 0.5, std: 0.25 };
    let count = bytes.len() / 4;
    match start::numbers(bytes, count) {
        Ok(numbers) => {
            let written = start::bytes(&numbers);
            assert_eq!((numbers.len(), written.len()), (count, bytes.len()));
            let pixels = looks.pixels(&numbers);
            assert_eq!(pixels.is_some(), numbers.iter().all(|number| number.is_finite()));
            assert_eq!(looks.velocity(&numbers).len(), count);
        }
        Err(_) => assert_ne!(bytes.len() % 4, 0),
    }
    assert_eq!(start::pictures(&looks, bytes, count).is_ok(), !looks.latent && bytes.len().is_multiple_of(4));
    assert_eq!(start::picture_and_mask(&looks, bytes).is_ok(), !looks.latent && bytes.len() == 8);
    message
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let message: T = match serde_json::from_slice(bytes) {
        Ok(message) => message,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let written = match serde_json::to_string(&message) {
        Ok(written) => written,
        Err(error) => panic!("{message:?} can't be written: {error}"),
    };
    match serde_json::from_str::<T>(&written) {
        Ok(again) => assert_eq!(again, message, "{written}"),
        Err(error) => panic!("{written} does not read back: {error}"),
    }
    true
}
