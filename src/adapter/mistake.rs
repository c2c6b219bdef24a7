//! Where in a configuration text a mistake stands, and what would do instead. The text itself is not
//! shown: it may hold a key.

use std::ops::Range;

use crate::error::Error;
use crate::provider::suggestion;

/// An error that names the file and the line.
pub(super) fn at((file, text): (&str, &str), at: Range<usize>, message: &str) -> Error {
    let before = text.get(..at.start).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    Error::config(format!("{file}:{line}: {message}"))
}

/// What a TOML reader found.
pub(super) fn toml((file, text): (&str, &str), error: &toml::de::Error) -> Error {
    let message = match nearest(error.message()) {
        Some(fix) => format!("{}; {fix}", error.message()),
        None => error.message().to_owned(),
    };
    at((file, text), error.span().unwrap_or_default(), &message)
}

/// The known key that an unknown one was meant to be, if one is near.
fn nearest(message: &str) -> Option<String> {
    let (unknown, known) = message.split_once(", expected ")?;
    let mut quoted = unknown.strip_prefix("unknown field")?.split('`');
    let unknown = quoted.nth(1)?;
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let fix = suggestion(unknown, &known);
    fix.starts_with("did you mean").then_some(fix)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Some {
        #[expect(dead_code, reason = "only its name matters")]
        mode: Option<Box<str>>,
        #[expect(dead_code, reason = "only its name matters")]
        ttl: Option<Box<str>>,
    }

    #[test]
    fn a_mistake_names_its_line_and_never_shows_it() {
        let said = |text: &str| {
            let error = toml::from_str::<Some>(text).err().unwrap();
            toml(("a.toml", text), &error).to_string()
        };
        let near = said("\nmoode = \"x\"");
        assert!(
            near.starts_with("a.toml:2: unknown field `moode`"),
            "{near}"
        );
        assert!(near.ends_with("did you mean `mode`?"), "{near}");
        assert!(!said("xyzzy = 1").contains("did you mean"));
        let broken = said("ttl = \"5m\"\nmode = \"sk-hidden\nttl = 3");
        assert!(broken.starts_with("a.toml:2: "), "{broken}");
        assert!(!broken.contains("hidden"), "{broken}");
    }
}
