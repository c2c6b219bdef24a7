//! The `reshape` rules: what each does, what none may do, and how they fare on real schemas.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise and must say what it skips"
)]

use std::fs;
use std::path::PathBuf;

use cachewright::canon::{History, Reshaped, Rule, Rules, canonicalize};
use cachewright::model::Change;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::Value;

use crate::support::body::{prompt_of, splice};

fn reshape(body: &str, rules: Rules) -> (String, Reshaped) {
    let reshaped = canonicalize(
        body.as_bytes(),
        &prompt_of(body),
        rules,
        History::FromFirstTurn,
    );
    (splice(body, &reshaped.replacements), reshaped)
}

fn only(rule: Rule) -> Rules {
    Rules::NONE.with(rule)
}

/// A request with these tools, spelled as given, and one message.
fn with_tools(tools: &str) -> String {
    format!(
        r#"{{"model": "m", "tools": [{tools}], "messages":[{{"role":"user","content":"hi"}}]}}"#
    )
}

/// A request whose history holds one tool call with this input.
fn with_input(input: &str) -> String {
    format!(
        r#"{{"messages":[{{"role":"user","content":"hi"}},{{"role":"assistant","content":[{{"type":"text","text":"ok"}},{{"type": "tool_use","id":"t","name":"n","input" : {input} }}]}}]}}"#
    )
}

fn said(changes: &[Change]) -> Vec<(&str, &str)> {
    let mut pairs = Vec::new();
    for change in changes {
        pairs.push((change.pointer.as_str(), change.what.as_str()));
    }
    pairs
}

#[test]
fn each_rule_does_its_part() {
    let sent =
        with_tools(r#" {"name":"b", "x":1} , {"description":"d","name":"a"}, {"name":"b","x":1}"#);
    let cases = [
        (
            only(Rule::ToolOrder),
            r#" {"description":"d","name":"a"} , {"name":"b", "x":1}, {"name":"b","x":1}"#,
            vec![("/tools", "sorted by name")],
        ),
        (
            only(Rule::ToolDuplicates),
            r#" {"name":"b", "x":1} , {"description":"d","name":"a"}"#,
            vec![("/tools", "1 repeated tools dropped")],
        ),
        (
            only(Rule::ToolKeys),
            r#"{"name":"b","x":1},{"name":"a","description":"d"},{"name":"b","x":1}"#,
            vec![
                ("/tools/0", "whitespace removed"),
                ("/tools/1", "keys sorted"),
            ],
        ),
        (
            only(Rule::Whitespace),
            r#"{"name":"b","x":1},{"description":"d","name":"a"},{"name":"b","x":1}"#,
            vec![("/tools/0", "whitespace removed")],
        ),
        (
            Rules::SPELLING,
            r#"{"name":"a","description":"d"},{"name":"b","x":1}"#,
            vec![
                ("/tools", "1 repeated tools dropped"),
                ("/tools", "sorted by name"),
                ("/tools/0", "keys sorted"),
                ("/tools/1", "whitespace removed"),
            ],
        ),
        (
            Rules::SPELLING
                .without(Rule::ToolKeys)
                .without(Rule::ToolOrder),
            r#"{"name":"b","x":1},{"description":"d","name":"a"}"#,
            vec![
                ("/tools", "1 repeated tools dropped"),
                ("/tools/0", "whitespace removed"),
            ],
        ),
    ];
    for (rules, expected, changes) in cases {
        let (sent, reshaped) = reshape(&sent, rules);
        assert_eq!(sent, with_tools(expected), "{rules:?}");
        assert_eq!(said(&reshaped.changes), changes, "{rules:?}");
        assert_eq!(reshaped.notes, [], "{rules:?}");
    }
    assert_eq!(reshape(&sent, Rules::NONE).1, Reshaped::default());
    assert_eq!(reshape(&sent, only(Rule::InputKeys)).1, Reshaped::default());
}

#[test]
fn inputs_are_spelled_by_their_own_rules() {
    let sent = with_input(r#"{"b": {"d":1.0,"c":[2, 1]}, "a":"\u00e9"}"#);
    let (sorted, reshaped) = reshape(&sent, only(Rule::InputKeys));
    assert_eq!(
        sorted,
        with_input(r#"{"a":"\u00e9","b":{"c":[2,1],"d":1.0}}"#)
    );
    let at = "/messages/1/content/1/input";
    assert_eq!(said(&reshaped.changes), [(at, "keys sorted")]);
    let (compact, reshaped) = reshape(&sent, only(Rule::Whitespace));
    assert_eq!(
        compact,
        with_input(r#"{"b":{"d":1.0,"c":[2,1]},"a":"\u00e9"}"#)
    );
    assert_eq!(said(&reshaped.changes), [(at, "whitespace removed")]);
    assert_eq!(reshape(&sent, only(Rule::ToolKeys)).0, sent);
}

#[test]
fn only_the_input_of_calls_changes() {
    let body = r#"{"messages":[{"role":"assistant","content":[
        {"type":"text","text":"x", "input":{"b": 1,"a":2}},
        {"type":"tool_result","input":{"b": 1,"a":2},"content":[{"type":"tool_use","input":{"b": 1}}]},
        {"name":"n", "type":"tool_use","caller":{"input": {"b":1, "a":2}}, "id":"t"}
    ]}], "input":{"b": 1,"a":2}}"#;
    assert_eq!(reshape(body, Rules::SPELLING).1, Reshaped::default());
}

