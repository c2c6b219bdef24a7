//! Python and JavaScript clients that others wrote: through the proxy they see exactly what they
//! see without it, and their prompts are read from the cache.
//!
//! Each script under tests/clients runs once against a simulator and once through the proxy, with a
//! simulator of its own as the upstream. It prints everything its client saw, but for ids and for
//! how the input was billed, and beside that how many tokens each answer was said to have read.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise and must say what it skips"
)]

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::serving::Serving;

fn simulator() -> Serving {
    Serving::start(&["sim", "--listen", "127.0.0.1:0"], |_| {})
}

/// A proxy before this upstream; `bedrock` is more to say of Bedrock's.
fn proxy(upstream: &Serving, dir: &Path, bedrock: &str) -> Serving {
    let upstreams = [
        ("anthropic", "/v1/messages"),
        ("openai", "/v1/"),
        ("bedrock", "/model/"),
        ("gemini", "/v1beta/"),
    ];
    let config: String = upstreams
        .iter()
        .map(|(name, path)| {
            let base = &upstream.url;
            let more = if *name == "bedrock" { bedrock } else { "" };
            format!("[upstreams.{name}]\nbase_url = \"{base}\"\npaths = [\"{path}\"]\n{more}\n")
        })
        .collect();
    let file = dir.join("cachewright.toml");
    std::fs::write(&file, config).unwrap();
    let args = ["proxy", "--port", "0", "--config", file.to_str().unwrap()];
    Serving::start(&args, with_keys)
}

/// The credentials of AWS's published examples, which the simulator takes, and no others.
fn with_keys(command: &mut Command) {
    command
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env(
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        )
        .env("AWS_CONFIG_FILE", "none")
        .env("AWS_SHARED_CREDENTIALS_FILE", "none")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_BEARER_TOKEN_BEDROCK");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// A Python that has this package; `None`, with a word about it, where there is none.
pub(crate) fn python(package: &str) -> Option<OsString> {
    let runner = env::var_os("CACHEWRIGHT_PYTHON").unwrap_or_else(|| "python3".into());
    let tried = Command::new(&runner)
        .args(["-c", &format!("import {package}")])
        .output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        let install = "pip install -r tests/clients/requirements.txt, in the environment of \
                       python3 or of CACHEWRIGHT_PYTHON";
        return skip(&format!("the Python package {package}"), install);
    }
    Some(runner)
}

/// A client that can be run here: its script, and what runs it.
struct Client {
    runner: OsString,
    script: &'static str,
}

impl Client {
    /// `None`, with a word about it, where the client is not installed.
    fn python(package: &str, script: &'static str) -> Option<Self> {
        let runner = python(package)?;
        Some(Self { runner, script })
    }

    /// `None`, with a word about it, where the client is not installed.
    fn node(package: &str, script: &'static str) -> Option<Self> {
        let tried = Command::new("node").arg("--version").output();
        if !tried.is_ok_and(|tried| tried.status.success()) {
            return skip("node", "Node 20 or later");
        }
        let modules = env::var_os("CACHEWRIGHT_NODE_MODULES");
        let modules = modules.map_or_else(|| folder().join("node_modules"), PathBuf::from);
        if !modules.join(package).is_dir() {
            let install = "npm install --prefix tests/clients, or name the folder by \
                           CACHEWRIGHT_NODE_MODULES";
            return skip(&format!("the JavaScript package {package}"), install);
        }
        let runner = "node".into();
        Some(Self { runner, script })
    }

    /// What the client saw, with this as its base URL.
    fn run(&self, args: &[&str]) -> Saw {
        let mut command = Command::new(&self.runner);
        with_keys(&mut command);
        let output = command
            .arg(folder().join(self.script))
            .args(args)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {complaints}", self.script);
        let mut saw: Value = serde_json::from_slice(&output.stdout).unwrap();
        Saw {
            seen: saw["seen"].take(),
            reads: saw["reads"].take(),
        }
    }

    /// What it sees directly, what it sees through the proxy, and the proxy's report; `more` makes
    /// the arguments behind the base URL from the host of the simulator.
    fn twice(&self, more: impl Fn(&str) -> Option<String>) -> (Saw, Saw, String) {
        self.twice_by("", more)
    }

    /// The same through a proxy that is told more about Bedrock.
    fn twice_by(&self, bedrock: &str, more: impl Fn(&str) -> Option<String>) -> (Saw, Saw, String) {
        let run = |base: &str, host: &str| match more(host) {
            Some(more) => self.run(&[base, &more]),
            None => self.run(&[base]),
        };
        let alone = simulator();
        let direct = run(&alone.url, alone.host());
        let dir = tempfile::tempdir().unwrap();
        let behind = simulator();
        let serving = proxy(&behind, dir.path(), bedrock);
        let through = run(&serving.url, behind.host());
        (direct, through, serving.end())
    }
}

/// What a client saw, step by step, and what it was told to have been read.
struct Saw {
    seen: Value,
    reads: Value,
}

impl Saw {
    /// The steps that failed.
    fn failed(&self) -> Vec<&str> {
        let steps = self.seen.as_object().unwrap().iter();
        steps
            .filter(|(_, saw)| saw["error"].is_string())
            .map(|(step, _)| step.as_str())
            .collect()
    }

    /// The tokens that each answer read.
    fn reads(&self, of: &str) -> Vec<u64> {
        let reads = match of {
            "" => &self.reads,
            of => &self.reads[of],
        };
        serde_json::from_value(reads.clone()).unwrap()
    }
}

