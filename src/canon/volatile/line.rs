//! Lines of git's, and paths that name a machine or a user.

use memchr::memchr2;

use super::token;

/// What git lines begin with, in lower case.
const OPENINGS: [&[u8]; 12] = [
    b"current branch:",
    b"active branch:",
    b"git branch:",
    b"branch name:",
    b"main branch (",
    b"on branch ",
    b"head detached at ",
    b"head is now at ",
    b"your branch is ",
    b"last commit:",
    b"latest commit:",
    b"git status:",
];

/// Two letters of `git status --short`, its first column trimmed or not.
const STATUS: [&[u8]; 14] = [
    b" M ", b"M  ", b"MM ", b"A  ", b"AM ", b" D ", b"D  ", b"R  ", b"RM ", b"?? ", b"UU ", b" A ",
    b"M ", b"D ",
];

/// User names that stand for anybody's.
const ANYBODY: [&[u8]; 9] = [
    b"user",
    b"username",
    b"you",
    b"your",
    b"yourname",
    b"your-name",
    b"me",
    b"name",
    b"example",
];

const TEMPORARY: [&[u8]; 5] = [
    b"/tmp/",
    b"/var/tmp/",
    b"/var/folders/",
    b"/private/",
    b"/dev/shm/",
];
const HOMES: [&[u8]; 2] = [b"/home/", b"/Users/"];

/// Where the line ends that `text` begins with, as JSON spells it.
pub(super) fn end(text: &[u8]) -> usize {
    let mut from = 0;
    while let Some(stop) = text
        .get(from..)
        .and_then(|rest| Some(from + memchr2(b'\\', b'"', rest)?))
    {
        match text.get(stop..) {
            Some([b'\\', b'n' | b'r', ..] | [b'"', ..]) => return stop,
            _ => from = stop + 2,
        }
    }
    text.len()
}

/// The length of the git line that `text`, the start of a line, begins with.
pub(super) fn git(text: &[u8]) -> Option<usize> {
    let marks = |byte: &&u8| matches!(**byte, b' ' | b'-' | b'*');
    let indent = text.iter().take(4).take_while(marks).count();
    let inner = text.get(indent..)?;
    let opens = OPENINGS.iter().any(|opening| {
        let head = inner.get(..opening.len()).unwrap_or_default();
        head.eq_ignore_ascii_case(opening)
    });
    let whole = |is: bool| is.then(|| end(text));
    if opens {
        return whole(true);
    }
    if is_commit(inner) {
        return whole(true);
    }
    let status = STATUS.iter().find_map(|code| text.strip_prefix(*code))?;
    let path = status.get(..end(status))?;
    let is_path = !path.is_empty()
        && !path.contains(&b' ')
        && path.iter().any(|byte| matches!(byte, b'/' | b'.'))
        && path.last().is_some_and(|byte| *byte != b'.');
    whole(is_path)
}

/// `commit 9f86d08…`, or a short hash with a subject behind it.
fn is_commit(line: &[u8]) -> bool {
    let named = line.strip_prefix(b"commit ");
    let hash = token::run(named.unwrap_or(line));
    let subject = named.unwrap_or(line).get(hash.len()..).unwrap_or_default();
    let long = if named.is_some() { 7..=40 } else { 7..=12 };
    long.contains(&hash.len())
        && token::is_hex(hash)
        && hash.iter().all(|byte| !byte.is_ascii_uppercase())
        && (named.is_some() || matches!(subject, [b' ', b'A'..=b'Z' | b'a'..=b'z' | b'(', ..]))
}

/// A path found at the start of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) len: usize,
    /// How much of it names a user or a machine rather than a file below.
    pub(super) own: usize,
    /// Whether it says so by itself.
    pub(super) telling: bool,
}

/// Reads the absolute path that `text` begins with.
pub(super) fn path(text: &[u8]) -> Option<Path> {
    if let [b'A'..=b'Z' | b'a'..=b'z', b':', b'\\' | b'/', ..] = text {
        return windows(text);
    }
    if !matches!(text, [b'/', byte, ..] if token::is_word(*byte)) {
        return None;
    }
    let len = length(text, |_, _| 0);
    let path = text.get(..len)?;
    if TEMPORARY.iter().any(|start| path.starts_with(start)) {
        let drawn = path.split(|byte| *byte == b'/').any(is_drawn);
        return Some(Path {
            len,
            own: len,
            telling: drawn,
        });
    }
    let home = HOMES.iter().find(|start| path.starts_with(start));
    let Some(home) = home else {
        let slashes = token::count(path, |byte| *byte == b'/');
        return (slashes > 1).then_some(Path {
            len,
            own: len,
            telling: false,
        });
    };
    let below = path.get(home.len()..)?;
    let user = below.split(|byte| *byte == b'/').next()?;
    Some(Path {
        len,
        own: home.len() + user.len(),
        telling: is_somebody(user),
    })
}

fn windows(text: &[u8]) -> Option<Path> {
    let len = length(text, backslash);
    let path = text.get(..len)?;
    let lower = path.to_ascii_lowercase();
    let parts = lower
        .split(|byte| matches!(byte, b'\\' | b'/'))
        .filter(|part| !part.is_empty());
    let mut parts = parts.skip(1);
    let telling = parts.next() == Some(b"users") && parts.next().is_some_and(is_somebody);
    (len > 4).then_some(Path {
        len,
        own: len,
        telling,
    })
}

fn is_somebody(user: &[u8]) -> bool {
    user.first().is_some_and(u8::is_ascii_alphanumeric) && !ANYBODY.contains(&user)
}

/// Whether a part of a temporary path was drawn: digits among letters, or a long number.
fn is_drawn(part: &[u8]) -> bool {
    let digits = token::count(part, u8::is_ascii_digit);
    let letters = token::count(part, u8::is_ascii_alphabetic);
    digits >= 4 || digits >= 2 && letters >= 4
}

/// How far a path goes whose next part begins as `separator` says.
fn length(text: &[u8], separator: fn(&[u8], usize) -> usize) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        at += match rest {
            [byte, ..] if token::is_word(*byte) || *byte >= 0x80 || b"-.+@~%/".contains(byte) => 1,
            _ => match separator(rest, at) {
                0 => break,
                more => more,
            },
        };
    }
    let path = text.get(..at).unwrap_or_default();
    at - path.iter().rev().take_while(|byte| **byte == b'.').count()
}

const fn backslash(rest: &[u8], at: usize) -> usize {
    match rest {
        [b'\\', b'\\', ..] => 2,
        [b':', ..] if at == 1 => 1,
        _ => 0,
    }
}