#[test]
fn an_order_that_carries_meaning_is_kept() {
    let cases = [
        (
            r#"{"name":"b"},{"name":"a","cache_control":{"type":"ephemeral"}}"#,
            "order kept: a marker of the caller closes a set of tools",
        ),
        (
            r#"{"name":"b","defer_loading":true},{"name":"a"}"#,
            "order kept: a tool is deferred",
        ),
        (
            r#"{"name":"b"},{"mcp_server_name":"s","type":"mcp_toolset"}"#,
            "order kept: a tool has no name",
        ),
        (
            r#"{"name":"b"},{"name":"a","type":"tool_search_tool_regex_20251119"}"#,
            "order kept: a tool may depend on its neighbours",
        ),
        (
            r#"{"name":"b"},{"name":"a","x":1},{"name":"a","x":2}"#,
            "order kept: different tools share a name",
        ),
    ];
    for (tools, why) in cases {
        let (sent, reshaped) = reshape(&with_tools(tools), Rules::SPELLING.without(Rule::ToolKeys));
        assert_eq!(sent, with_tools(tools));
        assert_eq!(said(&reshaped.notes), [("/tools", why)]);
    }
    let free = r#"{"name":"b","type":"custom"},{"name":"a","type":"web_search_20250305"}"#;
    assert_ne!(
        reshape(&with_tools(free), Rules::SPELLING).0,
        with_tools(free)
    );
}

#[test]
fn a_marker_closes_the_same_tools_as_before() {
    let tools = r#"{"name":"c"},{"cache_control":{"type":"ephemeral"}, "name":"b"},{"name":"a"},{"name":"a"}"#;
    let (sent, reshaped) = reshape(&with_tools(tools), Rules::SPELLING);
    let expected = r#"{"name":"c"},{"name":"b","cache_control":{"type":"ephemeral"}},{"name":"a"},{"name":"a"}"#;
    assert_eq!(sent, with_tools(expected));
    assert_eq!(said(&reshaped.changes), [("/tools/1", "keys sorted")]);
}

