//! Lines that the user listed as meaning nothing to the model.

use crate::canon::json::unescape;

/// Whether a line begins as one of `patterns` says, in which `*` stands for any text.
pub(super) fn is_dropped(line: &[u8], patterns: &[Box<str>]) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let line = unescape(line);
    let line = line.trim_ascii();
    patterns
        .iter()
        .any(|pattern| begins(line, pattern.as_bytes()))
}

fn begins(line: &[u8], pattern: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first).filter(|_| !first.is_empty()) else {
        return false;
    };
    for part in parts {
        let Some(at) = memchr::memmem::find(rest, part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_dropped_by_how_it_begins() {
        let drops = |line: &str, pattern: &str| is_dropped(line.as_bytes(), &[pattern.into()]);
        assert!(drops(r"  x-id: 7\n", "x-id:"));
        assert!(drops("trace 7 of 9 ms", "trace * of * ms"));
        assert!(drops(r"x-\u00e9: 1", "x-é:"));
        assert!(!drops("about x-id: 7", "x-id:"));
        assert!(!drops("trace 7 in 9 ms", "trace * of * ms"));
        assert!(!drops("anything", ""));
        assert!(!is_dropped(b"anything", &[]));
    }
}
