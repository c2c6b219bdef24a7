//! The switches of `reshape`: one per rule, kept as a set.

use std::fmt;

/// One rule of `reshape`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum Rule {
    /// Tools stand in the order of their names.
    ///
    /// Off for a request whose order carries meaning: a tool with the caller's own marker, a
    /// deferred tool, two different tools of one name, a tool of a type this crate does not know
    /// to be independent of its neighbours (`mcp_toolset`, tool search).
    ToolOrder = 1,
    /// A tool that repeats an earlier one exactly is dropped. Off wherever `ToolOrder` is.
    ToolDuplicates = 2,
    /// Keys inside tool definitions are sorted: `name`, `description`, `input_schema`, then the
    /// rest; below that by the byte order of the decoded UTF-8, which is the order of code points.
    /// (RFC 8785 sorts by UTF-16 units, which differs beyond the basic plane.) Implies
    /// `Whitespace` there.
    ToolKeys = 4,
    /// Keys inside the input of earlier tool calls are sorted likewise. Implies `Whitespace` there.
    InputKeys = 8,
    /// Whitespace that JSON does not count is removed inside tool definitions and tool inputs.
    Whitespace = 16,
    /// A text that differs from call to call stands in a block of its own, so that what stands
    /// before it can carry a marker: the same text, in more blocks.
    SplitVolatile = 32,
    /// A line of tools or system prompt that differs from call to call stands at the end of the last
    /// user message instead, behind every breakpoint.
    MoveVolatile = 64,
    /// Timestamps and times of tools and system prompt are rounded down to a step.
    QuantiseClock = 128,
    /// Lines of the system prompt that begin as the user listed are removed.
    DropNonce = 256,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 9] = [
        Self::ToolOrder,
        Self::ToolDuplicates,
        Self::ToolKeys,
        Self::InputKeys,
        Self::Whitespace,
        Self::SplitVolatile,
        Self::MoveVolatile,
        Self::QuantiseClock,
        Self::DropNonce,
    ];

    /// The name in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToolOrder => "tool_order",
            Self::ToolDuplicates => "tool_duplicates",
            Self::ToolKeys => "tool_keys",
            Self::InputKeys => "input_keys",
            Self::Whitespace => "whitespace",
            Self::SplitVolatile => "split_volatile",
            Self::MoveVolatile => "move_volatile",
            Self::QuantiseClock => "quantise_clock",
            Self::DropNonce => "drop_nonce",
        }
    }

    /// The rule of this name in configuration.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }

    const fn bit(self) -> u16 {
        self as u16
    }
}

/// A set of rules; by default those that only spell tools and tool inputs, since `reshape` itself is
/// the choice to make. The rules for text are asked for by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules(u16);

impl Rules {
    /// No rule: nothing changes.
    pub const NONE: Self = Self(0);

    /// The rules that spell tools and tool inputs, and leave every text as it is.
    pub const SPELLING: Self = Self(31);

    /// The rules for text that differs from call to call.
    pub const TEXT: Self = Self(480);

    /// Every rule.
    pub const ALL: Self = Self(511);

    /// These rules and `rule`.
    #[must_use]
    pub const fn with(self, rule: Rule) -> Self {
        Self(self.0 | rule.bit())
    }

    /// These rules but `rule`.
    #[must_use]
    pub const fn without(self, rule: Rule) -> Self {
        Self(self.0 & !rule.bit())
    }

    /// Whether `rule` is in force.
    #[must_use]
    pub const fn has(self, rule: Rule) -> bool {
        self.0 & rule.bit() != 0
    }

    /// These rules and `others`.
    #[must_use]
    pub const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// The rule that removes whitespace here: its own, or the one for keys, which implies it.
    pub(super) const fn compacting(self, keys: Rule) -> Rule {
        if self.has(Rule::Whitespace) {
            Rule::Whitespace
        } else {
            keys
        }
    }

    /// Those of these rules that `others` has too.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// The names in configuration, in the order of [`Rule::ALL`].
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let all = Rule::ALL.into_iter().filter(|rule| self.has(*rule));
        all.map(Rule::as_str).collect()
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::SPELLING
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        rules.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(Rule::ALL.into_iter().filter(|rule| self.has(*rule)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_every_rule_and_names_round_trip() {
        assert_eq!(Rule::ALL.into_iter().collect::<Rules>(), Rules::ALL);
        for rule in Rule::ALL {
            assert_eq!(Rule::parse(rule.as_str()), Some(rule));
            assert!(!Rules::ALL.without(rule).has(rule));
            assert_eq!(Rules::ALL.without(rule).with(rule), Rules::ALL);
        }
        assert_eq!(Rule::parse("volatile"), None);
        assert_eq!(Rules::default().names().len(), 5);
        assert_eq!(
            Rules::NONE
                .with(Rule::QuantiseClock)
                .or(Rules::SPELLING)
                .and(Rules::ALL)
                .names(),
            [
                "tool_order",
                "tool_duplicates",
                "tool_keys",
                "input_keys",
                "whitespace",
                "quantise_clock"
            ]
        );
    }
}
