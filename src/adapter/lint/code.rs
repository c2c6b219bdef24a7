//! The closed list of findings: their codes, how bad each is, and what to do.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "three, from mild to bad")]
pub enum Severity {
    /// Worth knowing; it may cost nothing.
    Hint,
    /// It costs money.
    Warning,
    /// The provider refuses the request.
    Error,
}

impl Severity {
    /// The name in output.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $words:literal, $severity:ident, $fix:literal;)+) => {
        /// What a finding is about. Codes are stable: 1 text, 2 tools, 3 markers, 4 the model,
        /// 5 members of the body.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable code, such as `CW101`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// Its name in words, such as `volatile-text`.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)+ }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity,)+ }
            }

            /// What to change.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$name => $fix,)+ }
            }
        }
    };
}

codes! {
    /// Text that differs from call to call stands before text that does not.
    VolatileText = "CW101", "volatile-text", Warning,
        "move it to the end of the prompt, or turn on `split_volatile` or `move_volatile`";
    /// A link to media is signed for a time.
    ExpiringLink = "CW102", "expiring-link", Warning,
        "send the media itself, or a link that does not change";
    /// Tools do not stand in the order of their names.
    ToolsUnsorted = "CW201", "tools-unsorted", Hint,
        "if their order comes from a map, sort them, or turn on `tool_order`";
    /// One tool stands there twice.
    ToolsRepeated = "CW202", "tools-repeated", Warning,
        "send it once, or turn on `tool_duplicates`";
    /// Two different tools share a name.
    ToolsClash = "CW203", "tools-clash", Error,
        "give each tool a name of its own";
    /// Tools spell their keys in different orders.
    ToolKeys = "CW204", "tool-keys", Hint,
        "if the order comes from a map, sort the keys, or turn on `tool_keys`";
    /// A marker stands where the provider refuses it.
    MarkerRefused = "CW301", "marker-refused", Error,
        "move it to the block before, or let the markers be placed for you";
    /// A marker stands on an empty text.
    MarkerEmpty = "CW302", "marker-on-empty-text", Error,
        "move it to the block before, or leave the empty text out";
    /// There are more markers than the provider takes.
    TooManyMarkers = "CW303", "too-many-markers", Error,
        "keep the ends of tools, system prompt, the turn before and the last turn";
    /// Two markers stand at one place.
    MarkerTwice = "CW304", "marker-twice", Warning,
        "keep one of them";
    /// The automatic marker and one of another class stand on one block.
    MarkerClash = "CW305", "marker-clash", Error,
        "give both one `ttl`, or drop one of them";
    /// No marker stands before text that differs from call to call.
    MarkerVolatile = "CW306", "marker-on-volatile", Warning,
        "mark the last block that stays the same";
    /// A longer class stands behind a shorter one.
    TtlOrder = "CW307", "ttl-order", Error,
        "put markers of one hour before those of five minutes";
    /// A class that this model does not sell.
    TtlNotSold = "CW308", "ttl-not-sold", Warning,
        "leave `ttl` out, or take a model that sells it";
    /// More blocks than the provider looks back over.
    Lookback = "CW309", "lookback", Warning,
        "mark the end of the turn before as well";
    /// The automatic marker stands on text that differs from call to call.
    AutomaticVolatile = "CW310", "automatic-on-volatile", Warning,
        "put what changes into the middle of the last message, or mark the block before it instead";
    /// Nothing is marked where only marks are cached.
    NoMarker = "CW311", "no-marker", Warning,
        "mark the end of the system prompt and the last message, or let it be done for you";
    /// A marker of another dialect, which means nothing here.
    MarkerForeign = "CW312", "marker-foreign", Warning,
        "spell it as this provider does, or leave it out";
    /// The prompt, or the part up to a marker, is shorter than the minimum.
    BelowMinimum = "CW401", "below-minimum", Warning,
        "nothing, or put the stable parts of short prompts together";
    /// No row is known for the model.
    UnknownModel = "CW402", "unknown-model", Hint,
        "add a row for it with --config, so that its minimum and prices are known";
    /// No key steers equal prefixes to one machine.
    NoCacheKey = "CW501", "no-cache-key", Hint,
        "send one key for all requests with the same tools and system prompt";
    /// The key differs from call to call.
    RotatingKey = "CW502", "rotating-cache-key", Warning,
        "keep time and counters out of the key";
    /// Two members that exclude each other.
    OptionsAndRetention = "CW503", "options-and-retention", Error,
        "leave `prompt_cache_retention` out";
    /// Breakpoints or options for a model that refuses them.
    NoBreakpoints = "CW504", "no-breakpoints-here", Error,
        "leave them out: this model caches by itself";
    /// The order to cache at markers only, and no marker.
    ExplicitWithout = "CW505", "explicit-without-markers", Warning,
        "set a breakpoint, or leave `mode` out";
    /// A tool choice that ends the cached conversation when it changes.
    ForcedChoice = "CW506", "forced-tool-choice", Hint,
        "keep one tool choice for one conversation";
}

impl Code {
    /// The code of this name, in either spelling.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|code| code.as_str().eq_ignore_ascii_case(name) || code.words() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_in_order_and_round_trip() {
        assert!(Code::ALL.is_sorted_by(|one, other| one.as_str() < other.as_str()));
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            assert_eq!(Code::parse(code.words()), Some(*code));
        }
        assert_eq!(Code::parse("CW000"), None);
    }
}
