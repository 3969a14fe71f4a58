//! Where in a text a call may begin: at the beginning of a line, outside a code fence.

/// More blanks before it make a line code.
const MOST_INDENT: usize = 3;
/// So many backticks or tildes make a fence.
const FENCE: usize = 3;

/// Follows a text line by line.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// The fence that is open: of what, and how long.
    fence: Option<(u8, usize)>,
    line: Line,
}

/// What there is of a line.
#[derive(Clone, Copy, Debug, Default)]
struct Line {
    indent: usize,
    /// It is an item of a list, or quoted.
    item: bool,
    /// What it begins with, and how often.
    first: u8,
    run: usize,
    /// Something else comes behind that.
    more: bool,
    /// And a backtick in it, so that it is no fence.
    code: bool,
}

impl Lines {
    /// Takes in text up to where a call may begin; `None`: nowhere in it.
    pub(super) fn candidate(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            let Line { indent, item, run, more, .. } = self.line;
            if byte == b'<' && run == 0 && !more && !item && indent <= MOST_INDENT && self.fence.is_none() {
                return Some(at);
            }
            self.byte(byte);
        }
        None
    }

    /// Takes in text in which no call begins.
    pub(super) fn pass(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.byte(byte));
    }

    fn byte(&mut self, byte: u8) {
        let line = &mut self.line;
        match byte {
            b'\n' => {
                self.end();
                self.line = Line::default();
            }
            b' ' if line.run == 0 && !line.more => line.indent += 1,
            b'\t' if line.run == 0 && !line.more => line.indent += MOST_INDENT + 1,
            b'-' | b'*' | b'+' | b'>' | b'.' | b'0'..=b'9' if line.run == 0 && !line.more => line.item = true,
            b'`' | b'~' if !line.more && (line.run == 0 || line.first == byte) => {
                line.first = byte;
                line.run += 1;
            }
            // A fence may be closed with blanks behind it.
            b' ' | b'\t' | b'\r' => {}
            _ => {
                line.more = true;
                line.code |= byte == b'`';
            }
        }
    }

    /// Whether the line opens or closes a fence.
    fn end(&mut self) {
        let Line { first, run, more, code, .. } = self.line;
        match self.fence {
            None if run >= FENCE && !(first == b'`' && code) => self.fence = Some((first, run)),
            Some((open, length)) if first == open && run >= length && !more => self.fence = None,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_begins_a_line_outside_of_code() {
        for (text, at) in [
            ("<", Some(0)),
            ("a\n<", Some(2)),
            ("a\n\n  <", Some(5)),
            ("a <", None),
            ("`<", None),
            ("    <", None),
            ("\t<", None),
            ("> <", None),
            ("```\n<", None),
            ("```xml\n<\n```\n<", Some(13)),
            ("````\n```\n<", None),
            ("~~~\n```\n<", None),
            ("~~~\n~~~ \n<", Some(9)),
            ("```a```\n<", Some(8)),
            ("- ```\n  <", None),
            ("1. ```\n   <\n   ```\n<", Some(19)),
            ("2. a\n<", Some(5)),
            ("- <", None),
        ] {
            assert_eq!(Lines::default().candidate(text), at, "{text:?}");
        }
    }
}
