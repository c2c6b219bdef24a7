//! The list of tools: its order, its repetitions, and how its members are spelled.

use std::collections::BTreeMap;

use super::Code;
use super::ground::Ground;
use crate::model::Section;
use crate::provider::Endpoint;
use serde_json::Value;

/// Fewer tools than this may stand in any order by chance.
const FEW: usize = 3;

pub(super) fn check(ground: &mut Ground<'_>) {
    let tools = list(ground.target.endpoint, ground.json);
    let names: Vec<String> = tools.iter().map(|tool| name(tool)).collect();
    repeated(ground, &tools, &names);
    let named: Vec<&String> = names.iter().filter(|name| !name.is_empty()).collect();
    if named.len() >= FEW && named.len() == names.len() && !named.is_sorted() {
        let spot = ground.at(0, 0);
        ground.find(
            Code::ToolsUnsorted,
            spot,
            format!("{} tools stand in no order of their names", names.len()),
        );
    }
    keys(ground);
}

fn list<'a>(endpoint: &Endpoint, json: &'a Value) -> Vec<&'a Value> {
    let inner = if endpoint.name == "converse" {
        json.get("toolConfig")
    } else {
        Some(json)
    };
    let tools = inner
        .and_then(|inner| inner.get("tools"))
        .and_then(Value::as_array);
    let tools = tools.into_iter().flatten();
    tools
        .filter(|tool| tool.get("cachePoint").is_none())
        .collect()
}

fn name(tool: &Value) -> String {
    let places = ["/name", "/function/name", "/toolSpec/name"];
    let mut names = places
        .into_iter()
        .filter_map(|at| tool.pointer(at)?.as_str());
    names.next().unwrap_or_default().to_owned()
}

/// Tools that stand there twice: the same one, or two of one name.
fn repeated(ground: &mut Ground<'_>, tools: &[&Value], names: &[String]) {
    let mut seen: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (at, (tool, name)) in tools.iter().zip(names).enumerate() {
        if name.is_empty() {
            continue;
        }
        let before = seen.entry(name).or_default();
        let again = before.iter().any(|other| other == tool);
        let (code, message) = match (again, before.is_empty()) {
            (_, true) => (None, ""),
            (true, false) => (Some(Code::ToolsRepeated), "this tool was there already"),
            (false, false) => (Some(Code::ToolsClash), "another tool has this name"),
        };
        before.push(tool);
        let Some(code) = code else { continue };
        let tokens = ground.up_to(at) - ground.before(at);
        let spot = ground.at(at, 0);
        ground.find_costly(code, spot, message, tokens);
    }
}

/// Definitions made by one program spell their keys in one order, unless it iterates over maps.
fn keys(ground: &mut Ground<'_>) {
    let end = ground.prompt().end_of(Section::Tools);
    let mut before: BTreeMap<(String, String), bool> = BTreeMap::new();
    for at in 0..end {
        let Some(block) = ground.prompt().blocks.get(at) else {
            continue;
        };
        let keys = top_keys(block.span.of(ground.body()));
        let mut clash = false;
        for (index, one) in keys.iter().enumerate() {
            for other in keys.iter().skip(index + 1) {
                let forward = one < other;
                let pair = if forward { (one, other) } else { (other, one) };
                let pair = (pair.0.clone(), pair.1.clone());
                clash |= *before.entry(pair).or_insert(forward) != forward;
            }
        }
        if clash {
            let spot = ground.at(at, 0);
            let message = "this tool spells its keys in another order than those before it";
            ground.find(Code::ToolKeys, spot, message);
            return;
        }
    }
}

/// The keys of an object in the order in which they are spelled.
fn top_keys(object: &[u8]) -> Vec<String> {
    let mut keys = Vec::new();
    let (mut depth, mut at, mut start) = (0_i32, 0, None);
    let mut key = false;
    while let Some(byte) = object.get(at) {
        match (byte, start) {
            (b'\\', Some(_)) => at += 1,
            (b'"', None) => start = Some(at + 1),
            (b'"', Some(from)) => {
                if depth == 1 && key {
                    let text = object.get(from..at).unwrap_or_default();
                    keys.push(String::from_utf8_lossy(text).into_owned());
                }
                start = None;
            }
            (b'{' | b'[', None) => {
                depth += 1;
                key = depth == 1;
            }
            (b'}' | b']', None) => depth -= 1,
            (b',', None) if depth == 1 => key = true,
            (b':', None) if depth == 1 => key = false,
            _ => {}
        }
        at += 1;
    }
    keys
}
