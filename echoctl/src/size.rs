//! Sizes on the command line.

/// What is wrong with a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a number, or text after a number.
    #[error("not a size: give a number of bytes, or one with k, M or G, such as 4k")]
    NotANumber,
    /// Below zero.
    #[error("a size cannot be negative")]
    Negative,
    /// More than `size_t` holds.
    #[error("too large: no size is above {max}", max = usize::MAX)]
    TooLarge,
}

/// The number of bytes in `text`. That is digits, optionally followed by k, M or G, in either case,
/// for the powers of 1024.
///
/// # Errors
///
/// [`SizeError`] if it is anything else.
pub fn parse_size(text: &str) -> Result<usize, SizeError> {
    let number = text.trim_end_matches(char::is_alphabetic);
    let unit: usize = match &text[number.len()..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return Err(SizeError::NotANumber),
    };
    let digits = number.strip_prefix('-').unwrap_or(number);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SizeError::NotANumber);
    }
    if digits != number {
        return Err(SizeError::Negative);
    }
    // The text has only digits, so this fails only if the number does not fit.
    digits
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .ok_or(SizeError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_and_without_a_unit() {
        for (text, size) in [
            ("0", 0),
            ("64", 64),
            ("0100", 100),
            ("4k", 4096),
            ("4K", 4096),
            ("1M", 1 << 20),
            ("17m", 17 << 20),
            ("2G", 2 << 30),
            ("18446744073709551615", usize::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(size), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_too_large() {
        for text in [
            "18446744073709551616",
            "99999999999999999999",
            "17179869184G",
            "18014398509481984k",
        ] {
            assert_eq!(parse_size(text), Err(SizeError::TooLarge), "{text}");
        }
    }

    #[test]
    fn anything_else_is_no_size() {
        for text in [
            "", "x", "k", "-", "-k", "+5", " 5", "5 ", "5 k", "1.5k", "0x10", "4kk", "4kB", "4T",
            "٣", "4µ", "--1",
        ] {
            assert_eq!(parse_size(text), Err(SizeError::NotANumber), "{text}");
        }
        for text in ["-1", "-0", "-4k", "-99999999999999999999"] {
            assert_eq!(parse_size(text), Err(SizeError::Negative), "{text}");
        }
    }
}
