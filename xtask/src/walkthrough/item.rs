//! The lines of one item in a source file.

use anyhow::{Context, Result, bail};

/// Returns the lines of an item, without the indentation of its first line.
///
/// The first line is the only one of the source that begins with the words `item`. It is the whole
/// item if it ends in a semicolon, a comma or a closing brace. Otherwise the item ends at the next
/// line that begins with a closing brace, with the same indentation. For a function in C, the line
/// with its type is included. Attributes and comments above the item are left out.
pub fn lines(source: &str, item: &str) -> Result<String> {
    let lines: Vec<_> = source.lines().collect();
    let found: Vec<_> = (0..lines.len())
        .filter(|&at| begins(lines[at].trim_start(), item))
        .collect();
    let &[first] = found.as_slice() else {
        bail!("{} lines begin with this text, instead of 1", found.len());
    };
    let line = lines[first];
    let indentation = &line[..line.len() - line.trim_start().len()];
    let last = if line.ends_with([';', ',', '}']) {
        first
    } else {
        last(&lines, first, indentation).context("no brace closes the item")?
    };
    // In style(9), the brace that opens a function is on a line of its own, and so is the type.
    let is_c_function = lines.get(first + 1) == Some(&"{") && first > 0;
    let quoted = &lines[first - usize::from(is_c_function)..=last];
    Ok(quoted
        .iter()
        .map(|line| line.strip_prefix(indentation).unwrap_or(line).to_owned() + "\n")
        .collect())
}

/// Whether the line begins with the item, and not with a longer word.
fn begins(line: &str, item: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.strip_prefix(item)
        .is_some_and(|rest| !(item.ends_with(part_of_word) && rest.starts_with(part_of_word)))
}

/// The line that closes the item. `None` if a line before it has less indentation.
fn last(lines: &[&str], first: usize, indentation: &str) -> Option<usize> {
    let inside = |line: &str| line.is_empty() || line.starts_with(indentation);
    let closes = |line: &str| {
        line.strip_prefix(indentation)
            .is_some_and(|rest| rest.starts_with('}'))
    };
    (first + 1..lines.len())
        .take_while(|&at| inside(lines[at]))
        .find(|&at| closes(lines[at]))
}

#[cfg(test)]
mod tests {
    use super::lines;

    const RUST: &str = "\
//! fn outer is described here.

impl Thing {
    /// fn outer
    #[inline]
    fn outer(
        self,
    ) -> Result {
        if self.is_empty() {
            return Ok(());
        }

        self.inner()
    }

    fn outer_event(self) {}

    fn end(self) -> usize {
        0
    }
}

const LEN: usize = 1;
";

    const C: &str = "\
int	wait(void *chan);

/* Waits. */
int
wait(void *chan)
{
	struct table *table;

	return (0);
}

static const struct table read_table = {
	.fop = {
		.f_isfd =	1,
#ifdef NEW
		.f_copy =	copy,
#endif
	},
};
";

    fn error(source: &str, item: &str) -> String {
        lines(source, item).unwrap_err().to_string()
    }

    #[test]
    fn a_function_ends_at_the_brace_with_its_indentation() {
        assert_eq!(
            lines(RUST, "fn outer").unwrap(),
            "fn outer(\n    self,\n) -> Result {\n    if self.is_empty() {\n        return Ok(());\n    \
             }\n\n    self.inner()\n}\n"
        );
        assert_eq!(
            lines(RUST, "fn end").unwrap(),
            "fn end(self) -> usize {\n    0\n}\n"
        );
    }

    #[test]
    fn a_block_inside_a_function_is_an_item() {
        assert_eq!(
            lines(RUST, "if self.is_empty()").unwrap(),
            "if self.is_empty() {\n    return Ok(());\n}\n"
        );
    }

    #[test]
    fn a_complete_line_is_an_item() {
        for line in [
            "fn outer_event(self) {}",
            "self,",
            "return Ok(());",
            "const LEN: usize = 1;",
        ] {
            assert_eq!(lines(RUST, line).unwrap(), line.to_owned() + "\n");
        }
    }

    #[test]
    fn a_function_in_c_has_its_type() {
        assert_eq!(
            lines(C, "wait(void *chan)").unwrap(),
            "int\nwait(void *chan)\n{\n\tstruct table *table;\n\n\treturn (0);\n}\n"
        );
    }

    #[test]
    fn a_table_in_c_ends_at_its_own_brace() {
        let table = lines(C, "static const struct table read_table").unwrap();
        assert_eq!(table, C[C.find("static").unwrap()..]);
    }

    #[test]
    fn an_unknown_item_is_an_error() {
        assert_eq!(
            error(RUST, "fn oute"),
            "0 lines begin with this text, instead of 1"
        );
    }

    #[test]
    fn an_item_that_occurs_twice_is_an_error() {
        let twice = RUST.to_owned() + RUST;
        assert_eq!(
            error(&twice, "fn outer"),
            "2 lines begin with this text, instead of 1"
        );
    }

    #[test]
    fn an_item_that_no_brace_closes_is_an_error() {
        for (source, item) in [(RUST, "self.inner()"), ("fn a() {\n    1\n", "fn a")] {
            assert_eq!(error(source, item), "no brace closes the item");
        }
    }
}
