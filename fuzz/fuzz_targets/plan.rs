//! libFuzzer on a plan's text.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::plan::check(bytes);
});
