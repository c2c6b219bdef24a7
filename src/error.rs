//! The crate's one error: opaque, with a private kind, and never carrying prompt text or a key.

use std::error::Error as StdError;
use std::fmt;

/// What went wrong, in words a user can act on.
///
/// Configuration errors name the file, the line and the fix. Nothing here ever fails a wrapped
/// call: the layers pass through what they cannot handle.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: Box<str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Config,
    Input,
    Io,
}

impl Error {
    /// The user's configuration cannot be used as written.
    #[must_use]
    pub fn config(message: impl Into<Box<str>>) -> Self {
        Self::new(Kind::Config, message)
    }

    /// An input (a workload, a request file) is not what it should be.
    #[must_use]
    pub fn input(message: impl Into<Box<str>>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// A file or socket did not do what it was asked.
    #[must_use]
    pub fn io(message: impl Into<Box<str>>) -> Self {
        Self::new(Kind::Io, message)
    }

    /// The same error with its cause attached.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether the configuration is to blame.
    #[must_use]
    pub fn is_config(&self) -> bool {
        self.kind == Kind::Config
    }

    /// Whether an input is to blame.
    #[must_use]
    pub fn is_input(&self) -> bool {
        self.kind == Kind::Input
    }

    /// Whether the system below is to blame.
    #[must_use]
    pub fn is_io(&self) -> bool {
        self.kind == Kind::Io
    }

    fn new(kind: Kind, message: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
