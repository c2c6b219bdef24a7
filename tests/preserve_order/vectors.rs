//! Requests and what becomes of them, spelled out: must not depend on features of `serde_json`.

use cachewright::canon::{History, Rule, Rules, canonicalize};

use super::body::{prompt_of, splice};

const BODIES: &[&str] = &[
    r#"{"model":"m","tools":[{"name":"b","input_schema":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"number","default":1.0}}}},{"input_schema":{"type":"object"},"name":"a","description":"\u00e9"}],"messages":[]}"#,
    r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"z":{"y":1e400,"x":-0},"b":[{"d":1,"c":2}],"a":"\/"}}]}],"zz":1,"aa":2}"#,
    r#"{"tools":[{"type":"web_search_20250305","name":"web_search","user_location":{"type":"approximate","city":"x"}},{"name":"a","cache_control":{"ttl":"5m","type":"ephemeral"}}],"messages":[]}"#,
];

/// Every body under every rule alone and under all of them, one line each.
pub(crate) fn spell() -> String {
    let mut sets = vec![Rules::NONE, Rules::SPELLING];
    sets.extend(Rule::ALL.map(|rule| Rules::NONE.with(rule)));
    let mut out = String::new();
    for body in BODIES {
        for rules in &sets {
            let prompt = prompt_of(body);
            let history = History::FromFirstTurn;
            let reshaped = canonicalize(body.as_bytes(), &prompt, *rules, history);
            let sent = splice(body, &reshaped.replacements);
            out.push_str(&format!("{rules:?} {sent} {:?}\n", reshaped.changes));
        }
    }
    out
}