#[test]
fn a_key_that_stands_twice_leaves_its_value_alone() {
    let tools = r#"{"x": {"a":1, "\u0061":2}, "name":"b"},{"name":"a"}"#;
    let (sent, reshaped) = reshape(&with_tools(tools), Rules::SPELLING);
    assert_eq!(sent, with_tools(tools));
    let twice = "left alone: a key stands twice in one object";
    let order = "order kept: a tool cannot be read without a guess";
    assert!(said(&reshaped.notes).contains(&("/tools/0", twice)));
    assert!(
        reshape(
            &with_tools(r#"{"name":"b","name":"c"},{"name":"a"}"#),
            Rules::SPELLING
        )
        .1
        .changes
        .is_empty()
    );
    assert!(
        said(&reshaped.notes)
            .iter()
            .all(|(_, what)| [twice, order].contains(what))
    );

    let input = with_input(r#"{"b": 1, "a": {"c":1, "c":2}}"#);
    let (sent, reshaped) = reshape(&input, Rules::SPELLING);
    assert_eq!(sent, input);
    assert_eq!(
        said(&reshaped.notes),
        [("/messages/1/content/1/input", twice)]
    );
}

#[test]
fn signed_thinking_needs_a_known_history() {
    let body = r#"{"tools":[{"name":"b"}, {"name":"a"}],"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"}]}]}"#;
    let prompt = prompt_of(body);
    let unknown = canonicalize(body.as_bytes(), &prompt, Rules::SPELLING, History::Unknown);
    assert_eq!(unknown.replacements, []);
    assert_eq!(unknown.notes.len(), 1);
    assert!(!reshape(body, Rules::SPELLING).1.replacements.is_empty());
    let unsigned = body.replace("thinking\",", "text\",");
    let unsigned_prompt = prompt_of(&unsigned);
    let free = canonicalize(
        unsigned.as_bytes(),
        &unsigned_prompt,
        Rules::SPELLING,
        History::Unknown,
    );
    assert!(!free.replacements.is_empty());
}

#[test]
fn spans_that_do_not_fit_change_nothing() {
    let body = with_tools(r#"{"name":"b"},{"name":"a"}"#);
    let prompt = prompt_of(&body);
    for cut in 0..body.len() {
        let short = body.as_bytes().get(..cut).unwrap();
        let reshaped = canonicalize(short, &prompt, Rules::SPELLING, History::FromFirstTurn);
        let fits = prompt
            .blocks
            .iter()
            .all(|block| block.span.end as usize <= cut);
        assert!(fits || reshaped.replacements.is_empty(), "{cut}");
    }
}

/// A JSON value as a test draws it; members of objects have distinct keys.
#[derive(Clone, Debug)]
enum Json {
    Scalar(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

fn json() -> impl Strategy<Value = Json> {
    let scalars = [
        "1.0",
        "1e400",
        "-0",
        "\"\\u00e9\"",
        "\"é \\\\\\\"\"",
        "\" , {\"",
        "null",
        "true",
        "\"\"",
    ];
    let scalar = proptest::sample::select(scalars.to_vec());
    let scalar = scalar.prop_map(|text| Json::Scalar(text.to_owned()));
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            object(inner.boxed()),
        ]
    })
}

fn object(value: BoxedStrategy<Json>) -> impl Strategy<Value = Json> {
    let keys = [
        "type",
        "properties",
        "a",
        "b",
        "\\u0061\\u0062",
        "é",
        "\u{ff61}",
        "\\ud83d\\ude00",
        "\\\"",
        "",
    ];
    (
        subsequence(keys.to_vec(), 0..5),
        proptest::collection::vec(value, 5),
    )
        .prop_map(|(keys, values)| {
            let keys = keys.into_iter().map(str::to_owned);
            Json::Object(keys.zip(values).collect())
        })
}

/// How a value happens to be spelled: draws decide order and whitespace.
struct Spelling {
    draws: Vec<u8>,
    at: usize,
}

impl Spelling {
    fn draw(&mut self) -> usize {
        self.at += 1;
        usize::from(*self.draws.get(self.at % self.draws.len()).unwrap())
    }

    fn space(&mut self, out: &mut String) {
        let spaces = ["", "", " ", "\n\t", "\r "];
        out.push_str(spaces.get(self.draw() % spaces.len()).unwrap());
    }

    fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut rest = items.to_vec();
        let mut out = Vec::new();
        while !rest.is_empty() {
            out.push(rest.remove(self.draw() % rest.len()));
        }
        out
    }

    fn write(&mut self, value: &Json, out: &mut String) {
        match value {
            Json::Scalar(text) => out.push_str(text),
            Json::Array(items) => self.list(items, ['[', ']'], out, Self::write),
            Json::Object(members) => {
                let members = self.shuffled(members);
                self.list(&members, ['{', '}'], out, |this, (key, value), out| {
                    out.push_str(&format!("\"{key}\""));
                    this.space(out);
                    out.push(':');
                    this.space(out);
                    this.write(value, out);
                });
            }
        }
    }

    fn list<T>(
        &mut self,
        items: &[T],
        ends: [char; 2],
        out: &mut String,
        one: fn(&mut Self, &T, &mut String),
    ) {
        let [open, close] = ends;
        out.push(open);
        self.space(out);
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                out.push(',');
                self.space(out);
            }
            one(self, item, out);
            self.space(out);
        }
        out.push(close);
    }

    /// A request with these schemas as tools, shuffled, and these inputs as calls, in order.
    fn request(&mut self, tools: &[Json], inputs: &[Json]) -> String {
        let mut out = String::from("{ \"model\": \"m\", \"tools\": ");
        let tools = self.shuffled(tools);
        self.write(&Json::Array(tools), &mut out);
        out.push_str(" ,\"messages\":[{\"role\":\"assistant\",\"content\":[");
        for (at, input) in inputs.iter().enumerate() {
            if at > 0 {
                out.push_str(", ");
            }
            out.push_str("{\"type\":\"tool_use\", \"input\":");
            self.write(input, &mut out);
            out.push_str(" }");
        }
        out.push_str("]}] }\n");
        out
    }
}

