//! The command: its output, its files, and every kind of bad input.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn vector() -> String {
    format!(
        "{}/tests/vectors/replay/library.jsonl",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
    command.args(args).env("NO_COLOR", "1");
    command
}

fn cachewright(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The lines of stderr that are complaints.
fn complaints(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter_map(|line| line.strip_prefix("cachewright: "))
        .map(str::to_owned)
        .collect()
}

fn write(dir: &Path, name: &str, content: &[u8]) -> String {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

#[test]
fn a_tiny_workload_prints_the_same_table_every_time() {
    let output = cachewright(&["replay", &vector()]);
    assert!(output.status.success());
    let golden = include_str!("vectors/replay/library.txt");
    assert_eq!(stdout(&output), golden);
}

#[test]
fn json_and_csv_say_what_the_table_says() {
    let json: Value =
        serde_json::from_slice(&cachewright(&["replay", &vector(), "--json"]).stdout).unwrap();
    let row = &json["workloads"][0];
    assert_eq!(row["workload"], "library");
    assert_eq!(row["requests"], 4);
    assert_eq!(row["baselines"]["recorded"]["requests"], 1);
    assert!(row["cost_picodollars"].is_i64() || row["cost_picodollars"].is_u64());
    let csv = stdout(&cachewright(&["replay", &vector(), "--csv"]));
    let lines: Vec<&str> = csv.lines().collect();
    // The policy under test comes first, then those it is compared with.
    let policies = row["policies"].as_array().unwrap();
    assert_eq!(lines.len(), 1 + policies.len());
    assert!(lines[0].ends_with(",bound_usd"));
    assert_eq!(policies[0]["policy"], "engine");
    let cost = row["cost_usd"].as_str().unwrap();
    assert_eq!(lines[1].split(',').nth(5), Some(cost));
}

#[test]
fn each_bad_input_gets_one_line_and_the_others_are_processed() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let whole = std::fs::read(vector()).unwrap();
    let cut = write(dir.path(), "cut.jsonl", &whole[..whole.len() - 9]);
    let noise = write(
        dir.path(),
        "noise.jsonl",
        b"\x7fELF\x02\x01\x01\0\0\0\n\xff\xfe",
    );
    let xz = write(
        dir.path(),
        "cut.jsonl.xz",
        b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4F\x02\0!\x01",
    );
    let missing = dir.path().join("missing.jsonl").display().to_string();
    let empty = empty.display().to_string();
    let bad = [&cut, &noise, &xz, &missing, &empty];
    for (input, position) in [
        (&cut, "line 4"),
        (&noise, "line 1"),
        (&xz, "line 1"),
        (&missing, "No such file"),
        (&empty, "no logs"),
    ] {
        let output = cachewright(&["replay", input]);
        let said = complaints(&output);
        assert_eq!(output.status.code(), Some(1), "{input}");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains(input.as_str()) && said[0].contains(position),
            "{said:?}"
        );
        assert!(output.stdout.is_empty());
    }
    let mut args = vec!["replay"];
    args.extend(bad.iter().map(|path| path.as_str()));
    let good = vector();
    args.push(&good);
    let output = cachewright(&args);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(complaints(&output).len(), bad.len());
    assert!(stdout(&output).contains("library"));
}

#[test]
fn emitted_files_are_whole_or_absent() {
    let dir = tempfile::tempdir().unwrap();
    let sent = dir.path().join("sent.jsonl").display().to_string();
    let plan = dir.path().join("plan.jsonl").display().to_string();
    let noise = write(dir.path(), "noise.jsonl", b"not json\n");
    let failed = cachewright(&["replay", &noise, "--emit", &sent, "--emit-plan", &plan]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

    let done = cachewright(&["replay", &vector(), "--emit", &sent, "--emit-plan", &plan]);
    assert!(done.status.success(), "{:?}", complaints(&done));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 3);
    let bodies = std::fs::read_to_string(&sent).unwrap();
    let plans = std::fs::read_to_string(&plan).unwrap();
    assert_eq!(bodies.lines().count(), 4);
    for (body, plan) in bodies.lines().zip(plans.lines()) {
        let body: Value = serde_json::from_str(body).unwrap();
        let plan: Value = serde_json::from_str(plan).unwrap();
        for member in ["t", "end", "session", "kind"] {
            assert_eq!(body[member], plan[member]);
        }
        assert!(!plan["changes"].is_null());
        for breakpoint in plan["breakpoints"].as_array().unwrap() {
            let place = breakpoint["pointer"].as_str().unwrap();
            let carrier = body["request"].pointer(place).unwrap();
            assert_eq!(carrier["cache_control"]["type"], "ephemeral", "{place}");
        }
    }
}

