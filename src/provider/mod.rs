//! Providers and models as data: rows read from one TOML form, built in or the user's own.
//!
//! A row says where a provider is reached, which dialect it speaks, and what each of its models
//! allows and costs, with source and date. Nothing outside this room matches on a provider's name.

use crate::error::Error;
use crate::model::{Limits, Prices};

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Provider {
    /// Its name in configuration and reports, such as `anthropic`.
    pub name: Box<str>,
}

/// What is known about one model of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Model {
    /// The row's name, such as `claude-opus-4.5`; the caller's spelling where no row matched.
    pub name: Box<str>,
    /// What it allows and needs.
    pub limits: Limits,
    /// What it costs; `None` where no row has prices.
    pub prices: Option<Prices>,
    /// Bytes of prompt per thousand tokens: the prior of the estimator, and the simulator's ruler.
    pub bytes_per_ktok: u32,
    /// Input tokens that stay plain although the last block is marked, for a text block and for a
    /// tool result (recorded traffic, 2026-08).
    pub residual: (u64, u64),
    /// Whether thinking blocks are bound to the exact bytes before them.
    pub prefix_check: bool,
}

/// All rows: the built-in ones and the user's.
#[derive(Clone, Debug)]
pub struct Catalog {
    _private: (),
}

impl Catalog {
    /// The rows this crate ships with.
    #[must_use]
    pub fn builtin() -> Self {
        Self { _private: () }
    }

    /// These rows with the user's added; a row of the same name replaces the built-in one.
    ///
    /// # Errors
    /// Names the file, the line and the fix when `text` is not what a row file should be.
    pub fn with_toml(self, _file: &str, _text: &str) -> Result<Self, Error> {
        Ok(self)
    }

    /// The provider that serves `host` and `path`, if a row says so.
    #[must_use]
    pub fn find(&self, _host: &str, _path: &str) -> Option<&Provider> {
        None
    }

    /// The provider of this name.
    #[must_use]
    pub fn provider(&self, _name: &str) -> Option<&Provider> {
        None
    }

    /// The model with this id at this provider: ids are normalised (dates, dots and dashes, region
    /// and vendor prefixes, ARNs). An unknown one gets conservative limits, no prices, and
    /// `limits.known == false`.
    #[must_use]
    pub fn model(&self, _provider: &str, id: &str) -> Model {
        Model {
            name: id.into(),
            limits: Limits::CONSERVATIVE,
            prices: None,
            bytes_per_ktok: 2700,
            residual: (3, 1),
            prefix_check: true,
        }
    }
}
