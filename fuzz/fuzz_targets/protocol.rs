//! libFuzzer on the messages of page and worker.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    fuzz::protocol::check(bytes);
});
