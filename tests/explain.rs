//! `explain` over two bodies: every planted change is named to block and byte, in three dialects.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::value::RawValue;
use serde_json::{Value, json};

const DIALECTS: [&str; 3] = ["messages", "chat", "converse"];

/// A request, to be spelled in any dialect.
#[derive(Clone)]
struct Ask {
    tools: Vec<(&'static str, String)>,
    system: String,
    turns: Vec<String>,
}

impl Ask {
    fn new() -> Self {
        let long = "Look before you leap. ".repeat(150);
        Self {
            tools: ["read", "search", "write"]
                .map(|name| (name, format!("{name} a file")))
                .into(),
            system: format!(
                "{long}The session is 3f2504e0-4f89-41d3-9a0c-0305e82c3301. It is 2026-11-25T12:00:00Z."
            ),
            turns: ["What is there?", "Three files.", "Read the first."]
                .map(str::to_owned)
                .into(),
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn spelled(&self, dialect: &str) -> Value {
        let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}});
        let tools = self.tools.iter().map(|(name, about)| match dialect {
            "messages" => json!({"name": name, "description": about, "input_schema": schema}),
            "chat" => json!({"type": "function", "function": {"name": name, "description": about, "parameters": schema}}),
            _ => json!({"toolSpec": {"name": name, "description": about, "inputSchema": {"json": schema}}}),
        });
        let tools: Vec<Value> = tools.collect();
        let turns = self.turns.iter().enumerate().map(|(at, text)| {
            let role = if at % 2 == 0 { "user" } else { "assistant" };
            match dialect {
                "converse" => json!({"role": role, "content": [{"text": text}]}),
                _ => json!({"role": role, "content": text}),
            }
        });
        let turns: Vec<Value> = turns.collect();
        match dialect {
            "messages" => json!({"model": "claude-sonnet-4-5", "max_tokens": 9, "tools": tools,
                "system": [{"type": "text", "text": self.system}], "messages": turns}),
            "chat" => {
                let mut all = vec![json!({"role": "system", "content": self.system})];
                all.extend(turns);
                json!({"model": "gpt-4o", "tools": tools, "messages": all})
            }
            _ => {
                json!({"toolConfig": {"tools": tools}, "system": [{"text": self.system}], "messages": turns})
            }
        }
    }
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
    command.arg("explain").args(args).env("NO_COLOR", "1");
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn write(dir: &Path, name: &str, body: &Value) -> String {
    let path = dir.join(name);
    std::fs::write(&path, body.to_string()).unwrap();
    path.display().to_string()
}

/// What is said of two requests in one dialect, as JSON.
fn explained(dialect: &str, before: &Ask, after: &Ask) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (before.spelled(dialect), after.spelled(dialect));
    let files = [
        write(dir.path(), "a.json", &one),
        write(dir.path(), "b.json", &other),
    ];
    let path = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1:0/converse";
    let mut args = vec![&*files[0], &*files[1], "--json"];
    if dialect == "converse" {
        args.extend(["--path", path]);
    }
    let found: Value = serde_json::from_str(&stdout(&run(&args))).unwrap();
    assert_eq!(found["dialect"], dialect);
    assert_eq!(found["model_known"], true);
    found
}

/// The bytes of the value at a pointer; a string that stands for its only block is that block.
fn raw<'a>(body: &'a str, pointer: &str) -> &'a str {
    let mut here: &'a RawValue = serde_json::from_str(body).unwrap();
    for step in pointer.split('/').skip(1) {
        let text = here.get();
        if text.starts_with('"') {
            break;
        }
        here = if text.starts_with('[') {
            let all: Vec<&RawValue> = serde_json::from_str(text).unwrap();
            all[step.parse::<usize>().unwrap()]
        } else {
            let all: std::collections::BTreeMap<&str, &RawValue> =
                serde_json::from_str(text).unwrap();
            all[step]
        };
    }
    here.get()
}

struct Planted {
    change: fn(&mut Ask),
    cause: &'static str,
    pattern: Option<&'static str>,
    block: u64,
    /// Whether the byte is the first one in which the values at the pointer differ.
    compared: bool,
}

