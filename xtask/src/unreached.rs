//! Leaves out of a worker what it can never come to.
//!
//! Burn decides while a program runs what a tensor's numbers are, and where it lies, so the linker keeps its operations on quantized
//! tensors, its conversions between kinds of numbers, matrix products of 64 and 16 bits, and on the GPU those products and convolutions
//! for which we have shaders. Workers make tensors of 32 bits and of whole numbers only, and nothing else can become of those: these
//! functions are linked and not called. Their bodies are replaced by a trap, and what only they needed goes with them when wasm-opt
//! runs. Were one called after all, the worker would end, and the page say so.
//!
//! The compiler makes one function of several that came out alike, and keeps one's name. So what is small, or what every type has its
//! own of (to drop, to hash, to print it, to keep it in a list), is left alone: it may be another type's as well. Which functions
//! those are differs between a quick build and one that ships: under CI the tests run the one that ships.

use anyhow::{Context, Result, bail};
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

/// Parts of the names of functions that are never called, and why.
const UNREACHED: [&str; 13] = [
    // No tensor is quantized: 8-bit weights become 32-bit numbers when a file is read.
    "QTensorOps",
    "burn_std::tensor::quantization",
    "burn_flex::ops::qtensor",
    "cubecl_std::quant::",
    "cubek_quant::",
    // Data come with the type that the tensor has; what is converted is asked before these.
    "TensorData>::try_cast_inplace",
    "TensorData>::try_cast_clone",
    // No tensor has 64 or 16 bits a number.
    "gemm_f",
    // Matrix products and convolutions on the GPU are shaders of ours (`models::layers`); what they would refuse, no model of a page
    // has.
    "cubek_matmul::",
    "cubek_convolution::",
    "cubek_tile::",
    "burn_cubecl::kernel::matmul",
    "burn_cubecl::kernel::conv::",
];

/// The kind of product that is reached.
const REACHED: [&str; 1] = ["gemm_f32"];

/// Parts of the names of what many types have: what drops them, and their implementations of the language's own traits.
const OF_MANY_TYPES: [&str; 4] = ["drop_in_place", " as core::", " as alloc::", "DynKey"];

/// How the names of what keeps or sorts values of any type begin.
const OF_ANY_TYPE: [&str; 4] = ["core::", "alloc::", "std::", "hashbrown::"];

/// Bytes of the smallest body that is replaced.
const SMALLEST: usize = 200;

/// A body that is nothing but a trap: no locals, `unreachable`, `end`.
const TRAP: [u8; 3] = [0x00, 0x00, 0x0b];

