//! Keeps the house in order: rooms only look down, the core does no IO, files stay small.
//!
//! Text search is enough here. A false alarm costs a rename; a missed one costs a design.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

/// Rooms from the ground up. A room may import only rooms of a lower floor, and itself.
const ROOMS: &[(&str, u8)] = &[
    ("error", 0),
    ("model", 1),
    ("canon", 2),
    ("plan", 2),
    ("economy", 2),
    ("ledger", 2),
    ("wire", 3),
    ("diagnose", 4),
    ("provider", 4),
    ("bound", 5),
    ("route", 5),
    ("sim", 5),
    ("engine", 6),
    ("adapter", 7),
];

/// Rooms on lower floors that must not be used all the same: the simulator judges the planner and
/// shares no code with it, and the engine must not consult its judge.
const APART: &[(&str, &[&str])] = &[
    ("sim", &["canon", "plan", "economy", "ledger", "wire"]),
    ("bound", &["canon", "plan", "economy", "ledger", "wire"]),
    ("engine", &["sim", "bound"]),
];

/// The highest floor that must stay free of IO, clocks and runtimes.
const CORE: u8 = 6;

const IO: &[&str] = &[
    "async",
    "await",
    "tokio",
    "hyper",
    "reqwest",
    "std::net",
    "std::fs",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "Instant",
    "SystemTime",
    "Mutex",
    "RwLock",
    "HashMap",
    "HashSet",
    "print",
    "println",
    "eprintln",
];

/// Rooms that every request passes. A tree of `serde_json` values loses the spelling of numbers,
/// and its order depends on whether any crate of the user's build enables `preserve_order`.
const REQUEST_PATH: &[&str] = &[
    "wire", "canon", "plan", "economy", "diagnose", "route", "engine",
];

const TREES: &[&str] = &["Value", "Map", "json", "to_value", "from_value"];

/// Lines before the `#[cfg(test)]` module; data files are not counted.
const MAX_LINES: usize = 400;

#[test]
fn rooms_only_look_down() {
    no_faults(|source, faults| {
        let Some((room, floor)) = room_of(&source.path) else {
            return;
        };
        for target in paths_behind("crate::", &source.code) {
            let below = ROOMS.iter().find(|(name, _)| *name == target);
            let apart = APART
                .iter()
                .any(|(name, kept)| *name == room && kept.contains(&target));
            if target != room && (apart || below.is_some_and(|(_, below)| *below >= floor)) {
                faults.push(format!("`{room}` must not import `{target}`"));
            }
        }
    });
}

/// `crate::` is the one way to name another room, so that the rule above sees every import.
#[test]
fn rooms_do_not_climb_through_super() {
    no_faults(|source, faults| {
        let steps = source.path.iter().skip(1);
        let depth = steps.filter(|step| *step != "mod.rs").count();
        if room_of(&source.path).is_some() && source.code.contains(&"super::".repeat(depth)) {
            faults.push("`super::` must not leave the room".into());
        }
    });
}

#[test]
fn every_room_has_a_floor() {
    let lib = fs::read_to_string("src/lib.rs").expect("the library has a root");
    let rooms: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(rooms.len(), ROOMS.len(), "{rooms:?}");
    for room in rooms {
        assert!(
            ROOMS.iter().any(|(name, _)| *name == room),
            "`{room}` stands on no floor"
        );
    }
}

#[test]
fn core_does_no_io() {
    no_faults(|source, faults| {
        if room_of(&source.path).is_some_and(|(_, floor)| floor <= CORE) {
            let words = IO.iter().filter(|word| mentions(&source.code, word));
            faults.extend(words.map(|word| format!("the core must not mention `{word}`")));
        }
    });
}

#[test]
fn requests_never_become_trees() {
    no_faults(|source, faults| {
        if room_of(&source.path).is_some_and(|(room, _)| REQUEST_PATH.contains(&room)) {
            let names = paths_behind("serde_json::", &source.code);
            let trees = names.iter().filter(|name| TREES.contains(name));
            faults.extend(trees.map(|name| format!("must not use `serde_json::{name}`")));
        }
    });
}

#[test]
fn nothing_asks_for_preserve_order() {
    let manifest = fs::read_to_string("Cargo.toml").expect("the crate has a manifest");
    let mut lines = manifest.lines().filter(|line| !line.starts_with('#'));
    assert!(
        lines.all(|line| !line.contains("preserve_order")),
        "the crate must give the same bytes with and without it"
    );
}