const PLANTED: [Planted; 8] = [
    Planted {
        change: |ask| ask.system = ask.system.replace("12:00:00", "12:07:31"),
        cause: "volatile_text",
        pattern: Some("timestamp"),
        block: 3,
        compared: true,
    },
    Planted {
        change: |ask| ask.system = ask.system.replace("3f2504e0", "3f2504ff"),
        cause: "volatile_text",
        pattern: Some("uuid"),
        block: 3,
        compared: true,
    },
    Planted {
        change: |ask| ask.tools.swap(1, 2),
        cause: "tools_order",
        pattern: Some("random_order"),
        block: 1,
        compared: false,
    },
    Planted {
        change: |ask| ask.tools[1].1 = "search all files".into(),
        cause: "tools_schema",
        pattern: None,
        block: 1,
        compared: true,
    },
    Planted {
        change: |ask| ask.tools.insert(0, ("mcp__mail", "send a mail".into())),
        cause: "tools_set",
        pattern: None,
        block: 0,
        compared: false,
    },
    Planted {
        change: |ask| drop(ask.tools.remove(0)),
        cause: "tools_set",
        pattern: None,
        block: 0,
        compared: false,
    },
    Planted {
        change: |ask| ask.system = ask.system.replace("leap", "jump"),
        cause: "system_changed",
        pattern: None,
        block: 3,
        compared: true,
    },
    Planted {
        change: |ask| ask.turns[1] = "Four files.".into(),
        cause: "history_rewritten",
        pattern: None,
        block: 5,
        compared: true,
    },
];

#[test]
fn planted_changes_are_named_to_block_and_byte_in_every_dialect() {
    for dialect in DIALECTS {
        for planted in PLANTED {
            let before = Ask::new();
            let after = before.with(planted.change);
            let found = explained(dialect, &before, &after);
            let first = &found["changes"][0];
            let case = format!("{dialect} {first}");
            assert_eq!(found["relation"], "differs", "{case}");
            assert_eq!(first["cause"], planted.cause, "{case}");
            assert_eq!(first["pattern"].as_str(), planted.pattern, "{case}");
            assert_eq!(first["block"], planted.block, "{case}");
            assert_eq!(found["blocks"]["shared"], planted.block, "{case}");
            let pointer = first["pointer"].as_str().unwrap();
            let (one, other) = (before.spelled(dialect), after.spelled(dialect));
            let (one, other) = (one.to_string(), other.to_string());
            let pairs = raw(&one, pointer).bytes().zip(raw(&other, pointer).bytes());
            let at = pairs.take_while(|(one, other)| one == other).count();
            let at = if planted.compared { at as u64 } else { 0 };
            assert_eq!(first["byte"], at, "{case}");
        }
    }
}