#[test]
fn a_replay_goes_on_from_a_stored_history() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("history.json").display().to_string();
    let fresh = cachewright(&["replay", &vector(), "--json"]);
    let first = cachewright(&["replay", &vector(), "--json", "--state", &state]);
    assert!(first.status.success(), "{:?}", complaints(&first));
    assert_eq!(first.stdout, fresh.stdout);
    let stored = std::fs::read(&state).unwrap();
    let second = cachewright(&["replay", &vector(), "--json", "--state", &state]);
    assert!(second.status.success(), "{:?}", complaints(&second));
    let visits = |stored: &[u8]| -> u64 {
        let state: Value = serde_json::from_slice(stored).unwrap();
        let prefixes = state["prefixes"].as_object().unwrap().values();
        prefixes.map(|node| node["visits"].as_u64().unwrap()).sum()
    };
    let twice = std::fs::read(&state).unwrap();
    assert!(visits(&stored) > 0);
    assert_eq!(visits(&twice), 2 * visits(&stored));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_state_that_cannot_be_used_stops_the_replay() {
    let dir = tempfile::tempdir().unwrap();
    let sent = dir.path().join("sent.jsonl").display().to_string();
    let foreign = write(dir.path(), "foreign.json", b"{\"a\":1}");
    let output = cachewright(&["replay", &vector(), "--state", &foreign, "--emit", &sent]);
    assert_eq!(output.status.code(), Some(1));
    let said = complaints(&output);
    assert!(said.len() == 1 && said[0].contains(&foreign), "{said:?}");
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read(&foreign).unwrap(), b"{\"a\":1}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);

    let state = dir.path().join("history.json").display().to_string();
    let noise = write(dir.path(), "noise.jsonl", b"not json\n");
    let failed = cachewright(&["replay", &noise, "--state", &state]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}

#[test]
fn an_unusable_command_line_is_exit_code_two() {
    let config = tempfile::tempdir().unwrap();
    let broken = write(config.path(), "rows.toml", b"[[model]\nname = 3");
    for args in [
        &["replay"][..],
        &["replay", "x.jsonl", "--json", "--csv"],
        &["replay", "x.jsonl", "--mode", "sideways"],
        &["replay", &vector(), &vector(), "--state", "x.json"],
        &["replay", &vector(), "--policy", "own", "--state", "x.json"],
        &["nonsense"],
        &["--config", &broken, "models"],
        &["models", "--provider", "antropic"],
        &["--config", "/nonexistent.toml", "models"],
    ] {
        let output = cachewright(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(complaints(&output).len(), 1, "{args:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr).lines().count(),
            1,
            "{args:?}"
        );
    }
}

#[test]
fn help_shows_examples_and_models_show_their_sources() {
    let help = cachewright(&["replay", "--help"]);
    assert!(help.status.success());
    assert!(stdout(&help).contains("cachewright replay logs/ --json"));
    let models = stdout(&cachewright(&["models"]));
    assert!(models.contains("claude-sonnet-4.5") && models.contains("source"));
    let json: Value = serde_json::from_slice(&cachewright(&["models", "--json"]).stdout).unwrap();
    let rows = json.as_array().unwrap();
    assert!(
        rows.iter()
            .all(|row| row["source"].as_str().is_some_and(|s| !s.is_empty()))
    );
    let sonnet = rows
        .iter()
        .find(|row| row["model"] == "claude-sonnet-4.5")
        .unwrap();
    assert_eq!(sonnet["usd_per_million_tokens"]["read"], "0.3");
}

/// With `--provider`, what it serves for others is there under its own rules.
#[test]
fn models_of_one_provider_are_those_that_it_serves() {
    let output = cachewright(&["models", "--provider", "bedrock", "--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = json.as_array().unwrap();
    assert!(rows.iter().all(|row| row["provider"] == "bedrock"));
    let minimum = |name: &str| {
        let mut rows = rows.iter().filter(|row| row["model"] == name);
        let found = rows.next().map(|row| row["min_tokens"].clone());
        assert!(rows.next().is_none(), "{name} stands there twice");
        found
    };
    assert_eq!(minimum("claude-opus-4.7"), Some(4096.into()));
    assert_eq!(minimum("claude-sonnet-4.6"), Some(1024.into()));
    assert_eq!(minimum("nova-lite"), Some(1024.into()));
    assert_eq!(minimum("gpt-4o"), None);
    let table = stdout(&cachewright(&["models", "--provider", "openrouter"]));
    assert!(table.contains("session_id") && table.contains("grok-4.7"));
    assert!(!table.contains("bedrock"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = command(&["models", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_simulator_says_where_it_listens() {
    let mut child = command(&["sim", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line.trim().strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(&address).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("ok"), "{answer}");
}

#[test]
fn a_port_in_use_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = cachewright(&["sim", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = complaints(&output);
    assert!(said.len() == 1 && said[0].contains(&address), "{said:?}");
}
