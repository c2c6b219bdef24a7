//! One TOML table of the gateway's, read member by member; every error names the file, the line and
//! the fix, and none shows a value that a variable was put into.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::adapter::{mistake, units, variables};
use crate::error::Error;
use crate::model::Money;
use crate::provider::suggestion;

/// Looks up a variable of the environment.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A configuration text, to turn offsets into lines.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) env: Env<'a>,
}

impl Text<'_> {
    pub(super) fn error(&self, at: usize, message: &str) -> Error {
        mistake::at((self.file, self.text), at..at, message)
    }
}

/// A table, and where it begins.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub(super) text: Text<'a>,
    members: &'a DeTable<'a>,
    at: usize,
}

/// A string of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// With variables put in.
    pub(super) value: String,
    /// As it is written, for messages.
    pub(super) written: String,
    pub(super) at: usize,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    pub(super) const fn new(text: Text<'a>, members: &'a DeTable<'a>, at: usize) -> Self {
        Self { text, members, at }
    }

    /// Refuses keys that are not among these.
    pub(super) fn knows(self, known: &[&str]) -> Result<Self, Error> {
        for (name, at) in self.keys() {
            if !known.contains(&name) {
                let fix = suggestion(name, known);
                let message = format!("unknown key `{name}`; {fix}");
                return Err(self.text.error(at, &message));
            }
        }
        Ok(self)
    }

    /// The names of its members, and where they stand.
    pub(super) fn keys(self) -> impl Iterator<Item = (&'a str, usize)> {
        let keys = self.members.keys();
        keys.map(|key| (key.get_ref().as_ref(), key.span().start))
    }

    /// An error about the table as a whole.
    pub(super) fn error(&self, message: &str) -> Error {
        self.text.error(self.at, message)
    }

    /// An error about a member, or about the table where it has none of that name.
    pub(super) fn error_at(&self, key: &str, message: &str) -> Error {
        let at = self.find(key).map_or(self.at, |value| value.span().start);
        self.text.error(at, message)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    pub(super) fn string(&self, key: &str) -> Result<Option<Said>, Error> {
        let said = self.find(key).map(|value| self.said(key, value));
        said.transpose()
    }

    pub(super) fn required(&self, key: &str, example: &str) -> Result<Said, Error> {
        let fix = || self.error(&format!("`{key}` is missing; add {key} = {example}"));
        self.string(key)?.ok_or_else(fix)
    }

    /// One string, or a list of them.
    pub(super) fn strings(&self, key: &str) -> Result<Option<Vec<Said>>, Error> {
        let Some(value) = self.find(key) else {
            return Ok(None);
        };
        let said = if let DeValue::Array(items) = value.get_ref() {
            let items = items.iter();
            items.map(|item| self.said(key, item)).collect()
        } else {
            self.said(key, value).map(|one| vec![one])
        };
        said.map(Some)
    }

    /// The same, as plain names.
    pub(super) fn names(&self, key: &str) -> Result<Vec<Box<str>>, Error> {
        let said = self.strings(key)?.unwrap_or_default();
        Ok(said.into_iter().map(|said| said.value.into()).collect())
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Error> {
        match self.find(key).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::Boolean(flag)) => Ok(Some(*flag)),
            Some(_) => Err(self.error_at(key, &format!("`{key}` is true or false"))),
        }
    }

    /// A whole number within these bounds.
    pub(super) fn number(
        &self,
        key: &str,
        (least, most): (u32, u32),
    ) -> Result<Option<u32>, Error> {
        let Some(value) = self.find(key) else {
            return Ok(None);
        };
        let integer = value.get_ref().as_integer();
        let number =
            integer.and_then(|number| u32::from_str_radix(number.as_str(), number.radix()).ok());
        let number = number.filter(|number| (least..=most).contains(number));
        let message = format!("`{key}` is a whole number from {least} to {most}");
        number.map(Some).ok_or_else(|| self.error_at(key, &message))
    }

    pub(super) fn duration(&self, key: &str) -> Result<Option<Duration>, Error> {
        let fix = format!("`{key}` is a time, such as \"500ms\", \"30s\", \"2m\" or \"1h\"");
        self.parsed(key, &fix, units::duration)
    }

    pub(super) fn money(&self, key: &str) -> Result<Option<Money>, Error> {
        let fix = format!("`{key}` is an amount of money, such as \"0.01 USD\"");
        self.parsed(key, &fix, units::money)
    }

    fn parsed<T>(
        &self,
        key: &str,
        fix: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.find(key) else {
            return Ok(None);
        };
        let refused = || self.error_at(key, fix);
        let _ = value.get_ref().as_str().ok_or_else(refused)?;
        let said = self.said(key, value)?;
        parse(&said.value).map(Some).ok_or_else(refused)
    }

    pub(super) fn table(&self, key: &str) -> Result<Option<Self>, Error> {
        let Some((name, value)) = self.entry(key) else {
            return Ok(None);
        };
        let members = value.get_ref().as_table();
        let at = name.span().start;
        let fix = || {
            self.text
                .error(at, &format!("`{key}` is a table; write [{key}]"))
        };
        let members = members.ok_or_else(fix)?;
        Ok(Some(Self::new(self.text, members, at)))
    }

    /// The strings of a table, by their keys.
    pub(super) fn pairs(&self) -> Result<Vec<(&'a str, Said)>, Error> {
        let members = self.members.iter();
        members
            .map(|(name, value)| {
                let name = name.get_ref().as_ref();
                Ok((name, self.said(name, value)?))
            })
            .collect()
    }

    fn said(&self, key: &str, value: &Value<'_>) -> Result<Said, Error> {
        let at = value.span().start;
        let fix = || {
            self.text
                .error(at, &format!("`{key}` must be text in quotes"))
        };
        let written = value.get_ref().as_str().ok_or_else(fix)?.to_owned();
        let value = variables::expanded(&written, self.text.env)
            .map_err(|message| self.text.error(at, &message))?;
        Ok(Said { value, written, at })
    }

    fn find(&self, key: &str) -> Option<&'a Value<'a>> {
        self.entry(key).map(|(_, value)| value)
    }

    fn entry(&self, key: &str) -> Option<(&'a Spanned<std::borrow::Cow<'a, str>>, &'a Value<'a>)> {
        let mut members = self.members.iter();
        members.find(|(name, _)| name.get_ref().as_ref() == key)
    }
}
