//! A coding agent's session: tools, growing results, parallel calls, a break, a rewind.

use std::time::Duration;

use serde_json::{Value, json};

use super::prose::Prose;
use super::scenario::{Call, Round, Scenario, message, text};
use crate::model::Timestamp;

const TURNS: u64 = 26;

/// The turn before which the user goes back, and how many turns.
const REWIND: (u64, usize) = (16, 3);

/// The turn before which the user is away for longer than an entry lives.
const BREAK: u64 = 10;

/// One session of some twenty-five turns.
pub(super) fn session() -> Scenario {
    let mut prose = Prose::seeded(1);
    let mut call = Call {
        tools: tools(&mut prose),
        system: prose.text(2_500),
        messages: vec![message("user", &[text(prose.text(300))])],
    };
    let mut at = Timestamp::default();
    let mut rounds = Vec::new();
    for turn in 1..=TURNS {
        at = at.plus(Duration::from_secs(match turn {
            BREAK => 420,
            _ => 8 + prose.below(40),
        }));
        if turn == REWIND.0 {
            let kept = call.messages.len().saturating_sub(2 * REWIND.1);
            call.messages.truncate(kept);
            // What the tools last answered stays, and the user adds a word to it.
            let instead = text(format!("No, try it another way. {}", prose.text(80)));
            let last = call.messages.last_mut();
            let content = last.and_then(|last| last.get_mut("content")?.as_array_mut());
            content
                .into_iter()
                .for_each(|content| content.push(instead.clone()));
        }
        rounds.push(Round {
            at,
            answered: Duration::from_secs(5),
            calls: vec![call.clone()],
        });
        call.messages.extend(step(&mut prose, turn));
    }
    Scenario {
        name: "coding agent, 26 turns",
        rounds,
    }
}

/// What the model asked for, and what the tools answered.
fn step(prose: &mut Prose, turn: u64) -> [Value; 2] {
    // Every fourth turn reads three files at once; results grow as the work gets on.
    let parallel = if turn.is_multiple_of(4) { 3 } else { 1 };
    let mut asked = vec![text(prose.text(60))];
    let mut answered = Vec::new();
    for number in 0..parallel {
        let id = format!("toolu_{turn:02}{number}");
        let path = format!("src/part_{}.rs", prose.below(40));
        asked.push(json!({
            "type": "tool_use", "id": id, "name": "read_file", "input": {"path": path},
        }));
        let tokens = 200 + turn * 60 + prose.below(900);
        answered.push(json!({
            "type": "tool_result", "tool_use_id": id, "content": prose.text(tokens),
        }));
    }
    [message("assistant", &asked), message("user", &answered)]
}

/// A dozen tools, as agents have them.
pub(super) fn tools(prose: &mut Prose) -> Vec<Value> {
    const NAMES: [&str; 12] = [
        "read_file",
        "write_file",
        "edit_file",
        "list_files",
        "search",
        "run",
        "run_tests",
        "diff",
        "commit",
        "fetch",
        "plan",
        "ask",
    ];
    let tool = |name: &&str| {
        json!({
            "name": name,
            "description": prose.text(220),
            "input_schema": {
                "type": "object",
                "properties": {"path": {"type": "string", "description": prose.text(30)}},
                "required": ["path"],
            },
        })
    };
    NAMES.iter().map(tool).collect()
}
