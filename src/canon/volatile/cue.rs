//! The words before a place, which tell a clock from a date in a manual.

use memchr::memmem;

/// How far back words count.
const REACH: usize = 64;

const EXAMPLE: [&[u8]; 9] = [
    b"e.g",
    b"eg",
    b"example",
    b"examples",
    b"format",
    b"instance",
    b"like",
    b"sample",
    b"such as",
];
const NOW: [&[u8]; 13] = [
    b"today",
    b"now",
    b"current",
    b"currently",
    b"as of",
    b"time",
    b"timestamp",
    b"clock",
    b"generated",
    b"currentdate",
    b"currenttime",
    b"datetime",
    b"todays",
];
const FIXED: [&[u8]; 19] = [
    b"between",
    b"birth",
    b"born",
    b"copyright",
    b"cutoff",
    b"deprecated",
    b"effective",
    b"expires",
    b"expiry",
    b"founded",
    b"hours",
    b"introduced",
    b"opens",
    b"published",
    b"release",
    b"released",
    b"since",
    b"until",
    b"version",
];
const EPOCH: [&[u8]; 9] = [
    b"epoch",
    b"unix",
    b"timestamp",
    b"ts",
    b"time",
    b"now",
    b"seconds",
    b"millis",
    b"ms",
];
const DIRECTORY: [&[u8]; 6] = [
    b"working directory",
    b"current directory",
    b"working dir",
    b"cwd",
    b"workspace",
    b"project root",
];

/// The words before one place, in lower case.
pub(super) struct Cue {
    words: Vec<u8>,
}

impl Cue {
    /// What stands before `at` in its line, or in the line before where that is blank.
    pub(super) fn before(text: &[u8], lines: [usize; 2], at: usize) -> Self {
        let [above, line] = lines;
        let window = |from: usize, to: usize| {
            let from = from.max(to.saturating_sub(REACH));
            text.get(from..to).unwrap_or_default()
        };
        let mut words = window(line, at);
        let blank = |byte: &u8| matches!(byte, b' ' | b'"' | b'-' | b'*' | b'\\');
        if words.iter().all(blank) {
            words = window(above, line);
        }
        Self {
            words: words.to_ascii_lowercase(),
        }
    }

    /// Whether an example is announced.
    pub(super) fn is_example(&self) -> bool {
        self.any(&EXAMPLE)
    }

    /// Whether the present is meant.
    pub(super) fn is_now(&self) -> bool {
        !self.is_example() && !self.any(&FIXED) && (self.any(&NOW) || self.is_plain_date())
    }

    /// Whether a number of seconds is meant.
    pub(super) fn is_epoch(&self) -> bool {
        !self.is_example() && self.any(&EPOCH)
    }

    /// Whether a directory is named.
    pub(super) fn is_directory(&self) -> bool {
        !self.is_example() && self.any(&DIRECTORY)
    }

    /// `Date: …` and the like, but not `Start date: …`.
    fn is_plain_date(&self) -> bool {
        let Some(at) = memmem::rfind(&self.words, b"date") else {
            return false;
        };
        let (before, _) = self.words.split_at(at);
        let before = before.trim_ascii_end();
        let whole = [&b"the"[..], b"local", b"system", b"session"];
        !before.last().is_some_and(u8::is_ascii_alphanumeric)
            || whole.iter().any(|word| before.ends_with(word))
    }

    fn any(&self, wanted: &[&[u8]]) -> bool {
        wanted.iter().any(|word| self.has(word))
    }

    fn has(&self, word: &[u8]) -> bool {
        let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        memmem::find_iter(&self.words, word).any(|at| {
            let before = at.checked_sub(1).and_then(|at| self.words.get(at));
            !is_letter(before) && !is_letter(self.words.get(at + word.len()))
        })
    }
}