/// The program with the bodies of those functions replaced, and how many there were.
///
/// # Errors
/// Bytes that are no program; a program without the names of its functions, where nothing could be told.
pub(crate) fn without_unreached(program: &[u8]) -> Result<(Vec<u8>, usize)> {
    let mut imported = 0;
    let mut bodies = Vec::new();
    let mut unreached = Vec::new();
    let (mut end, mut code, mut named) = (8, None, false);
    for payload in Parser::new(0).parse_all(program) {
        let payload = payload.context("reading the worker's program")?;
        if let Some((_, range)) = payload.as_section() {
            if matches!(payload, Payload::CodeSectionStart { .. }) {
                code = Some((end, range.clone()));
            }
            end = range.end;
        }
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += usize::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.range()),
            Payload::CustomSection(section) => {
                let KnownCustom::Name(names) = section.as_known() else { continue };
                for names in names {
                    let Name::Function(names) = names? else { continue };
                    named = true;
                    for function in names {
                        let function = function?;
                        if is_unreached(function.name) {
                            unreached.push(function.index as usize);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    if !named {
        bail!("the worker's program has no names of functions: is `strip` on in its profile?");
    }
    let (start, range) = code.context("the worker's program has no code")?;
    let mut is_trap = vec![false; bodies.len()];
    for index in unreached {
        let Some(index) = index.checked_sub(imported) else { continue };
        if bodies.get(index).is_some_and(|body| body.len() >= SMALLEST) {
            is_trap[index] = true;
        }
    }
    let mut code = number(bodies.len());
    for (body, is_trap) in bodies.iter().zip(&is_trap) {
        let body = if *is_trap { &TRAP[..] } else { &program[body.clone()] };
        code.extend(number(body.len()));
        code.extend(body);
    }
    let mut smaller = program[..=start].to_vec();
    smaller.extend(number(code.len()));
    smaller.extend(code);
    smaller.extend(&program[range.end..]);
    Ok((smaller, is_trap.into_iter().filter(|is_trap| *is_trap).count()))
}

/// Whether a function is never called, to tell by its name; no for what many types have.
fn is_unreached(name: &str) -> bool {
    let has = |part: &&str| name.contains(*part);
    let own = name.trim_start_matches(['<', '&']);
    UNREACHED.iter().any(has)
        && !REACHED.iter().any(has)
        && !OF_MANY_TYPES.iter().any(has)
        && !OF_ANY_TYPE.iter().any(|beginning| own.starts_with(beginning))
}

/// A count as WebAssembly writes it (LEB128).
fn number(mut count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (count & 0x7f) as u8;
        count >>= 7;
        bytes.push(if count == 0 { low } else { low | 0x80 });
        if count == 0 {
            return bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section: its number, its length, and what it holds.
    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [vec![id], number(content.len()), content.to_vec()].concat()
    }

    fn text(text: &str) -> Vec<u8> {
        [number(text.len()), text.as_bytes().to_vec()].concat()
    }

    /// A program with one imported function and two of its own, each adding one in a long-winded way, with these names.
    fn program(names: Option<[&str; 2]>, long: bool) -> Vec<u8> {
        let body = [vec![0], [0x41, 1, 0x1a].repeat(if long { 80 } else { 60 }), vec![0x0b]].concat();
        let body = [number(body.len()), body].concat();
        let mut all = b"\0asm\x01\0\0\0".to_vec();
        all.extend(section(1, &[1, 0x60, 0, 0]));
        all.extend(section(2, &[vec![1], text("a"), text("b"), vec![0, 0]].concat()));
        all.extend(section(3, &[2, 0, 0]));
        all.extend(section(10, &[vec![2], body.clone(), body].concat()));
        if let Some([one, two]) = names {
            let names = [vec![3, 0], text("b"), vec![1], text(one), vec![2], text(two)].concat();
            all.extend(section(0, &[text("name"), section(1, &names)].concat()));
        }
        all
    }

    fn lengths(program: &[u8]) -> Vec<usize> {
        let payloads = Parser::new(0).parse_all(program).map(Result::unwrap);
        let bodies = payloads.filter_map(|payload| match payload {
            Payload::CodeSectionEntry(body) => Some(body.range().len()),
            _ => None,
        });
        bodies.collect()
    }

    #[test]
    fn what_is_never_called_becomes_a_trap_and_the_rest_stays() {
        let names = ["gemm_f64::gemm::basic", "gemm_f32::gemm::basic"];
        let (smaller, count) = without_unreached(&program(Some(names), true)).unwrap();
        assert_eq!(
            (lengths(&program(None, true)), lengths(&smaller), count),
            (vec![242, 242], vec![3, 242], 1)
        );
        for (names, long) in [(["models::quantize", "main"], true), (names, false)] {
            let (same, none) = without_unreached(&program(Some(names), long)).unwrap();
            assert_eq!((same, none), (program(Some(names), long), 0));
        }
    }

    #[test]
    fn what_many_types_have_is_left_alone() {
        assert!(is_unreached("<burn_flex::backend::Flex as burn_backend::QTensorOps<Flex>>::dequantize"));
        assert!(!is_unreached("core::ptr::drop_in_place::<burn_std::tensor::quantization::QuantScheme>"));
        assert!(is_unreached("cubek_matmul::launch::h8f0e4798a5ce3087"));
        for name in [
            "<cubek_matmul::CheckBounds as core::hash::Hash>::hash::h8f0e4798a5ce3087",
            "<cubek_matmul::Problem as alloc::borrow::ToOwned>::to_owned",
            "<cubek_matmul::Problem as cubecl_runtime::id::DynKey>::dyn_hash",
            "<alloc::vec::Vec<cubek_matmul::Problem>>::reserve",
            "hashbrown::raw::RawTable<(cubek_matmul::Problem, u32)>::reserve_rehash",
        ] {
            assert!(!is_unreached(name), "{name}");
        }
        assert!(!is_unreached("models::autoencoder::Autoencoder::quantize"));
    }

    #[test]
    fn a_program_without_names_and_what_is_no_program_are_refused() {
        assert!(without_unreached(&program(None, true)).unwrap_err().to_string().contains("names"));
        assert!(without_unreached(b"<!doctype html>").is_err());
        assert!(without_unreached(&program(Some(["a", "b"]), true)[..90]).is_err());
    }
}
