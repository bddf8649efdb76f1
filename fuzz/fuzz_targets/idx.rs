//! libFuzzer on IDX files of the data sets.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::idx::check(bytes);
});
