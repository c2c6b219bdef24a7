//! What a call needs a model to be able to do.

use std::fmt;

/// Something a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum Need {
    /// It defines tools.
    Tools = 1,
    /// It shows images.
    Images = 2,
    /// It shows documents.
    Documents = 4,
    /// It asks for thinking.
    Thinking = 8,
    /// It asks for an answer of a given form.
    Structured = 16,
    /// Its own markers ask for the one-hour class.
    OneHour = 32,
    /// It uses tools that the provider runs.
    ServerTools = 64,
}

impl Need {
    /// Every need.
    pub const ALL: [Self; 7] = [
        Self::Tools,
        Self::Images,
        Self::Documents,
        Self::Thinking,
        Self::Structured,
        Self::OneHour,
        Self::ServerTools,
    ];

    /// Its name in rows and explanations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Images => "images",
            Self::Documents => "documents",
            Self::Thinking => "thinking",
            Self::Structured => "structured",
            Self::OneHour => "one_hour",
            Self::ServerTools => "server_tools",
        }
    }

    /// The need of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|need| need.as_str() == name)
    }
}

/// A set of needs.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Needs(u16);

impl Needs {
    /// None.
    pub const NONE: Self = Self(0);

    /// These and one more.
    #[must_use]
    pub const fn with(self, need: Need) -> Self {
        Self(self.0 | need as u16)
    }

    /// What either holds.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether it holds this one.
    #[must_use]
    pub const fn has(self, need: Need) -> bool {
        self.0 & need as u16 != 0
    }

    /// Whether it shows images or documents.
    #[must_use]
    pub const fn shows_media(self) -> bool {
        self.has(Need::Images) || self.has(Need::Documents)
    }

    /// The first that both hold.
    #[must_use]
    pub fn first_of(self, others: Self) -> Option<Need> {
        let mut all = Need::ALL.into_iter();
        all.find(|need| self.has(*need) && others.has(*need))
    }
}

impl fmt::Debug for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = Need::ALL.iter().filter(|need| self.has(**need));
        f.debug_set()
            .entries(all.map(|need| need.as_str()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let set = Needs::NONE.with(Need::Images).with(Need::Thinking);
        assert!(set.has(Need::Images) && !set.has(Need::Tools));
        assert_eq!(
            set.first_of(Needs::NONE.with(Need::Thinking)),
            Some(Need::Thinking)
        );
        assert_eq!(set.first_of(Needs::NONE.with(Need::Tools)), None);
        assert_eq!(format!("{set:?}"), r#"{"images", "thinking"}"#);
        for need in Need::ALL {
            assert_eq!(Need::parse(need.as_str()), Some(need));
        }
    }
}
