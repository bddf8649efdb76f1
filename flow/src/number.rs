//! Numbers from text: what `str::parse` gives, bit for bit, in a tenth of its bytes.
//!
//! The standard library's reader brings ten kilobytes of powers of five that nothing compresses, and a page's first digits wait for
//! them twice. `minimal-lexical` computes those powers; a plan has a handful of numbers, so its speed is of no account.

/// The number that a text says, correctly rounded; infinite where it is too large. `nan`, `inf` and `infinity` are read too, in
/// any case, so that whoever asks for a range can refuse them by it. None for all else.
pub fn parse(text: &str) -> Option<f64> {
    let (negative, rest) = signed(text.as_bytes());
    let size = word(rest).or_else(|| decimal(rest))?;
    Some(if negative { -size } else { size })
}

fn word(text: &[u8]) -> Option<f64> {
    let is = |word: &str| text.eq_ignore_ascii_case(word.as_bytes());
    if is("nan") {
        return Some(f64::NAN);
    }
    (is("inf") || is("infinity")).then_some(f64::INFINITY)
}

fn decimal(rest: &[u8]) -> Option<f64> {
    let (whole, rest) = digits(rest);
    let (part, rest) = rest.strip_prefix(b".").map_or((&[][..], rest), digits);
    if whole.is_empty() && part.is_empty() {
        return None;
    }
    let exponent = match rest {
        [] => 0,
        [b'e' | b'E', rest @ ..] => exponent(rest)?,
        _ => return None,
    };
    // The reader wants neither leading nor trailing zeros.
    let first = whole.iter().position(|digit| *digit != b'0').unwrap_or(whole.len());
    let last = part.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1);
    Some(minimal_lexical::parse_float(whole[first..].iter(), part[..last].iter(), exponent))
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// What stands behind the `e`; where it is beyond any text's digits, some number that is as well.
fn exponent(text: &[u8]) -> Option<i32> {
    let (negative, rest) = signed(text);
    let (all, rest) = digits(rest);
    if all.is_empty() || !rest.is_empty() {
        return None;
    }
    let size = all.iter().fold(0, |sum: i32, digit| (10 * sum + i32::from(digit - b'0')).min(100_000_000));
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::parse;
    use proptest::prelude::*;

    fn same(text: &str) {
        let (ours, wanted) = (parse(text), text.parse::<f64>().ok());
        assert_eq!(ours.map(f64::to_bits), wanted.map(f64::to_bits), "{text}");
    }

    #[test]
    fn it_reads_what_the_standard_library_reads() {
        for text in [
            "0",
            "-0",
            "+1",
            "1.",
            ".5",
            "00012.5000",
            "1e5",
            "1E-5",
            "1e+5",
            "0.1",
            "2.2250738585072011e-308",
            "4.9e-324",
            "2e-324",
            "1.7976931348623157e308",
            "1.8e308",
            "-1e999",
            "1e-999",
            "9007199254740993",
            "0e99999999999999999999",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "179769313486231580793728971405301e276",
            "7.2057594037927933e16",
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "1.5x",
            "1,5",
            " 1",
            "1 ",
            "--1",
            "0x10",
            "1_000",
            "infinite",
            "nan",
            "-NaN",
            "+inf",
            "-INF",
            "Infinity",
            "infin",
            "na",
            "١",
        ] {
            same(text);
        }
    }

    proptest! {
        #[test]
        fn any_number_comes_back(bits: u64) {
            let number = f64::from_bits(bits);
            if number.is_finite() {
                same(&number.to_string());
                same(&format!("{number:e}"));
                same(&format!("{number:.3e}"));
            }
        }

        #[test]
        fn any_digits_are_rounded_alike(text in "[-+]?[0-9]{0,25}(\\.[0-9]{0,25})?([eE][-+]?[0-9]{1,4})?") {
            same(&text);
        }
    }
}