/// AWS's crates bring a second, older stack along when their default features are on.
#[test]
fn there_is_one_http_and_one_tls() {
    let lock = fs::read_to_string("Cargo.lock").expect("the crate has a lockfile");
    for name in ["http", "h2", "hyper", "hyper-rustls", "rustls"] {
        let entry = format!("name = \"{name}\"\n");
        assert_eq!(lock.matches(&entry).count(), 1, "{name}");
    }
}

/// The binary is a crate of its own and so sees public items only, unless it is let in by the back.
#[test]
fn the_binary_uses_the_front_door() {
    no_faults(|source, faults| {
        for back in ["#[path", "include!(", "doc(hidden)"] {
            if source.code.contains(back) {
                faults.push(format!("`{back}` is a back door"));
            }
        }
        let is_binary = source.path.starts_with("src/bin");
        if !is_binary && source.code.contains("mod bin") {
            faults.push("the library must not contain the binary".into());
        }
    });
}

#[test]
fn files_are_small_and_introduce_themselves() {
    no_faults(|source, faults| {
        let lines = source.body.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{lines} lines, {MAX_LINES} allowed"));
        }
        if !source.body.starts_with("//! ") {
            faults.push("must open with a `//!` line".into());
        }
    });
}

#[test]
fn the_searches_find_what_they_should() {
    let code = "use crate::{a::{b, c}, d};\nuse crate::e;\nlet f = crate::f::g();";
    assert_eq!(paths_behind("crate::", code), ["a", "d", "e", "f"]);
    assert!(mentions("std::fs::read", "std::fs"));
    assert!(mentions("x.await?", "await"));
    assert!(!mentions("a_sprint(hyperbole)", "print"));
    assert!(!mentions("a_sprint(hyperbole)", "hyper"));
    assert!(room_of(Path::new("src/sim/read.rs")).is_some_and(|(room, _)| room == "sim"));
    assert_eq!(room_of(Path::new("src/lib.rs")), None);
}

struct Source {
    path: PathBuf,
    /// Without the test module, which stands last.
    body: String,
    /// Without comments as well.
    code: String,
}

/// Collects the faults of all sources, and fails with every one of them.
fn no_faults(check: impl Fn(&Source, &mut Vec<String>)) {
    let mut all = Vec::new();
    let mut sources = Vec::new();
    walk(Path::new("src"), &mut sources);
    assert!(sources.len() > ROOMS.len(), "the sources were not found");
    for source in sources {
        let mut faults = Vec::new();
        check(&source, &mut faults);
        let place = source.path.display();
        all.extend(faults.iter().map(|fault| format!("{place}: {fault}")));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

fn walk(dir: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("entry is readable").path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let whole = fs::read_to_string(&path).expect("source is UTF-8");
            let body = whole.split("#[cfg(test)]").next().unwrap_or_default();
            let code = body
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            let code = code.collect::<Vec<_>>().join("\n");
            let body = body.to_owned();
            found.push(Source { path, body, code });
        }
    }
}

/// The room a file stands in: the first path component under `src`.
fn room_of(path: &Path) -> Option<(&'static str, u8)> {
    let first = path.strip_prefix("src").ok()?.iter().next()?.to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    ROOMS.iter().find(|(room, _)| *room == name).copied()
}

/// Every name directly behind `prefix`, also inside `use prefix{a, b::c}`.
fn paths_behind<'a>(prefix: &str, code: &'a str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for rest in code.split(prefix).skip(1) {
        match rest.strip_prefix('{') {
            Some(group) => names.extend(top_level(group)),
            None => names.push(word(rest)),
        }
    }
    names
}

/// The first names of the items of a `use` group, up to its closing brace.
fn top_level(group: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut inside = |ch: char| {
        match ch {
            '{' => depth += 1,
            '}' if depth == 0 => return true,
            '}' => depth -= 1,
            _ => {}
        }
        false
    };
    let end = group.find(&mut inside).unwrap_or(group.len());
    let group = group.get(..end).unwrap_or_default();
    let mut depth = 0_i32;
    let items = group.split(|ch| {
        depth += i32::from(ch == '{') - i32::from(ch == '}');
        ch == ',' && depth == 0
    });
    items.map(word).filter(|name| !name.is_empty()).collect()
}

fn word(text: &str) -> &str {
    let text = text.trim_start();
    text.split(|ch: char| !is_word(ch))
        .next()
        .unwrap_or_default()
}

/// Whether `word` stands in `code` as a word of its own.
fn mentions(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(ch: char) -> bool {
    ch.is_alphanumeric() || ch == '_'
}