fn tools() -> impl Strategy<Value = Vec<Json>> {
    let names = ["\"a\"", "\"b\"", "\"c\\u0041\"", "\"é\""];
    let schemas = proptest::collection::vec(object(json().boxed()), 5);
    let repeats = proptest::collection::vec(0_usize..5, 0..3);
    (subsequence(names.to_vec(), 1..=4), schemas, repeats).prop_map(|(names, schemas, repeats)| {
        let mut tools: Vec<Json> = names.into_iter().zip(schemas).map(tool).collect();
        let again: Vec<Json> = repeats
            .iter()
            .filter_map(|at| tools.get(*at).cloned())
            .collect();
        tools.extend(again);
        tools
    })
}

fn tool((name, schema): (&str, Json)) -> Json {
    let member = |key: &str, value| (key.to_owned(), value);
    Json::Object(vec![
        member("name", Json::Scalar(name.to_owned())),
        member("description", Json::Scalar("\"what it does\"".to_owned())),
        member("input_schema", schema),
        member("strict", Json::Scalar("true".to_owned())),
    ])
}

fn spelling() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..64)
}

fn rules() -> impl Strategy<Value = Rules> {
    subsequence(Rule::ALL.to_vec(), 0..=9).prop_map(|rules| rules.into_iter().collect())
}

/// A `Value` cannot hold `1e400`; the bytes of scalars are compared elsewhere.
fn value(text: &str) -> Value {
    serde_json::from_str(&text.replace("1e400", "1e40")).unwrap()
}

/// Tools as a set: sorted by an order of their own, without repetitions.
fn tool_set(request: &Value) -> Vec<String> {
    let tools = request.get("tools").and_then(Value::as_array).unwrap();
    let mut tools: Vec<String> = tools.iter().map(sorted).collect();
    tools.sort();
    tools.dedup();
    tools
}

