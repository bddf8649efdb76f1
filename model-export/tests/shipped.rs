//! A model that ships, cut and flipped: nothing but its own bytes is accepted, and every refusal says what is wrong.
//!
//! `FLOW_DIGITS_FLIPS=all cargo test -p model-export --test shipped -- --nocapture` flips every bit of the header instead of one a byte.

// Clippy takes a helper of tests for ordinary code.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use model_export::manifest::{Manifest, ManifestEntry};
use model_export::{ReadError, read};

const MODEL: &str = "mnist-unet";
/// Bits of the tensors that are flipped, one at a time.
const BODY_FLIPS: usize = 10_000;

/// The manifest's entry, the file, and how many bytes the length and the header take.
fn shipped() -> (ManifestEntry, Vec<u8>, usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../public/models");
    let manifest = Manifest::parse(&std::fs::read_to_string(folder.join("manifest.json")).unwrap()).unwrap();
    let entry = manifest.entry(MODEL).unwrap().clone();
    let bytes = std::fs::read(folder.join(&entry.file)).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (entry, bytes, header)
}

/// Does this for each number below `end`, on all processors; each has its own copy of the file.
fn for_each(end: usize, bytes: &[u8], act: impl Fn(&mut [u8], usize) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = bytes.to_vec();
                while let Some(index) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < end)
                {
                    act(&mut own, index);
                }
            });
        }
    });
}

/// Bits from a seed (SplitMix64).
fn drawn(seed: u64) -> u64 {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The bits of the header that are flipped: one a byte, another in each, or all.
fn header_bits(header: usize) -> Vec<usize> {
    if std::env::var("FLOW_DIGITS_FLIPS").is_ok_and(|flips| flips == "all") {
        return (0..8 * header).collect();
    }
    (0..header).map(|byte| 8 * byte + (drawn(byte as u64) % 8) as usize).collect()
}

#[test]
fn a_shipped_model_cut_at_any_byte_of_its_header_is_refused_by_its_size() {
    let (entry, bytes, header) = shipped();
    assert!(entry.open(&bytes).is_ok());
    for length in 0..=header {
        let error = entry.open(&bytes[..length]).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(&entry.file) && said.contains(&length.to_string()), "{length}: {said}");
        let expected =
            ReadError::WrongSize { file: entry.file.clone(), got: length as u64, expected: entry.bytes };
        assert_eq!(error, expected);
        // Without the manifest, too.
        let error = read(&bytes[..length]).unwrap_err();
        assert!(
            matches!(error, ReadError::Truncated { got, .. } if got == length as u64),
            "{length}: {error:?}"
        );
    }
    println!("{} lengths, all refused", header + 1);
}

#[test]
fn a_shipped_model_with_any_bit_flipped_is_refused_by_its_fingerprint() {
    let (entry, bytes, header) = shipped();
    let body = 8 * (bytes.len() - header);
    let in_body = (0..BODY_FLIPS).map(|seed| 8 * header + (drawn(!(seed as u64)) % body as u64) as usize);
    let bits: Vec<usize> = header_bits(header).into_iter().chain(in_body).collect();
    let refused = AtomicUsize::new(0);
    for_each(bits.len(), &bytes, |bytes, index| {
        let (at, bit) = (bits[index] / 8, 1 << (bits[index] % 8));
        bytes[at] ^= bit;
        let error = entry.open(bytes).unwrap_err();
        bytes[at] ^= bit;
        let said = error.to_string();
        assert!(said.contains(&entry.file) && said.contains(&entry.sha256), "bit {}: {said}", bits[index]);
        assert!(matches!(error, ReadError::WrongHash { .. }), "bit {}: {error:?}", bits[index]);
        refused.fetch_add(1, Ordering::Relaxed);
    });
    println!("{} bits, {} of the header, all refused", bits.len(), bits.len() - BODY_FLIPS);
    assert_eq!(refused.into_inner(), bits.len());
}

/// The fingerprint is not what keeps the reader from panicking: it stands behind it as well.
#[test]
fn without_the_manifest_a_flipped_header_is_refused_in_words_or_a_model_of_finite_numbers() {
    let (_, bytes, header) = shipped();
    let bits = header_bits(header);
    let accepted = AtomicUsize::new(0);
    for_each(bits.len(), &bytes, |bytes, index| {
        let (at, bit) = (bits[index] / 8, 1 << (bits[index] % 8));
        bytes[at] ^= bit;
        match read(bytes) {
            Ok(model) => {
                let finite = |data: &[f32]| data.iter().all(|number| number.is_finite());
                assert!(model.tensors.values().all(|tensor| finite(&tensor.data)), "bit {}", bits[index]);
                accepted.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        bytes[at] ^= bit;
    });
    let accepted = accepted.into_inner();
    println!(
        "{} bits of the header: {accepted} make another readable header, the rest is refused",
        bits.len()
    );
    // A letter of a name or a digit of a figure may become another: that is what the fingerprint is for.
    assert!(accepted < bits.len() / 2, "{accepted} of {}", bits.len());
}