#[test]
fn keys_in_another_order_are_told_from_another_schema() {
    let dir = tempfile::tempdir().unwrap();
    let body = |tool: &str| {
        format!(r#"{{"model":"claude-sonnet-4-5","system":"s","tools":[{tool}],"messages":[]}}"#)
    };
    let file = |name: &str, tool: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, body(tool)).unwrap();
        path.display().to_string()
    };
    let one = file("a", r#"{"name":"t","input_schema":{"a":1,"b":2}}"#);
    let keys = file("b", r#"{"name":"t","input_schema":{"b":2,"a":1}}"#);
    let other = file("c", r#"{"name":"t","input_schema":{"a":1,"b":3}}"#);
    let pattern = |file: &str| {
        let found: Value = serde_json::from_str(&stdout(&run(&[&one, file, "--json"]))).unwrap();
        let first = &found["changes"][0];
        assert_eq!(first["cause"], "tools_schema");
        (first["pattern"].clone(), first["byte"].clone())
    };
    assert_eq!(pattern(&keys), (json!("random_order"), json!(29)));
    assert_eq!(pattern(&other), (Value::Null, json!(38)));
}

#[test]
fn what_can_be_read_and_what_is_lost_is_told() {
    for dialect in DIALECTS {
        let before = Ask::new();
        let longer = before.with(|ask| ask.turns.extend(["Here.".into(), "And now?".into()]));
        let extends = explained(dialect, &before, &longer);
        assert_eq!(extends["relation"], "extends");
        let tokens = &extends["estimated_tokens"];
        assert_eq!(tokens["readable"], tokens["earlier"]);
        assert_eq!(
            (&tokens["lost"], &extends["changes"]),
            (&json!(0), &json!([]))
        );
        assert!(extends["saved_picodollars"].as_i64().unwrap() > 0);
        assert_eq!(explained(dialect, &before, &before)["relation"], "equal");
        assert_eq!(explained(dialect, &longer, &before)["relation"], "within");

        let clock = before.with(|ask| ask.system = ask.system.replace("12:00:00", "12:07:31"));
        let lost = explained(dialect, &longer, &clock);
        let tokens = &lost["estimated_tokens"];
        // The tools alone are too short to be cached.
        assert_eq!(
            (&tokens["readable"], &tokens["lost"]),
            (&json!(0), &tokens["later"])
        );
        assert!(lost["lost_picodollars"].as_i64().unwrap() > 0);
    }
}

#[test]
fn a_reader_sees_cause_place_loss_fix_and_both_texts() {
    let dir = tempfile::tempdir().unwrap();
    let before = Ask::new();
    let after = before.with(|ask| {
        ask.system = ask.system.replace("12:00:00", "12:07:31");
        ask.turns[0] = "What was there?".into();
    });
    let one = write(dir.path(), "a.json", &before.spelled("messages"));
    let other = write(dir.path(), "b.json", &after.spelled("messages"));
    let text = stdout(&run(&[&one, &other]));
    for part in [
        "parts from",
        "at /system/0",
        "volatile_text (timestamp)",
        "system prompt, block 3 of 7, byte ",
        "are paid for again, $",
        "move it to the end of the prompt",
        "- …",
        "It is 2026-11-25T12:00:00Z.",
        "+ …",
        "It is 2026-11-25T12:07:31Z.",
        "1 more:",
        "/messages/0/content/0",
        "history_rewritten",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours outside a terminal");
    let mut coloured = Command::new(env!("CARGO_BIN_EXE_cachewright"));
    coloured
        .args(["explain", &one, &other])
        .env("CLICOLOR_FORCE", "1")
        .env_remove("NO_COLOR");
    let coloured = stdout(&coloured.output().unwrap());
    assert!(coloured.contains("\u{1b}[31m- "), "{coloured}");
    assert!(coloured.contains("\u{1b}[32m+ "), "{coloured}");
}

#[test]
fn requests_beside_each_other_are_told_what_they_share() {
    let dir = tempfile::tempdir().unwrap();
    let before = Ask::new();
    let beside = before.with(|ask| ask.turns = vec!["Another question?".into()]);
    let one = write(dir.path(), "a.json", &before.spelled("messages"));
    let other = write(dir.path(), "b.json", &beside.spelled("messages"));
    let text = stdout(&run(&[&one, &other]));
    assert!(text.contains("two conversations"), "{text}");
    assert!(
        text.contains("once the first of them has begun to answer"),
        "{text}"
    );
}

#[test]
fn bad_input_is_named_with_its_fix() {
    let dir = tempfile::tempdir().unwrap();
    let ask = Ask::new();
    let messages = write(dir.path(), "m.json", &ask.spelled("messages"));
    let chat = write(dir.path(), "c.json", &ask.spelled("chat"));
    let none = write(dir.path(), "n.json", &json!({"prompt": "x"}));
    let broken = dir.path().join("b.json").display().to_string();
    std::fs::write(&broken, "{\"a\":1,\n]").unwrap();
    let absent = dir.path().join("absent.json").display().to_string();
    let cases: [(&[&str], i32, &str); 8] = [
        (
            &[&messages, &chat],
            1,
            "only bodies of one dialect can be compared",
        ),
        (
            &[&messages, &none],
            1,
            "n.json: no dialect shows in this body; name it with --dialect",
        ),
        (
            &[&messages, &broken],
            1,
            "b.json: not JSON: key must be a string at line 2 column 1",
        ),
        (&[&messages, &absent], 1, "absent.json: No such file"),
        (
            &[&messages, &messages, "--state", "x.json"],
            2,
            "--state goes with one body",
        ),
        (&["nothing"], 2, "names no exchange"),
        (
            &[&messages, &messages, "--dialect", "latin"],
            1,
            "no dialect `latin`",
        ),
        (
            &[&messages, &messages, "--ledger", "x.db"],
            2,
            "--ledger goes with the id",
        ),
    ];
    for (args, code, words) in cases {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(
            stderr(&output).contains(words),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(stderr(&output).lines().count(), 1);
    }
    let help = stdout(&run(&["--help"]));
    assert!(help.contains("Examples:") && help.contains("explain A.json B.json"));
}

/// One body alone is planned, and the numbers behind the plan are told.
#[test]
fn one_body_is_planned_with_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("next.json");
    std::fs::write(&path, Ask::new().spelled("messages").to_string()).unwrap();
    let path = path.to_str().unwrap();
    let told = run(&[path, "--json"]);
    assert!(told.status.success(), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let places = told["places"].as_array().unwrap();
    let marked = places.iter().filter(|place| place["marked"] == true);
    assert_eq!(
        u64::try_from(marked.count()).unwrap(),
        told["breakpoints"].as_u64().unwrap()
    );
    for place in places {
        let (chance, from) = (&place["chance"], &place["threshold"]);
        assert!((0.0..=1.0).contains(&chance.as_f64().unwrap()), "{place}");
        assert!((0.2..0.6).contains(&from.as_f64().unwrap()), "{place}");
    }
    assert_eq!(told["follows"], "policy");
    assert_eq!(told["rates"]["hit"], 1.0);
    assert_eq!(told["class"]["class"], "5m");
    assert!(told["variants"].as_array().unwrap().len() > 4);
    let text = String::from_utf8(run(&[path]).stdout).unwrap();
    for word in [
        "breakpoints for",
        "pays from",
        "follows",
        "ping",
        "tools end",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("leap"), "{text}");
    let refused = run(&[path, path, "--state", "x.json"]);
    assert_eq!(refused.status.code(), Some(2));
}