/// A text that does not depend on the order of keys, whatever `serde_json` was built with.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().map(|(k, v)| (k, sorted(v))).collect();
            members.sort();
            format!("{members:?}")
        }
        Value::Array(items) => format!("{:?}", items.iter().map(sorted).collect::<Vec<_>>()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

proptest! {
    #[test]
    fn spelling_does_not_matter(tools in tools(), inputs in proptest::collection::vec(json(), 0..3), one in spelling(), other in spelling()) {
        let one = Spelling { draws: one, at: 0 }.request(&tools, &inputs);
        let other = Spelling { draws: other, at: 0 }.request(&tools, &inputs);
        let (one, other) = (reshape(&one, Rules::SPELLING).0, reshape(&other, Rules::SPELLING).0);
        // What stands around inputs is the message's own spelling.
        prop_assert_eq!(one, other);
    }

    #[test]
    fn meaning_stays_and_twice_is_once(tools in tools(), inputs in proptest::collection::vec(json(), 0..3), draws in spelling(), rules in rules()) {
        let sent = Spelling { draws, at: 0 }.request(&tools, &inputs);
        let (once, reshaped) = reshape(&sent, rules);
        prop_assert_eq!(reshape(&sent, rules), (once.clone(), reshaped.clone()));
        let (twice, again) = reshape(&once, rules);
        prop_assert_eq!(&twice, &once);
        prop_assert!(again.changes.is_empty() && again.replacements.is_empty());
        prop_assert_eq!(reshaped.changes.is_empty(), reshaped.replacements.is_empty());

        let (before, after) = (value(&sent), value(&once));
        prop_assert_eq!(tool_set(&before), tool_set(&after));
        prop_assert_eq!(before.get("messages"), after.get("messages"));
        prop_assert_eq!(before.get("model"), after.get("model"));
        prop_assert_eq!(once.matches("1e400").count() <= sent.matches("1e400").count(), true);
    }

    #[test]
    fn outside_tools_and_inputs_nothing_moves(tools in tools(), inputs in proptest::collection::vec(json(), 0..3), draws in spelling()) {
        let sent = Spelling { draws, at: 0 }.request(&tools, &inputs);
        let reshaped = reshape(&sent, Rules::SPELLING).1;
        let mut end = 0;
        for (span, with) in &reshaped.replacements {
            prop_assert!(span.start >= end);
            end = span.end;
            let before = sent.get(..span.start as usize).unwrap().trim_end();
            prop_assert!(before.ends_with("\"tools\": [") || before.ends_with("\"input\":"));
            prop_assert_ne!(span.of(sent.as_bytes()), with.as_slice());
        }
    }
}

#[test]
fn real_schemas_keep_their_meaning() {
    let Some(dir) = schemas() else { return };
    let mut seen = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        for tools in tool_lists(&serde_json::from_str(&text).unwrap()) {
            seen += tools.len();
            check_real(&tools);
        }
    }
    assert!(seen > 500, "{seen} tools");
}

/// One list of real tools, sent as it is and reversed.
fn check_real(tools: &[Value]) {
    let join = |tools: &mut dyn Iterator<Item = &Value>| {
        with_tools(&tools.map(Value::to_string).collect::<Vec<_>>().join(", "))
    };
    let forth = join(&mut tools.iter());
    let back = join(&mut tools.iter().rev());
    let (one, reshaped) = reshape(&forth, Rules::SPELLING);
    assert_eq!(reshaped.notes, []);
    assert_eq!(one, reshape(&back, Rules::SPELLING).0);
    assert_eq!(reshape(&one, Rules::SPELLING).0, one);
    assert_eq!(tool_set(&value(&forth)), tool_set(&value(&one)));
    let after = value(&one);
    let after = after.get("tools").and_then(Value::as_array).unwrap();
    assert_eq!(after.len(), tools.len(), "real tools do not repeat");
    let name = |tool: &Value| tool.get("name").unwrap().as_str().unwrap().to_owned();
    assert!(after.iter().map(name).is_sorted());
}

/// The lists of tools in one file: a bare list, or several by name; of either dialect.
fn tool_lists(file: &Value) -> Vec<Vec<Value>> {
    let list = |tools: &Vec<Value>| tools.iter().map(anthropic).collect();
    match file {
        Value::Array(tools) => vec![list(tools)],
        Value::Object(sets) => sets
            .values()
            .filter_map(Value::as_array)
            .map(list)
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn anthropic(tool: &Value) -> Value {
    tool.get("function").map_or_else(
        || tool.clone(),
        |function| {
            serde_json::json!({
                "input_schema": function.get("parameters"),
                "description": function.get("description"),
                "name": function.get("name"),
            })
        },
    )
}

/// The shared schemas, where they are at hand.
fn schemas() -> Option<PathBuf> {
    let root = std::env::var_os("CACHEWRIGHT_WORKLOADS")
        .map_or_else(|| PathBuf::from("../shared/workloads"), PathBuf::from);
    let dir = root.join("tool_schemas");
    if dir.is_dir() {
        return Some(dir);
    }
    let required = std::env::var_os("CACHEWRIGHT_REQUIRE_ALL").is_some_and(|on| on == "1");
    assert!(
        !required,
        "real tool schemas are required but missing: {}",
        dir.display()
    );
    eprintln!("skipped: real tool schemas are missing: {}", dir.display());
    None
}
