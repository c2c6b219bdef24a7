//! Where a store keeps its rows, how many and how long: by calls, or from the table `[ledger]`.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::target::Target;
use crate::adapter::clock::{Clock, SystemClock};
use crate::adapter::{mistake, variables};
use crate::error::Error;

/// What is told about trouble with the ledger, and about its end.
pub(super) type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// Where a ledger stands and what is kept in it.
#[derive(Clone)]
pub struct StoreOptions {
    pub(super) target: Target,
    pub(super) retention: Option<Duration>,
    pub(super) max_size: Option<u64>,
    pub(super) queue: usize,
    pub(super) enabled: bool,
    pub(super) secret: Option<Box<str>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tell: Option<Tell>,
}

/// Rows that may wait to be written: three seconds' worth at 5,000 exchanges a second.
const QUEUE: usize = 16_384;

impl StoreOptions {
    /// A ledger at a path, or at a URL such as `postgres://user@host/database`.
    ///
    /// # Errors
    /// When it is a URL of another kind of database.
    pub fn at(target: &str) -> Result<Self, Error> {
        Ok(Self {
            target: Target::parse(target)?,
            retention: None,
            max_size: None,
            queue: QUEUE,
            enabled: true,
            secret: None,
            clock: Arc::new(SystemClock),
            tell: None,
        })
    }

    /// Rows older than this are deleted; their sums stay.
    #[must_use]
    pub const fn retention(mut self, keep: Duration) -> Self {
        self.retention = Some(keep);
        self
    }

    /// While the ledger takes more bytes than this, its oldest rows are deleted; their sums stay.
    #[must_use]
    pub const fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Rows that may wait to be written; what comes when so many wait is dropped and counted.
    #[must_use]
    pub const fn queue(mut self, rows: usize) -> Self {
        self.queue = rows;
        self
    }

    /// The clock that retention goes by.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Called from the writing thread with a line of text when writing begins to fail, and when it
    /// works again.
    #[must_use]
    pub fn on_trouble(mut self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.tell = Some(Arc::new(tell));
        self
    }

