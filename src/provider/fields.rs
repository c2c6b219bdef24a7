//! One TOML table read field by field; every error names the file, the line and the fix.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Error;
use crate::model::Money;

/// The text of a row file, to turn offsets into lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

impl File<'_> {
    pub(super) fn error(&self, offset: usize, message: &str) -> Error {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Error::config(format!("{}:{line}: {message}", self.name))
    }
}

/// A table whose keys are all known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    file: File<'a>,
    table: &'a DeTable<'a>,
    start: usize,
}

/// Names and their strings.
type Pairs = Vec<(Box<str>, Box<str>)>;

type Value<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Fields<'a> {
    /// Checks the keys of `table`, which starts at byte `start`.
    pub(super) fn new(
        file: File<'a>,
        table: &'a DeTable<'a>,
        start: usize,
        known: &[&str],
    ) -> Result<Self, Error> {
        for key in table.keys() {
            let name = key.get_ref().as_ref();
            if !known.contains(&name) {
                let fix = suggestion(name, known);
                return Err(file.error(key.span().start, &format!("unknown key `{name}`; {fix}")));
            }
        }
        Ok(Self { file, table, start })
    }

    /// An error about the table as a whole.
    pub(super) fn error(&self, message: &str) -> Error {
        self.file.error(self.start, message)
    }

    pub(super) fn error_at(&self, key: &str, message: &str) -> Error {
        let offset = self
            .find(key)
            .map_or(self.start, |value| value.span().start);
        self.file.error(offset, message)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        self.find(key)
            .map(|value| {
                let text = value.get_ref().as_str();
                let fix = || self.error_at(key, &format!("`{key}` must be a string in quotes"));
                text.ok_or_else(fix)
            })
            .transpose()
    }

    pub(super) fn required(&self, key: &str) -> Result<&'a str, Error> {
        self.text(key)?
            .ok_or_else(|| self.error(&format!("`{key}` is missing; add `{key} = \"…\"`")))
    }

    pub(super) fn number(&self, key: &str, absent: u64) -> Result<u64, Error> {
        self.find(key)
            .map_or(Ok(absent), |value| self.integer(key, value))
    }

    pub(super) fn flag(&self, key: &str, absent: Flag) -> Result<bool, Error> {
        match self.find(key).map(Spanned::get_ref) {
            None => Ok(absent == Flag::Yes),
            Some(DeValue::Boolean(flag)) => Ok(*flag),
            Some(_) => Err(self.error_at(key, &format!("`{key}` must be true or false"))),
        }
    }

    pub(super) fn price(&self, key: &str) -> Result<Money, Error> {
        let fix = format!("`{key}` must be US dollars per million tokens, such as \"0.30\"");
        let text = self.text(key)?.ok_or_else(|| self.error(&fix))?;
        Money::per_mtok(text).ok_or_else(|| self.error_at(key, &fix))
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<Box<str>>, Error> {
        let fix = format!("`{key}` must be a list of strings");
        self.list(key, &fix)?
            .map(|item| {
                let text = item.get_ref().as_str().map(Into::into);
                text.ok_or_else(|| self.file.error(item.span().start, &fix))
            })
            .collect()
    }

    /// The names of a table in braces and their strings, in the order of the file.
    pub(super) fn pairs(&self, key: &str) -> Result<Pairs, Error> {
        let Some(value) = self.find(key) else {
            return Ok(Vec::new());
        };
        let fix = format!("`{key}` must be a table of strings in braces");
        let table = value.get_ref().as_table();
        let table = table.ok_or_else(|| self.error_at(key, &fix))?;
        let mut pairs: Vec<_> = table.iter().collect();
        pairs.sort_by_key(|(name, _)| name.span().start);
        let pairs = pairs.into_iter().map(|(name, value)| {
            let text = value.get_ref().as_str();
            let text = text.ok_or_else(|| self.file.error(value.span().start, &fix))?;
            Ok((name.get_ref().as_ref().into(), text.into()))
        });
        pairs.collect()
    }

    /// Two numbers, or `absent`.
    pub(super) fn pair(&self, key: &str, absent: (u64, u64)) -> Result<(u64, u64), Error> {
        if self.find(key).is_none() {
            return Ok(absent);
        }
        let fix = format!("`{key}` must be two numbers, such as [3, 1]");
        let numbers: Vec<u64> = self
            .list(key, &fix)?
            .map(|item| self.integer(key, item))
            .collect::<Result<_, _>>()?;
        match numbers.as_slice() {
            [first, second] => Ok((*first, *second)),
            _ => Err(self.error_at(key, &fix)),
        }
    }

    pub(super) fn table(&self, key: &str, known: &[&str]) -> Result<Option<Self>, Error> {
        self.find(key)
            .map(|value| {
                let fix = || self.error_at(key, &format!("`{key}` must be a table in braces"));
                let table = value.get_ref().as_table().ok_or_else(fix)?;
                Self::new(self.file, table, value.span().start, known)
            })
            .transpose()
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&self, key: &str, known: &[&str]) -> Result<Vec<Self>, Error> {
        let fix = format!("write `{key}` as `[[{key}]]`");
        self.list(key, &fix)?
            .map(|item| {
                let start = item.span().start;
                let table = item.get_ref().as_table();
                let table = table.ok_or_else(|| self.file.error(start, &fix))?;
                Self::new(self.file, table, start, known)
            })
            .collect()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    fn list(
        &self,
        key: &str,
        fix: &str,
    ) -> Result<impl Iterator<Item = Value<'a>> + use<'a>, Error> {
        let items: &[_] = match self.find(key).map(Spanned::get_ref) {
            None => &[],
            Some(DeValue::Array(items)) => items.get(..).unwrap_or_default(),
            Some(_) => return Err(self.error_at(key, fix)),
        };
        Ok(items.iter())
    }

    fn integer(&self, key: &str, value: Value<'a>) -> Result<u64, Error> {
        let integer = value.get_ref().as_integer();
        let number =
            integer.and_then(|number| u64::from_str_radix(number.as_str(), number.radix()).ok());
        let message = format!("`{key}` must be a whole number, zero or more");
        number.ok_or_else(|| self.file.error(value.span().start, &message))
    }

    fn find(&self, key: &str) -> Option<Value<'a>> {
        self.table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map(|(_, value)| value)
    }
}

