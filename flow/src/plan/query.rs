//! The syntax of a URL's query: `key=value&key=value`, with `%XX` for what cannot stand in it. A `+` is a plus: no value
//! of a plan holds a space, and a solver's name holds two of them.

/// The pairs of a query, decoded; a leading `?` and empty parts are passed over.
pub(super) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    text.trim().trim_start_matches('?').split('&').filter(|part| !part.is_empty()).map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(key), decode(value))
    })
}

/// Decodes `%XX`. A `%` that no two hexadecimal digits follow stands for itself, and bytes that are no
/// text become the replacement character, which no field accepts.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        i += 1;
        let escaped = if byte == b'%' { bytes.get(i..i + 2).and_then(hex_pair) } else { None };
        decoded.push(match (byte, escaped) {
            (_, Some(value)) => {
                i += 2;
                value
            }
            (other, _) => other,
        });
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*pair.first()?)?, digit(*pair.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

/// Encodes everything but the characters that a model's name is made of.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}