    /// These options with what the table `[ledger]` of the TOML `text` sets: `enabled`, `path` or
    /// `url`, `retention`, `max_size`, `queue`, `secret`. `file` is the name that errors carry,
    /// and `env` looks up the variables that the text names as `${NAME}`.
    ///
    /// # Errors
    /// Names the file, the line and the fix.
    pub fn config(
        mut self,
        (file, text): (&str, &str),
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, Error> {
        let found: File =
            toml::from_str(text).map_err(|error| mistake::toml((file, text), &error))?;
        let Some(table) = found.ledger else {
            return Ok(self);
        };
        let reader = Reader { file, text, env };
        self.enabled = table.enabled.unwrap_or(self.enabled);
        self.queue = table.queue.unwrap_or(self.queue);
        if let (Some(path), Some(_)) = (&table.path, &table.url) {
            let message = "`path` and `url` name two ledgers; leave one out";
            return Err(reader.error(path.span(), message));
        }
        if let Some(place) = table.path.as_ref().or(table.url.as_ref()) {
            let target = reader.expanded(place)?;
            self.target = Target::parse(&target)
                .map_err(|error| reader.error(place.span(), &error.to_string()))?;
        }
        if let Some(keep) = &table.retention {
            let message = "write a time such as \"90d\", \"12h\" or \"30m\"";
            let found = span(keep.get_ref());
            self.retention = Some(found.ok_or_else(|| reader.error(keep.span(), message))?);
        }
        if let Some(size) = &table.max_size {
            let message = "write a size such as \"2 GB\" or \"500 MB\"";
            let found = bytes(size.get_ref());
            self.max_size = Some(found.ok_or_else(|| reader.error(size.span(), message))?);
        }
        if let Some(secret) = &table.secret {
            self.secret = Some(reader.expanded(secret)?.into());
        }
        Ok(self)
    }

    /// Another place than the options name so far.
    ///
    /// # Errors
    /// When it is a URL of another kind of database.
    pub fn elsewhere(mut self, target: &str) -> Result<Self, Error> {
        self.target = Target::parse(target)?;
        Ok(self)
    }

    /// Whether a ledger is wanted.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Where it stands, without password.
    #[must_use]
    pub fn place(&self) -> String {
        self.target.to_string()
    }

    /// The installation's secret, by which digests are keyed: the configured one, or the one in a
    /// file beside the ledger, which is made where there is none. Ledgers of other kinds have it
    /// in `otherwise`; a fleet on one database should configure one secret for all.
    ///
    /// # Errors
    /// When the file can neither be read nor made.
    pub fn secret(&self, otherwise: &Path) -> Result<Vec<u8>, Error> {
        match (&self.secret, self.target.file()) {
            (Some(secret), _) => Ok(secret.as_bytes().to_vec()),
            (None, Some(file)) => super::secret::beside(&file.with_extension("secret")),
            (None, None) => super::secret::beside(otherwise),
        }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("target", &self.target)
            .field("retention", &self.retention)
            .field("max_size", &self.max_size)
            .field("queue", &self.queue)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct File {
    ledger: Option<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    enabled: Option<bool>,
    path: Option<Spanned<String>>,
    url: Option<Spanned<String>>,
    retention: Option<Spanned<String>>,
    max_size: Option<Spanned<String>>,
    queue: Option<usize>,
    secret: Option<Spanned<String>>,
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn error(&self, at: Range<usize>, message: &str) -> Error {
        mistake::at((self.file, self.text), at, message)
    }

    fn expanded(&self, text: &Spanned<String>) -> Result<String, Error> {
        variables::expanded(text.get_ref(), self.env)
            .map_err(|message| self.error(text.span(), &message))
    }
}

/// Reads a length of time: `90d`, `12h`, `30m`, `45s`.
#[must_use]
pub fn span(text: &str) -> Option<Duration> {
    let (number, unit) = measured(text)?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// Reads a size: `2 GB`, `500MB`, `1 GiB`.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = measured(text)?;
    let size = match unit {
        "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(size)
}

fn measured(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|ch: char| !ch.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StoreOptions, Error> {
        let env = |name: &str| (name == "PW").then(|| "hush".into());
        StoreOptions::at("default.db")?.config(("c.toml", text), &env)
    }

    #[test]
    fn a_table_sets_what_it_names() {
        let options = read(
            "mode = \"place\"\n[ledger]\nurl = \"postgres://u:${PW}@h/db\"\nretention = \"90d\"\n\
             max_size = \"2 GB\"\nqueue = 7\nenabled = false\nsecret = \"${PW}\"",
        )
        .unwrap();
        assert_eq!(options.place(), "postgres://u@h/db");
        assert_eq!(options.retention, Some(Duration::from_secs(90 * 86_400)));
        assert_eq!(options.max_size, Some(2_000_000_000));
        assert_eq!((options.queue, options.is_enabled()), (7, false));
        assert_eq!(options.secret(Path::new("/nowhere")).unwrap(), b"hush");
        assert!(!format!("{options:?}").contains("hush"));
        assert_eq!(read("mode = \"place\"").unwrap().place(), "default.db");
    }

    #[test]
    fn mistakes_name_file_line_and_fix() {
        for (text, parts) in [
            ("[ledger]\npaht = \"x\"", ["c.toml:2", "paht", "path"]),
            ("[ledger]\nretention = \"soon\"", ["c.toml:2", "90d", "12h"]),
            ("[ledger]\nretention = \"\"", ["c.toml:2", "90d", "12h"]),
            (
                "[ledger]\nmax_size = \"2 TB!\"",
                ["c.toml:2", "2 GB", "500 MB"],
            ),
            (
                "[ledger]\nurl = \"mysql://h\"",
                ["c.toml:2", "mysql", "postgres://"],
            ),
            (
                "[ledger]\nurl = \"${NOPE}\"",
                ["c.toml:2", "NOPE", "set it"],
            ),
            (
                "[ledger]\npath = \"a\"\nurl = \"b\"",
                ["c.toml:2", "path", "url"],
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.is_config());
            let said = error.to_string();
            for part in parts {
                assert!(said.contains(part), "{part} in {said}");
            }
        }
    }
}
