//! Changes of inputs: blunt ones that are drawn from a seed, and those of a model file that keep what a reader checks first
//! in order, so that the checks behind it are reached.

use serde_json::{Map, Value, json};

/// Bytes of the length that opens a model file.
const LENGTH_BYTES: usize = 8;
/// Most bytes of tensors that a repaired file may have.
const MOST_BODY: u64 = 1024;

/// Numbers from a seed (SplitMix64).
pub struct Draw(u64);

impl Draw {
    /// The numbers of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next one below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }
}

/// One to four changes of bytes: a bit, a byte, a piece that is cut out, said twice or overwritten, or one of `tokens` put in.
pub fn blunt(bytes: &mut Vec<u8>, draw: &mut Draw, tokens: &[Vec<u8>]) {
    for _ in 0..=draw.below(4) {
        let at = draw.below(bytes.len());
        let end = (at + 1 + draw.below(12)).min(bytes.len());
        match draw.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << draw.below(8),
            1 if !bytes.is_empty() => bytes[at] = draw.number() as u8,
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                let to = draw.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            4 if !tokens.is_empty() => {
                let token = &tokens[draw.below(tokens.len())];
                let end = if draw.below(2) == 0 { at } else { (at + token.len()).min(bytes.len()) };
                bytes.splice(at..end, token.iter().copied());
            }
            _ => bytes.truncate(if draw.below(4) == 0 { at } else { bytes.len() }),
        }
    }
}

/// The tokens of a dictionary in libFuzzer's form: lines of `"text"` with `\"`, `\\` and `\xNN`.
#[must_use]
pub fn tokens(dictionary: &str) -> Vec<Vec<u8>> {
    let lines = dictionary.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(unescaped(line.strip_prefix('"')?.strip_suffix('"')?))).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
                bytes.push(16 * digit(high) + digit(low));
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                bytes.push(*escaped);
                rest = after;
            }
            _ => bytes.push(byte),
        }
    }
    bytes
}

/// A changed model file. `blunt` changes bytes anyhow; what is around them is put in order again, more or less of it.
pub fn model_file(bytes: &[u8], seed: u64, blunt: &mut dyn FnMut(&mut Vec<u8>)) -> Vec<u8> {
    let mut draw = Draw::new(seed);
    let Some((mut text, mut body)) = take_apart(bytes) else {
        let mut whole = bytes.to_vec();
        blunt(&mut whole);
        return whole;
    };
    match draw.below(8) {
        // Anything, anywhere.
        0 => {
            let mut whole = bytes.to_vec();
            blunt(&mut whole);
            whole
        }
        // Other numbers in the same tensors.
        1 => {
            let length = body.len();
            blunt(&mut body);
            body.resize(length, 0);
            file(&text, &body)
        }
        // Another header of the right length.
        2 | 3 => {
            blunt(&mut text);
            file(&text, &body)
        }
        // Another header, laid out again if it is one.
        4 => {
            blunt(&mut text);
            match serde_json::from_slice(&text) {
                Ok(header) => laid_out(header, &body),
                Err(_) => file(&text, &body),
            }
        }
        // Another value in the header, laid out again.
        _ => match serde_json::from_slice(&text) {
            Ok(mut header) => {
                change(&mut header, &mut draw, blunt);
                laid_out(header, &body)
            }
            Err(_) => file(&text, &body),
        },
    }
}

/// A file of this header and these tensor bytes, its length right.
#[must_use]
pub fn file(text: &[u8], body: &[u8]) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text, body].concat()
}

/// Header and tensor bytes, where the length is that of a header.
fn take_apart(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let (text, body) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((text.to_vec(), body.to_vec()))
}

/// Another name, dtype or shape of a tensor, a tensor more or less, or another text of the metadata.
fn change(header: &mut Map<String, Value>, draw: &mut Draw, blunt: &mut dyn FnMut(&mut Vec<u8>)) {
    let names: Vec<String> = header.keys().filter(|name| *name != "__metadata__").cloned().collect();
    let Some(name) = names.get(draw.below(names.len())) else { return };
    let mut other = || {
        let mut name = name.clone().into_bytes();
        blunt(&mut name);
        String::from_utf8_lossy(&name).into_owned()
    };
    match draw.below(7) {
        0 => drop(header.remove(name)),
        1 => {
            let tensor = header.remove(name).unwrap_or_default();
            header.insert(other(), tensor);
        }
        2 => drop(header.insert(other(), header[name].clone())),
        3 => {
            let dtype = ["F32", "F16", "I8", "BF16"][draw.below(4)];
            if let Some(tensor) = header.get_mut(name).and_then(Value::as_object_mut) {
                tensor.insert("dtype".to_owned(), json!(dtype));
            }
        }
        4 => {
            let shape: Vec<usize> = (0..draw.below(7)).map(|_| 1 + draw.below(4)).collect();
            if let Some(tensor) = header.get_mut(name).and_then(Value::as_object_mut) {
                tensor.insert("shape".to_owned(), json!(shape));
            }
        }
        _ => {
            let Some(metadata) = header.get_mut("__metadata__").and_then(Value::as_object_mut) else {
                return;
            };
            let at = draw.below(metadata.len());
            if let Some(Value::String(text)) = metadata.values_mut().nth(at) {
                let mut bytes = std::mem::take(text).into_bytes();
                blunt(&mut bytes);
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
        }
    }
}

/// The file of this header, each tensor where the one before it ends, and as many bytes as they need.
fn laid_out(mut header: Map<String, Value>, body: &[u8]) -> Vec<u8> {
    let mut begin = 0;
    for (_, tensor) in header.iter_mut().filter(|(name, _)| *name != "__metadata__") {
        let bytes = match tensor["dtype"].as_str() {
            Some("F32") => 4,
            Some("F16") => 2,
            _ => 1,
        };
        let extents =
            tensor["shape"].as_array().into_iter().flatten().map(|extent| extent.as_u64().unwrap_or(0));
        let count = extents.fold(1_u64, u64::saturating_mul).saturating_mul(bytes);
        if let Some(tensor) = tensor.as_object_mut().filter(|_| begin + count.min(MOST_BODY) <= MOST_BODY) {
            let end = begin + count.min(MOST_BODY);
            tensor.insert("data_offsets".to_owned(), json!([begin, end]));
            begin = end;
        }
    }
    let body: Vec<u8> =
        body.iter().copied().cycle().take(if body.is_empty() { 0 } else { begin as usize }).collect();
    file(Value::Object(header).to_string().as_bytes(), &body)
}