/// Step by step, so that a difference is named and not drowned.
fn assert_same(direct: &Saw, through: &Saw, failing: &[&str]) {
    let (direct_steps, steps) = (direct.seen.as_object(), through.seen.as_object());
    assert_eq!(direct_steps.unwrap().len(), steps.unwrap().len());
    assert!(steps.unwrap().len() > 10);
    for (step, saw) in direct_steps.unwrap() {
        assert_eq!(&through.seen[step], saw, "{step}");
    }
    assert_eq!(direct.failed(), failing, "{:#}", direct.seen);
}

/// That the second call, with the same long prefix, reads it where it did not without us.
fn assert_saved(direct: &Saw, through: &Saw, of: &str) {
    let (without, with) = (direct.reads(of), through.reads(of));
    assert_eq!(without[..2], [0, 0], "{of}: the simulator read by itself");
    assert!(with[0] == 0 && with[1] > 1024, "{of}: {with:?}");
}

fn skip<T>(what: &str, install: &str) -> Option<T> {
    let required = env::var_os("CACHEWRIGHT_REQUIRE_ALL").is_some_and(|on| on == "1");
    assert!(!required, "{what} is required; install: {install}");
    eprintln!("skipped: {what} is not there; install: {install}");
    None
}

#[test]
fn anthropics_python_client_sees_the_same_for_less() {
    let Some(client) = Client::python("anthropic", "anthropic_client.py") else {
        return;
    };
    let (direct, through, report) = client.twice(|_| None);
    assert_same(&direct, &through, &["refused", "unknown place"]);
    assert_saved(&direct, &through, "");
    let reads = through.reads("");
    let missed = reads.iter().filter(|read| **read == 0).count();
    // The first request, and the first one with tools.
    assert_eq!(missed, 2, "{reads:?}");
    assert!(direct.reads("").iter().all(|read| *read == 0));
    assert!(report.contains("claude-sonnet-5"), "{report}");
}

#[test]
fn openais_python_client_sees_the_same_for_less() {
    let Some(client) = Client::python("openai", "openai_client.py") else {
        return;
    };
    let (direct, through, report) = client.twice(|_| None);
    assert_same(&direct, &through, &["refused", "unknown place"]);
    assert_saved(&direct, &through, "");
    // What the provider reads by itself, as in the tool loop of Responses, it still reads.
    let (without, with) = (direct.reads(""), through.reads(""));
    for (alone, with_us) in without.iter().zip(&with) {
        assert!(*alone == 0 || *with_us > 0, "{without:?} {with:?}");
    }
    assert!(report.contains("gpt-5.6"), "{report}");
}

#[test]
fn boto3_with_a_key_sees_the_same_for_less() {
    let Some(client) = Client::python("boto3", "boto3_client.py") else {
        return;
    };
    let (direct, through, _) = client.twice(|_| Some("ABSK-test".into()));
    assert_same(&direct, &through, &["refused"]);
    assert_saved(&direct, &through, "");
    let (without, with) = (direct.reads(""), through.reads(""));
    assert!(without.iter().all(|read| *read == 0));
    // Converse, Nova and InvokeModel each pay in full once, and so does the first one with tools.
    let missed = with.iter().filter(|read| **read == 0).count();
    assert_eq!(missed, 4, "{with:?}");
}

#[test]
fn boto3_that_signs_for_the_upstream_passes_untouched() {
    let Some(client) = Client::python("boto3", "boto3_client.py") else {
        return;
    };
    let (direct, through, report) = client.twice(|host| Some(host.into()));
    assert_same(&direct, &through, &["refused"]);
    assert_eq!(direct.reads, through.reads);
    let untouched = direct.seen.as_object().unwrap().len() + 1;
    let said = format!("{untouched} passed on untouched");
    assert!(report.contains(&said), "{report}");
}

/// As users point it at the proxy: it signs for the wrong host, and the proxy signs anew.
#[cfg(feature = "bedrock-sdk")]
#[test]
fn boto3_through_a_proxy_that_signs_sees_the_same_for_less() {
    let Some(client) = Client::python("boto3", "boto3_client.py") else {
        return;
    };
    let signs = "sign = \"aws\"\nregion = \"us-east-1\"";
    let (direct, through, _) = client.twice_by(signs, |_| None);
    assert_same(&direct, &through, &["refused"]);
    assert_saved(&direct, &through, "");
}

/// A signature covers the host, and whoever signs for the proxy is told so by the service.
#[test]
fn boto3_that_signs_for_the_proxy_is_refused_upstream() {
    let Some(client) = Client::python("boto3", "boto3_client.py") else {
        return;
    };
    let (direct, through, _) = client.twice(|_| None);
    assert_eq!(direct.failed(), ["refused"]);
    for (step, saw) in through.seen.as_object().unwrap() {
        let code = &saw["said"]["Code"];
        assert_eq!(code, "InvalidSignatureException", "{step}: {saw}");
    }
}

#[test]
fn the_ai_sdk_sees_the_same_for_less() {
    let Some(client) = Client::node("ai", "ai_sdk.mjs") else {
        return;
    };
    let (direct, through, _) = client.twice(|_| None);
    assert_same(&direct, &through, &[]);
    let said = through.seen.to_string();
    assert!(!said.contains(r#""type":"error""#), "{said}");
    for provider in ["anthropic", "bedrock", "chat"] {
        assert_saved(&direct, &through, provider);
    }
    for provider in ["google", "responses"] {
        assert!(through.reads(provider).iter().any(|read| *read > 1024));
    }
}
