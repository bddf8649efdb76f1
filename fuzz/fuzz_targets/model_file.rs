//! libFuzzer on the model file, with changes that keep its lengths and offsets right.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fuzz_target!(|bytes: &[u8]| {
    fuzz::model_file::check(bytes);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut blunt = |bytes: &mut Vec<u8>| {
        let length = bytes.len();
        bytes.resize(max_size.max(length), 0);
        let changed = fuzzer_mutate(bytes, length, max_size.max(length));
        bytes.truncate(changed);
    };
    let changed = fuzz::mutate::model_file(&data[..size], u64::from(seed), &mut blunt);
    let length = changed.len().min(max_size);
    data[..length].copy_from_slice(&changed[..length]);
    length
});