/// What an absent flag means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    Yes,
    No,
}

impl From<bool> for Flag {
    fn from(flag: bool) -> Self {
        if flag { Self::Yes } else { Self::No }
    }
}

/// The nearest of `known`, or all of them when none is near.
pub(crate) fn suggestion<'a>(name: &str, known: &[&'a str]) -> String {
    let nearest = known
        .iter()
        .map(|key| (distance(name, key), *key))
        .min()
        .filter(|(steps, key): &(usize, &'a str)| *steps * 2 <= key.len().max(4));
    match nearest {
        Some((_, key)) => format!("did you mean `{key}`?"),
        None => format!("valid are {}", known.join(", ")),
    }
}

/// Letters to insert, delete or replace between the two (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, letter) in from.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        let mut next = vec![left];
        for (other, up) in to.iter().zip(row.iter().skip(1)) {
            left = (diagonal + usize::from(*other != letter))
                .min(left + 1)
                .min(*up + 1);
            diagonal = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, suggestion};

    #[test]
    fn the_nearest_key_is_offered() {
        assert_eq!(distance("kitten", "sitting"), 3);
        let known = ["min_tokens", "name", "input"];
        assert_eq!(
            suggestion("mintokens", &known),
            "did you mean `min_tokens`?"
        );
        assert_eq!(
            suggestion("zzzzzzzzz", &known),
            "valid are min_tokens, name, input"
        );
    }
}
