//! The switches of `reshape`: one per rule, kept as a set.

use std::fmt;

/// One rule of `reshape`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
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
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 5] = [
        Self::ToolOrder,
        Self::ToolDuplicates,
        Self::ToolKeys,
        Self::InputKeys,
        Self::Whitespace,
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
        }
    }

    /// The rule of this name in configuration.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }

    const fn bit(self) -> u8 {
        self as u8
    }
}

/// A set of rules; all of them by default, since `reshape` itself is the choice to make.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rules(u8);

impl Rules {
    /// No rule: nothing changes.
    pub const NONE: Self = Self(0);

    /// Every rule.
    pub const ALL: Self = Self(31);

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
}

impl Default for Rules {
    fn default() -> Self {
        Self::ALL
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
    }
}
