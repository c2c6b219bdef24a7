//! Which parts of a configuration differ from those in force, without keeping what they say.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::route;
use crate::adapter::variables;

/// A digest of each part of a configuration; parts hold keys, so that digests stay in memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub(in crate::adapter::gateway) struct Prints(BTreeMap<Part, blake3::Hash>);

/// A part of a configuration: a table such as `routes.voice`, or a member of the whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Part {
    /// `[providers.NAME]`.
    Backend(Box<str>),
    /// `[routes.NAME]`, as far as it says where calls go.
    Route(Box<str>),
    /// `[caps]`.
    Caps,
    /// `[upstreams.NAME]` of the proxy.
    Upstream(Box<str>),
    /// `[routes.NAME]`, as far as it says how requests are changed.
    Overlay(Box<str>),
    /// Anything else, by its key.
    Other(Box<str>),
}

/// A part that differs, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// What differs.
    pub part: Part,
    /// How.
    pub how: How,
}

/// How a part differs from what is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum How {
    /// It was not there.
    Added,
    /// It says something else.
    Changed,
    /// It is not there any more.
    Removed,
}

impl Prints {
    /// Adds the parts of one text; none where it is no TOML.
    pub(in crate::adapter::gateway) fn take(
        &mut self,
        text: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) {
        let Ok(root) = DeTable::parse(text) else {
            return;
        };
        for (name, value) in root.get_ref() {
            let name = name.get_ref().as_ref();
            match (name, value.get_ref()) {
                ("providers" | "routes" | "upstreams", DeValue::Table(tables)) => {
                    for (own, value) in tables {
                        self.table(name, (own.get_ref(), value.get_ref()), env);
                    }
                }
                ("caps", DeValue::Table(members)) => {
                    for (key, value) in members {
                        let key = key.get_ref().as_ref();
                        let part = match key {
                            "file" => Part::Other("caps.file".into()),
                            _ => Part::Caps,
                        };
                        self.fold(part, (key, value.get_ref()), env);
                    }
                }
                (name, value) => self.add(Part::Other(name.into()), value, env),
            }
        }
    }

    fn table(
        &mut self,
        kind: &str,
        (name, value): (&str, &DeValue<'_>),
        env: &dyn Fn(&str) -> Option<String>,
    ) {
        let part = match kind {
            "providers" => Part::Backend(name.into()),
            "upstreams" => Part::Upstream(name.into()),
            _ => {
                let DeValue::Table(members) = value else {
                    return;
                };
                for (key, value) in members {
                    let key = key.get_ref().as_ref();
                    let part = match route::KEYS.contains(&key) {
                        true => Part::Route(name.into()),
                        false => Part::Overlay(name.into()),
                    };
                    self.fold(part, (key, value.get_ref()), env);
                }
                return;
            }
        };
        self.add(part, value, env);
    }

    fn add(&mut self, part: Part, value: &DeValue<'_>, env: &dyn Fn(&str) -> Option<String>) {
        self.fold(part, ("", value), env);
    }

    fn fold(
        &mut self,
        part: Part,
        (key, value): (&str, &DeValue<'_>),
        env: &dyn Fn(&str) -> Option<String>,
    ) {
        let mut hasher = blake3::Hasher::new();
        if let Some(before) = self.0.get(&part) {
            hasher.update(before.as_bytes());
        }
        field(&mut hasher, key);
        feed(&mut hasher, value, env);
        self.0.insert(part, hasher.finalize());
    }

    /// Takes over what `other` says of parts that can change while calls are served; of all parts
    /// where nothing is in force yet.
    pub(in crate::adapter::gateway) fn adopt(&mut self, other: Self) {
        let first = self.0.is_empty();
        self.0.retain(|part, _| part.needs_restart());
        let adopted = other.0.into_iter();
        self.0
            .extend(adopted.filter(|(part, _)| first || !part.needs_restart()));
    }

    /// What differs in `other`.
    pub(in crate::adapter::gateway) fn changes(&self, other: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (part, print) in &other.0 {
            let how = match self.0.get(part) {
                None => How::Added,
                Some(before) if before != print => How::Changed,
                Some(_) => continue,
            };
            let part = part.clone();
            changes.push(Change { part, how });
        }
        let gone = self.0.keys().filter(|part| !other.0.contains_key(*part));
        changes.extend(gone.map(|part| Change {
            part: part.clone(),
            how: How::Removed,
        }));
        changes
    }
}

/// Adds a value; what variables stand for counts, and not only their names.
fn feed(hasher: &mut blake3::Hasher, value: &DeValue<'_>, env: &dyn Fn(&str) -> Option<String>) {
    match value {
        DeValue::String(text) => {
            let said = variables::expanded(text, env);
            field(hasher, "text");
            field(hasher, &said.unwrap_or_else(|_| text.to_string()));
        }
        DeValue::Array(items) => {
            field(hasher, "list");
            for item in items.iter() {
                feed(hasher, item.get_ref(), env);
            }
            field(hasher, "end");
        }
        DeValue::Table(members) => {
            field(hasher, "table");
            for (name, value) in members {
                field(hasher, name.get_ref());
                feed(hasher, value.get_ref(), env);
            }
            field(hasher, "end");
        }
        DeValue::Integer(number) => field(hasher, &format!("number {number}")),
        DeValue::Float(number) => field(hasher, &format!("number {number}")),
        DeValue::Boolean(flag) => field(hasher, &format!("flag {flag}")),
        DeValue::Datetime(date) => field(hasher, &format!("date {date}")),
    }
}

fn field(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

impl Part {
    /// Whether it stays as it is until the next start.
    #[must_use]
    pub const fn needs_restart(&self) -> bool {
        matches!(self, Self::Overlay(_) | Self::Other(_))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(name) => write!(f, "backend {name}"),
            Self::Route(name) => write!(f, "route {name}"),
            Self::Caps => f.write_str("caps"),
            Self::Upstream(name) => write!(f, "upstream {name}"),
            Self::Overlay(name) => write!(f, "settings of route {name}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Added => "added",
            How::Changed => "changed",
            How::Removed => "removed",
        };
        write!(f, "{how} {}", self.part)
    }
}

impl fmt::Debug for Prints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A digest of a key is not shown either.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prints(text: &str, key: &str) -> Prints {
        let mut prints = Prints::default();
        prints.take(text, &|name| (name == "KEY").then(|| key.to_owned()));
        prints
    }

    #[test]
    fn every_part_that_differs_is_named_once() {
        let before = "mode = \"place\"\n[providers.a]\nkey = \"${KEY}\"\n[providers.b]\n\
                      [routes.r]\norder = \"a\"\nmode = \"place\"\n[caps]\ntotal = \"1 USD/day\"";
        let after = "mode = \"place\"\n# moved\n[caps]\ntotal = \"1 USD/day\"\n[providers.a]\n\
                     key = \"${KEY}\"\n[routes.r]\norder = [\"a\"]\nmode = \"place\"\n[routes.s]\n\
                     ttl = \"1h\"\n[upstreams.u]";
        let said = |before: &Prints, after: &Prints| {
            let changes = before.changes(after);
            let said: Vec<String> = changes.iter().map(ToString::to_string).collect();
            said.join(", ")
        };
        let same = prints(before, "sk-1");
        assert_eq!(said(&same, &prints(before, "sk-1")), "");
        assert_eq!(said(&same, &prints(before, "sk-2")), "changed backend a");
        assert_eq!(
            said(&same, &prints(after, "sk-1")),
            "changed route r, added upstream u, added settings of route s, removed backend b"
        );
        assert!(!format!("{same:?}").contains("sk-1"));
    }
}
