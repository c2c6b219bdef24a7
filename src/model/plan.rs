//! What is done to one request, and why.

use std::fmt;

use super::Ttl;

/// One marker to be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breakpoint {
    /// Index into the prompt's blocks; the prefix that ends with this block is cached.
    pub block: usize,
    /// Lifetime class.
    pub ttl: Ttl,
    /// Why it stands there.
    pub why: Why,
}

impl Breakpoint {
    /// A marker on `block`.
    #[must_use]
    pub const fn new(block: usize, ttl: Ttl, why: Why) -> Self {
        Self { block, ttl, why }
    }
}

/// Why a breakpoint stands where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Why {
    /// The end of the tool definitions.
    ToolsEnd,
    /// The end of the system prompt.
    SystemEnd,
    /// The deepest entry that should still be warm, marked again so that it is found exactly.
    Warm,
    /// The top of the request before, by the shape of this one.
    PreviousTop,
    /// A place where requests of this scope were seen to branch.
    Branch,
    /// The end of the shared part of the last message, before its last block.
    BeforeLast,
    /// The end of the request.
    Tail,
}

impl Why {
    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToolsEnd => "tools end",
            Self::SystemEnd => "system end",
            Self::Warm => "warm entry",
            Self::PreviousTop => "previous top",
            Self::Branch => "branch point",
            Self::BeforeLast => "before last block",
            Self::Tail => "tail",
        }
    }
}

/// The markers to add to one request: at most what its limits leave free, longer TTLs first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// In the order of the blocks.
    pub breakpoints: Vec<Breakpoint>,
    /// Members to add to the body, each only where the caller has none of its name.
    pub members: Vec<Member>,
    /// Whether the provider is told to write at the markers only.
    pub explicit_only: bool,
}

/// A member of the body's object: a routing key, a cache option.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Its name, which needs no escapes.
    pub name: Box<str>,
    /// Its value as JSON.
    pub value: Box<str>,
}

impl Member {
    /// A member whose value is this JSON.
    #[must_use]
    pub fn new(name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
        }
    }
}

impl Plan {
    /// A plan of these markers, which must be in block order.
    #[must_use]
    pub const fn new(breakpoints: Vec<Breakpoint>) -> Self {
        Self {
            breakpoints,
            members: Vec::new(),
            explicit_only: false,
        }
    }
}

/// One change to a request, for `--emit-plan`, logs and tests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// JSON pointer of what changed, in the body as sent.
    pub pointer: String,
    /// What was done, in a few words; never prompt text.
    pub what: String,
    /// The rule that did it, by its name in configuration.
    pub rule: Option<&'static str>,
}

impl Change {
    /// A change of the value at `pointer`.
    #[must_use]
    pub fn new(pointer: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            what: what.into(),
            rule: None,
        }
    }

    /// The same, done by this rule.
    #[must_use]
    pub const fn by(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }
}

/// Why a request went through byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Skip {
    /// The body is not valid JSON.
    NotJson,
    /// The body is not a JSON object, or a member is not of the type the dialect asks for.
    NotARequest,
    /// There is no `messages` array.
    NoMessages,
    /// A key that matters stands twice in one object.
    DuplicateKey,
    /// Values are nested deeper than any real request.
    TooDeep,
    /// The body is longer than the limit.
    TooLarge,
    /// The body was not at hand as bytes (a stream, a multipart form).
    NotBuffered,
    /// The body is encoded (gzip, …) or not declared as JSON.
    Encoded,
    /// The request was signed over its bytes before it reached us.
    Signed,
    /// No provider row matches the URL.
    UnknownEndpoint,
}

impl Skip {
    /// The name in reports and metric labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotARequest => "not_a_request",
            Self::NoMessages => "no_messages",
            Self::DuplicateKey => "duplicate_key",
            Self::TooDeep => "too_deep",
            Self::TooLarge => "too_large",
            Self::NotBuffered => "not_buffered",
            Self::Encoded => "encoded",
            Self::Signed => "signed",
            Self::UnknownEndpoint => "unknown_endpoint",
        }
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
