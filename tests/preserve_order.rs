//! The same bytes whether or not any crate of the user's build enables `serde_json/preserve_order`.
//!
//! Features unify over a whole build, and one of the clients under test enables this one, so the
//! other way needs a build of its own: a small crate is written beside the test's other temporary
//! files and built offline with the versions of this crate's lock file, without the feature where
//! this build has it and with it where not, and what it prints is compared.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise and must say what it skips"
)]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::body;
use vectors::spell;

// What is computed in both builds.
mod vectors;

const MANIFEST: &str = r#"
[package]
name = "with-preserve-order"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
cachewright = { path = 'ROOT', default-features = false }
serde_json = { version = "1", features = ["raw_value"] }

[features]
ordered = ["serde_json/preserve_order"]

[profile.dev]
debug = false
"#;

const MAIN: &str = r#"
#[path = 'ROOT/tests/support/body.rs']
mod body;
#[path = 'ROOT/tests/preserve_order/vectors.rs']
mod vectors;

fn main() {
    let tree: serde_json::Value = serde_json::from_str("{\"b\":1,\"a\":2}").unwrap();
    let kept = tree.to_string().starts_with("{\"b\"");
    assert_eq!(kept, cfg!(feature = "ordered"));
    print!("{}", vectors::spell());
}
"#;

#[test]
fn bytes_do_not_depend_on_preserve_order() {
    let here = spell();
    assert!(here.contains(r#"{"a":"\/","b":[{"c":2,"d":1}],"z":{"x":-0,"y":1e400}}"#));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preserve_order");
    write_project(root, &project);
    let tree: Value = serde_json::from_str(r#"{"b":1,"a":2}"#).unwrap();
    let kept = tree.to_string().starts_with(r#"{"b""#);
    let features = if kept { "" } else { "ordered" };
    if let Some(there) = run(&project, features) {
        assert_eq!(there, here, "features: {features:?}");
    }
}

/// What the small crate prints; `None`, with a word about it, where it cannot be built.
fn run(project: &Path, features: &str) -> Option<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["run", "--quiet", "--offline", "--features", features])
        .current_dir(project)
        .env("CARGO_TARGET_DIR", project.join("target"))
        .output();
    match built {
        Ok(output) if output.status.success() => Some(String::from_utf8(output.stdout).unwrap()),
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            skip(&format!("cargo cannot be run: {error}"));
            None
        }
    }
}

fn write_project(root: &Path, project: &Path) {
    let put = |path: &str, text: &str| {
        let text = text.replace("ROOT", root.to_str().unwrap());
        fs::write(project.join(path), text).unwrap();
    };
    fs::create_dir_all(project.join("src")).unwrap();
    put("Cargo.toml", MANIFEST);
    put("src/main.rs", &MAIN.replace('\'', "\""));
    fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
}

fn skip(why: &str) {
    let required = env::var_os("CACHEWRIGHT_REQUIRE_ALL").is_some_and(|on| on == "1");
    assert!(
        !required,
        "the build with preserve_order is required: {why}"
    );
    eprintln!("skipped: the build with preserve_order: {why}");
}
