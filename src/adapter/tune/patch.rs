//! Changes as lines of the configuration file: what differs between two sets of settings, written
//! into a text whose other lines stay as they are.

use std::fmt;

use toml_edit::{Array, DocumentMut, Item, Table};

use super::change::{Change, spelled};
use crate::canon::History;
use crate::engine::{Settings, Wishes};
use crate::error::Error;
use crate::model::{Markers, Mode};

/// Keys to set in a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Patch {
    /// Route (empty for the general settings), key and value, in the order in which they are set.
    pub lines: Vec<(Box<str>, &'static str, Value)>,
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the kinds that settings have")]
pub enum Value {
    /// A string.
    Text(Box<str>),
    /// A list of strings.
    List(Vec<Box<str>>),
    /// True or false.
    Flag(bool),
}

impl Patch {
    /// What these changes, taken in this order, set over `base`.
    pub(super) fn of<'a>(base: &Settings, changes: impl Iterator<Item = &'a Change>) -> Self {
        let mut after = base.clone();
        let mut routes: Vec<&str> = Vec::new();
        for change in changes {
            change.apply(&mut after);
            if !routes.contains(&&*change.route) && change.is_setting() {
                routes.push(&change.route);
            }
        }
        // General settings come first: in TOML nothing can follow a table's header.
        routes.sort_unstable();
        let mut lines = Vec::new();
        // A route sees what the general settings became before its own keys are set.
        let mut before = base.clone();
        for route in routes {
            let [old, new] = [before.on(route), after.on(route)];
            let found = differing(&old, &new).into_iter();
            lines.extend(found.map(|(key, value)| (route.into(), key, value)));
            if route.is_empty() {
                before = Settings {
                    routes: before.routes,
                    ..after.clone()
                };
            }
        }
        Self { lines }
    }

    /// The text with these keys set; comments, order and everything else stay as they are.
    ///
    /// # Errors
    /// Names the file and the line when the text is not TOML.
    pub fn apply(&self, file: &str, text: &str) -> Result<String, Error> {
        let mut document: DocumentMut = text
            .parse()
            .map_err(|error| Error::config(format!("{file}: {error}").trim_end()))?;
        for (route, key, value) in &self.lines {
            let table = if route.is_empty() {
                document.as_table_mut()
            } else {
                section(&mut document, route).ok_or_else(|| {
                    let what = format!("{file}: `routes` is no table, so `{route}` has no place");
                    Error::config(what)
                })?
            };
            set(table, key, value);
        }
        Ok(document.to_string())
    }
}

/// Sets a key; what stands around its old value, such as comments, stays.
fn set(table: &mut Table, key: &str, value: &Value) {
    let mut item = value.item();
    let Some(old) = table.get_mut(key) else {
        table.insert(key, item);
        return;
    };
    let decor = old.as_value().map(|old| old.decor().clone());
    if let (Some(decor), Some(value)) = (decor, item.as_value_mut()) {
        *value.decor_mut() = decor;
    }
    *old = item;
}

/// The table of a route.
fn section<'a>(document: &'a mut DocumentMut, route: &str) -> Option<&'a mut Table> {
    let routes = document
        .as_table_mut()
        .entry("routes")
        .or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        })
        .as_table_mut()?;
    routes
        .entry(route)
        .or_insert_with(|| Item::Table(Table::new()))
        .as_table_mut()
}

impl Value {
    fn item(&self) -> Item {
        match self {
            Self::Text(text) => toml_edit::value(&**text),
            Self::Flag(flag) => toml_edit::value(*flag),
            Self::List(texts) => {
                let list: Array = texts.iter().map(|text| &**text).collect();
                toml_edit::value(list)
            }
        }
    }
}

/// As a configuration file spells it.
impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.apply("", "").map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

fn differing(old: &Wishes<'_>, new: &Wishes<'_>) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::Text(text.into());
    let mut found = Vec::new();
    if old.mode != new.mode {
        found.push(("mode", text(mode(new.mode))));
    }
    if old.markers != new.markers {
        found.push(("markers", text(markers(new.markers))));
    }
    if let Some(ttl) = new.ttl.filter(|_| old.ttl != new.ttl) {
        found.push(("ttl", text(ttl.as_str())));
    }
    // Rules that stood idle under another mode are not those that were tried.
    if new.mode == Mode::Reshape && (old.mode != new.mode || old.rules != new.rules) {
        let names = new.rules.names().into_iter();
        found.push(("rules", Value::List(names.map(Into::into).collect())));
    }
    if old.history != new.history {
        let promised = new.history == History::FromFirstTurn;
        found.push(("reshaped_from_first_turn", Value::Flag(promised)));
    }
    if old.clock_step != new.clock_step {
        found.push(("clock_step", text(&spelled(new.clock_step))));
    }
    if old.nonces != new.nonces {
        found.push(("nonces", Value::List(new.nonces.to_vec())));
    }
    if old.day_retention != new.day_retention {
        found.push(("day_retention", Value::Flag(new.day_retention)));
    }
    found
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Observe => "observe",
        Mode::Place => "place",
        Mode::Reshape => "reshape",
    }
}

const fn markers(markers: Markers) -> &'static str {
    match markers {
        Markers::Keep => "keep",
        Markers::Replace => "replace",
    }
}

#[cfg(test)]
mod tests {
    use super::super::change::Act;
    use super::*;
    use crate::canon::Rule;
    use crate::model::Ttl;

    #[test]
    fn the_rest_of_the_file_stays_as_it_is() {
        let text =
            "# mine\nmarkers = \"keep\" # for now\n\n[routes.a]\nmode = \"observe\"\n# the end\n";
        let changes = [
            Change::new("", Act::ReplaceMarkers, 1),
            Change::new("b c", Act::Ttl(Ttl::OneHour), 1),
            Change::new("a", Act::Rule(Rule::ToolOrder), 1),
        ];
        let mut base = Settings::default();
        base.routes.entry("a".into()).or_default().mode = Some(Mode::Observe);
        let patch = Patch::of(&base, changes.iter());
        assert_eq!(
            patch.apply("a.toml", text).unwrap(),
            "# mine\nmarkers = \"replace\" # for now\n\n[routes.a]\nmode = \"reshape\"\nrules = [\"tool_order\"]\n\n[routes.\"b c\"]\nttl = \"1h\"\n# the end\n"
        );
        let error = patch.apply("a.toml", "x = [").unwrap_err();
        assert!(error.to_string().contains("a.toml"), "{error}");
        let error = patch.apply("a.toml", "routes = 3").unwrap_err();
        assert!(error.to_string().contains("routes"), "{error}");
    }
}
