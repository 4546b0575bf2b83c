//! The format of hd(1), `hexdump -C`.

use std::fmt::Write as _;
use std::io::{self, Read, Write};

/// The dump of `bytes`.
pub fn dump(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (at, row) in bytes.chunks(16).enumerate() {
        let hex = |half: &[u8]| {
            half.iter()
                .map(|byte| format!("{byte:02x} "))
                .collect::<String>()
        };
        let (left, right) = row.split_at(row.len().min(8));
        let shown = |byte: &u8| {
            if (0x20..0x7f).contains(byte) {
                char::from(*byte)
            } else {
                '.'
            }
        };
        let shown: String = row.iter().map(shown).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:08x}  {:<25}{:<25}|{shown}|",
            at * 16,
            hex(left),
            hex(right)
        );
    }
    if !bytes.is_empty() {
        let _ = writeln!(text, "{:08x}", bytes.len());
    }
    text
}

/// Writes the dump of all that `input` has to `output`.
pub fn copy(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    output.write_all(dump(&bytes).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::dump;

    #[test]
    fn as_hexdump_prints_it() {
        assert_eq!(dump(b""), "");
        assert_eq!(
            dump(b"1234"),
            "00000000  31 32 33 34                                       |1234|\n00000004\n"
        );
        let all = "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 0a  |0123456789abcde.|\n00000010\n";
        assert_eq!(dump(b"0123456789abcde\n"), all);
    }
}
