//! The vendors' Python clients over the same conversations, through the proxy: the same script and
//! the same arguments, and only the proxy's configuration differs.

use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value};

use super::talks;
use super::{CHAT, MESSAGES, RESPONSES, Served};
use crate::clients::python;
use crate::support::serving::Serving;

/// What a client saw, by the names of the conversations.
fn saw(script: &Script, base: &str) -> Value {
    let mut command = Command::new(&script.python);
    let output = command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/conformance_client.py"))
        .args([script.dialect, base])
        .arg(&script.file)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let mut saw: Value = serde_json::from_slice(&output.stdout).unwrap();
    saw["seen"].take()
}

struct Script {
    python: std::ffi::OsString,
    dialect: &'static str,
    file: std::path::PathBuf,
}

fn simulator() -> Serving {
    let args = ["sim", "--listen", "127.0.0.1:0", "--keep-requests", "1000"];
    Serving::start(&args, |_| {})
}

/// Whatever is not the same through this provider.
fn differences(script: &Script, served: &Served, dir: &Path) -> Vec<String> {
    let alone = simulator();
    let at = served.direct.trim_end_matches(super::path(script.dialect));
    let expected = saw(script, &format!("{}{at}", alone.url));
    let behind = simulator();
    let config = served.config().replace("{sim}", &behind.url);
    let file = dir.join(format!("{}-{}.toml", script.dialect, served.kind));
    std::fs::write(&file, config).unwrap();
    let config = file.to_str().unwrap();
    let args = ["proxy", "--port", "0", "--admin", "off", "--config", config];
    let proxy = Serving::start(&args, |_| {});
    let seen = saw(script, &format!("{}/app", proxy.url));
    let expected = expected.as_object().unwrap();
    assert!(expected.len() > 25, "{}", expected.len());
    let mut failed = 0;
    let mut different = Vec::new();
    for (name, expected) in expected {
        failed += u32::from(expected["error"].is_string());
        let got = &seen[name];
        if got != expected {
            let place = format!("{} by {}, {name}", script.dialect, served.kind);
            different.push(format!("{place}:\n  {got}\n  {expected}"));
        }
    }
    // Those that are to be refused, and no others.
    if failed > 2 {
        different.push(format!("{}: {failed} failed without us", served.kind));
    }
    different
}

fn all_the_same(dialect: &'static str, package: &str, providers: &[Served]) {
    let Some(python) = python(package) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let mut different = Vec::new();
    // The clients put their own path behind a base URL.
    let speaks = |served: &&Served| served.direct.ends_with(super::path(dialect));
    for served in providers.iter().filter(speaks) {
        let bodies: Map<String, Value> = talks::all()
            .iter()
            .filter(|talk| served.sees || !talk.shows())
            .filter_map(|talk| Some((talk.name.into(), talk.body(dialect, served.id)?)))
            .collect();
        let file = dir.path().join(format!("{}.json", served.kind));
        std::fs::write(&file, Value::Object(bodies).to_string()).unwrap();
        let script = Script {
            python: python.clone(),
            dialect,
            file,
        };
        different.extend(differences(&script, served, dir.path()));
    }
    let count = different.len();
    assert!(different.is_empty(), "{count}:\n{}", different.join("\n"));
}

#[test]
fn anthropics_client_switches_provider_by_configuration() {
    all_the_same("messages", "anthropic", &MESSAGES);
}

#[test]
fn openais_client_switches_the_provider_of_chat_by_configuration() {
    all_the_same("chat", "openai", &CHAT);
}

#[test]
fn openais_client_switches_the_provider_of_responses_by_configuration() {
    all_the_same("responses", "openai", &RESPONSES);
}
