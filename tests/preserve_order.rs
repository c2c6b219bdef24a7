//! The same bytes whether or not any crate of the user's build enables `serde_json/preserve_order`.
//!
//! Features unify over a whole build, so the feature can only be turned on in a build of its own:
//! a small crate is written beside the test's other temporary files, built offline with the
//! versions of this crate's lock file, and its output compared with what is computed here.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise and must say what it skips"
)]

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::body;
use vectors::{spell, trees_keep_order};

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
serde_json = { version = "1", features = ["preserve_order", "raw_value"] }
"#;

const MAIN: &str = r#"
#[path = 'ROOT/tests/support/body.rs']
mod body;
#[path = 'ROOT/tests/preserve_order/vectors.rs']
mod vectors;

fn main() {
    assert!(vectors::trees_keep_order(), "the feature is not on");
    print!("{}", vectors::spell());
}
"#;

#[test]
fn bytes_do_not_depend_on_preserve_order() {
    assert!(!trees_keep_order(), "this build has the feature on already");
    let here = spell();
    assert!(here.contains(r#"{"a":"\/","b":[{"c":2,"d":1}],"z":{"x":-0,"y":1e400}}"#));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join("preserve_order");
    write_project(root, &project);
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["run", "--quiet", "--offline"])
        .current_dir(&project)
        .env("CARGO_TARGET_DIR", project.join("target"))
        .output();
    match built {
        Ok(output) if output.status.success() => {
            assert_eq!(String::from_utf8(output.stdout).unwrap(), here);
        }
        Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => skip(&format!("cargo cannot be run: {error}")),
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
