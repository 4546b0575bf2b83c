//! The kernel environment, the source of tunables: getenv(9).

use std::collections::HashMap;

use super::Kern;

/// The kernel environment.
#[derive(Default)]
pub struct Kenv(HashMap<String, String>);

impl Kenv {
    /// From names and values.
    pub fn new(tunables: Vec<(String, String)>) -> Kenv {
        Kenv(tunables.into_iter().collect())
    }
}

impl Kern {
    /// The value of a tunable.
    pub fn getenv(&self, name: &str) -> Option<&str> {
        self.kenv.0.get(name).map(String::as_str)
    }

    /// The value of a tunable as a number, `getenv_quad`: decimal, octal or hexadecimal, with a
    /// suffix k, m, g or t.
    pub fn getenv_quad(&self, name: &str) -> Option<i64> {
        parse_quad(self.getenv(name)?)
    }
}

fn parse_quad(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let (negative, text) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (radix, digits) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None if text.starts_with('0') => (8, text),
        None => (10, text),
    };
    let end = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    // As strtoq(3), which stops at the ends of the range.
    let value = if end == 0 {
        return None;
    } else {
        u64::from_str_radix(&digits[..end], radix)
    };
    let value = value
        .ok()
        .and_then(|value| i64::try_from(value).ok())
        .unwrap_or(i64::MAX);
    let shift = match &digits[end..] {
        "" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        _ => return None,
    };
    Some((if negative { -value } else { value }).wrapping_shl(shift))
}

#[cfg(test)]
mod tests {
    use super::parse_quad;

    #[test]
    fn numbers_are_read_as_the_kernel_does() {
        let cases = [
            ("64", Some(64)),
            ("0x40", Some(64)),
            ("010", Some(8)),
            ("0", Some(0)),
            ("4k", Some(4096)),
            ("-1", Some(-1)),
            ("16M", Some(16 << 20)),
            ("", None),
            ("x", None),
            ("12q", None),
            ("99999999999999999999", Some(i64::MAX)),
        ];
        for (text, value) in cases {
            assert_eq!(parse_quad(text), value, "{text:?}");
        }
    }
}
