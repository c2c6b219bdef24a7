//! The Messages dialect against bodies of every spelling: edits lose nothing, memory changes nothing.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::model::{Breakpoint, Form, Keyring, Plan, Section, Skip, Ttl, Why};
use cachewright::wire::{Dialect, Messages, Reading, Remembered, splice};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// How a generated body spells things.
pub(crate) type Text = BoxedStrategy<String>;

fn space() -> Text {
    prop_oneof![6 => Just(""), 1 => Just(" "), 1 => Just("\n  "), 1 => Just("\t\r\n")]
        .prop_map(str::to_owned)
        .boxed()
}

pub(crate) fn literal() -> Text {
    let pieces = select(vec![
        "",
        "a",
        "word ",
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\u{e9}",
        "\u{1f600}",
        " ",
        "{\\\"messages\\\":[",
        "]}",
        "a longer piece of text, longer than the words that are looked at first",
    ]);
    prop::collection::vec(pieces, 0..5)
        .prop_map(|pieces| format!("\"{}\"", pieces.concat()))
        .boxed()
}

pub(crate) fn object(members: Vec<String>) -> Text {
    let spaces = prop::collection::vec(space(), members.len() + 1);
    (spaces, Just(members))
        .prop_map(|(spaces, members)| {
            let mut out = format!("{{{}", spaces[0]);
            for (at, member) in members.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                out += &format!("{comma}{}{member}{}", spaces[at], spaces[at + 1]);
            }
            out + "}"
        })
        .boxed()
}

pub(crate) fn junk() -> Text {
    let leaf = prop_oneof![
        literal(),
        select(vec![
            "0",
            "-1",
            "1.0",
            "1e3",
            "12345678901234567890123",
            "true",
            "null",
            "{}",
            "[]"
        ])
        .prop_map(str::to_owned),
        Just("1e400".to_owned()),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3)
            .prop_map(|all| format!("[{}]", all.join(" ,")));
        let members = prop::collection::vec(inner, 0..3).prop_flat_map(|all| {
            let named = all
                .iter()
                .enumerate()
                .map(|(at, value)| format!("\"k{at}\": {value}"));
            object(named.collect())
        });
        prop_oneof![list, members]
    })
    .boxed()
}

/// A block's members in any order, with or without the caller's own marker.
fn block() -> Text {
    let text = literal()
        .prop_map(|text| vec!["\"type\":\"text\"".to_owned(), format!("\"text\" :{text}")]);
    let tool_use = junk().prop_map(|input| {
        vec![
            "\"type\":\"tool_use\"".to_owned(),
            "\"id\":\"t\"".to_owned(),
            format!("\"input\":{input}"),
        ]
    });
    let result = prop_oneof![
        literal(),
        junk(),
        Just(r#"[{"type":"image","source":{"type":"base64","data":"AAAA"}}]"#.to_owned())
    ]
    .prop_map(|content| {
        vec![
            "\"type\": \"tool_result\"".to_owned(),
            format!("\"content\":{content}"),
        ]
    });
    let thinking = literal().prop_map(|sig| {
        vec![
            "\"type\":\"thinking\"".to_owned(),
            format!("\"signature\":{sig}"),
        ]
    });
    let other =
        junk().prop_map(|value| vec!["\"type\":\"novelty\"".to_owned(), format!("\"x\":{value}")]);
    let members = prop_oneof![4 => text, 2 => tool_use, 2 => result, 1 => thinking, 1 => other];
    let marker = select(vec![
        "",
        "",
        "",
        "",
        "\"cache_control\":{\"type\":\"ephemeral\"}",
        "\"cache_control\": {\"type\":\"ephemeral\",\"ttl\":\"1h\"}",
    ]);
    (members, marker)
        .prop_flat_map(|(mut members, marker)| {
            if !marker.is_empty() {
                members.push(marker.to_owned());
            }
            Just(members).prop_shuffle().prop_flat_map(object)
        })
        .boxed()
}

fn message() -> Text {
    let blocks =
        prop::collection::vec(block(), 0..4).prop_map(|all| format!("[{}]", all.join(", ")));
    let content = prop_oneof![1 => literal(), 3 => blocks];
    let extra = select(vec![
        "",
        "",
        "",
        "\"clear_at\":\"next_user_message\"",
        "\"x\":1",
    ]);
    (content, select(vec!["user", "assistant", "system"]), extra)
        .prop_flat_map(|(content, role, extra)| {
            let mut members = vec![
                format!("\"role\":\"{role}\""),
                format!("\"content\":{content}"),
            ];
            members.extend((!extra.is_empty()).then(|| extra.to_owned()));
            Just(members).prop_shuffle().prop_flat_map(object)
        })
        .boxed()
}

/// The parts of a body, so that a later body of the same conversation can change some of them.
#[derive(Clone, Debug)]
struct Parts {
    members: Vec<String>,
    messages: Vec<String>,
    at: usize,
}

impl Parts {
    fn spell(&self) -> String {
        let mut members = self.members.clone();
        let messages = format!("\"messages\":[{}]", self.messages.join(","));
        members.insert(self.at.min(members.len()), messages);
        format!("{{{}}}", members.join(" ,"))
    }
}

fn parts() -> BoxedStrategy<Parts> {
    let system = prop_oneof![
        literal(),
        prop::collection::vec(block(), 0..3).prop_map(|all| format!("[{}]", all.join(",")))
    ];
    let tool = (literal(), junk()).prop_flat_map(|(name, schema)| {
        object(vec![
            format!("\"name\":{name}"),
            format!("\"input_schema\":{schema}"),
        ])
    });
    let tools = prop::collection::vec(tool, 0..3).prop_map(|all| format!("[{}]", all.join(",")));
    let params = prop::sample::subsequence(
        vec![
            "\"model\":\"claude\"",
            "\"stream\" : true",
            "\"max_tokens\":1024",
            "\"temperature\":1.0",
            "\"thinking\":{\"type\":\"enabled\"}",
            "\"cache_control\":{\"type\":\"ephemeral\"}",
            "\"speed\":\"fast\"",
        ],
        0..=7,
    );
    (
        system,
        tools,
        params,
        prop::collection::vec(message(), 0..6),
        any::<usize>(),
    )
        .prop_flat_map(|(system, tools, params, messages, at)| {
            let mut members: Vec<String> = params.into_iter().map(str::to_owned).collect();
            members.push(format!("\"system\": {system}"));
            members.push(format!("\"tools\":{tools}"));
            let at = at % (members.len() + 1);
            (Just(members).prop_shuffle(), Just(messages), Just(at))
        })
        .prop_map(|(members, messages, at)| Parts {
            members,
            messages,
            at,
        })
        .boxed()
}

/// One thing a client does between two turns, and damage no client would do.
#[derive(Clone, Debug)]
enum Change {
    Append(Vec<String>),
    Truncate(usize),
    Replace(usize, String),
    Member(usize, String),
    Drop(usize),
    Move(usize),
    Byte(usize, u8),
    Insert(usize, String),
    Cut(usize, usize),
}

fn change() -> BoxedStrategy<Change> {
    let anywhere = any::<usize>;
    prop_oneof![
        6 => prop::collection::vec(message(), 1..3).prop_map(Change::Append),
        1 => anywhere().prop_map(Change::Truncate),
        2 => (anywhere(), message()).prop_map(|(at, with)| Change::Replace(at, with)),
        1 => (anywhere(), junk()).prop_map(|(at, value)| Change::Member(at, format!("\"new\":{value}"))),
        1 => anywhere().prop_map(Change::Drop),
        1 => anywhere().prop_map(Change::Move),
        2 => (anywhere(), select(b"\"\\{}[],:1a \xff\x01".to_vec())).prop_map(|(at, byte)| Change::Byte(at, byte)),
        2 => (anywhere(), select(vec!["1", ",", "\"", " ", "{}", "\"x\":1,", "]", "\u{e9}"]))
            .prop_map(|(at, with)| Change::Insert(at, with.to_owned())),
        1 => (anywhere(), 1_usize..30).prop_map(|(at, length)| Change::Cut(at, length)),
    ]
    .boxed()
}

fn later(parts: &mut Parts, bytes: &mut Vec<u8>, change: Change) {
    let within = |at: usize, length: usize| at % length.max(1);
    match change {
        Change::Append(more) => parts.messages.extend(more),
        Change::Truncate(at) => parts.messages.truncate(within(at, parts.messages.len())),
        Change::Replace(at, with) => {
            let at = within(at, parts.messages.len());
            if let Some(place) = parts.messages.get_mut(at) {
                *place = with;
            }
        }
        Change::Member(at, with) => {
            let at = within(at, parts.members.len());
            parts.members.insert(at.min(parts.members.len()), with);
        }
        Change::Drop(at) => {
            let at = within(at, parts.members.len());
            parts.members.drain(at..(at + 1).min(parts.members.len()));
        }
        Change::Move(at) => parts.at = within(at, parts.members.len() + 1),
        Change::Byte(at, byte) => {
            let at = within(at, bytes.len());
            bytes[at] = byte;
            return;
        }
        Change::Insert(at, with) => {
            let at = within(at, bytes.len());
            bytes.splice(at..at, with.bytes());
            return;
        }
        Change::Cut(at, count) => {
            let at = within(at, bytes.len());
            bytes.drain(at..(at + count).min(bytes.len()));
            return;
        }
    }
    *bytes = parts.spell().into_bytes();
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new(b"a test's secret")
}

fn read(body: &Bytes, earlier: &[Arc<Remembered>]) -> Result<Reading, Skip> {
    Messages.read(body, &keyring(), &mut |_| earlier.to_vec())
}

/// Everything a reading says apart from where it came from, its private tables included.
pub(crate) fn spelled(reading: &Result<Reading, Skip>) -> String {
    match reading {
        Ok(reading) => {
            let mut reading = reading.clone();
            reading.earlier = None;
            format!("{reading:#?}")
        }
        Err(why) => format!("{why:?}"),
    }
}

/// The value with bare texts of marked blocks wrapped, as the provider reads them.
fn wrap(value: &mut Value, pointer: &str) {
    let holder = pointer.rsplit_once('/').unwrap().0;
    let holder = value.pointer_mut(holder).unwrap();
    if holder.is_string() {
        *holder = json!([{"type": "text", "text": holder.take()}]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// The most important property of the room: memory is speed and nothing else.
    #[test]
    fn reading_on_is_reading_anew(
        start in parts(),
        changes in prop::collection::vec(change(), 1..6),
        candidates in 1_usize..4,
    ) {
        let mut parts = start;
        let mut bytes = parts.spell().into_bytes();
        let mut earlier: Vec<Arc<Remembered>> = Vec::new();
        let first = Bytes::from(bytes.clone());
        let reading = read(&first, &[]);
        prop_assert!(reading.is_ok(), "{:?} {}", reading, String::from_utf8_lossy(&first));
        earlier.insert(0, Arc::new(Remembered::new(first, reading.unwrap())));
        for change in changes {
            later(&mut parts, &mut bytes, change);
            let body = Bytes::from(bytes.clone());
            let cold = read(&body, &[]);
            let warm = read(&body, earlier.get(..candidates).unwrap_or(&earlier));
            prop_assert_eq!(spelled(&warm), spelled(&cold), "{}", String::from_utf8_lossy(&body));
            match warm {
                Ok(reading) => earlier.insert(0, Arc::new(Remembered::new(body, reading))),
                Err(_) => bytes = parts.spell().into_bytes(),
            }
        }
    }

    /// Any set of blocks can be marked, and nothing else changes: neither bytes nor meaning.
    #[test]
    fn marks_add_markers_and_nothing_else(start in parts(), chosen in any::<u64>(), hour in any::<u64>()) {
        let body = Bytes::from(start.spell());
        let prompt = read(&body, &[]).unwrap().prompt;
        let points = (0..prompt.blocks.len().min(64)).filter(|at| chosen >> at & 1 == 1).map(|at| {
            let ttl = if hour >> at & 1 == 1 { Ttl::OneHour } else { Ttl::FiveMinutes };
            Breakpoint::new(at, ttl, Why::Tail)
        });
        let plan = Plan::new(points.collect());
        let marked = Bytes::from(splice(&body, &mut Messages.mark(&body, &prompt, &plan)));
        let after = read(&marked, &[]).unwrap().prompt;
        prop_assert_eq!(after.blocks.len(), prompt.blocks.len());
        let mut ours = after;
        ours.auto_marker = None;
        for (at, (old, new)) in prompt.blocks.iter().zip(&mut ours.blocks).enumerate() {
            let planned = plan.breakpoints.iter().find(|point| point.block == at);
            let placed = planned.filter(|_| old.markable && old.marker.is_none());
            let theirs = old.marker.map(|marker| marker.ttl);
            let expected = placed.map(|point| point.ttl).or(theirs);
            prop_assert_eq!(new.marker.map(|marker| marker.ttl), expected);
            prop_assert_eq!(old.fingerprint, new.fingerprint);
            if placed.is_none() {
                new.marker = None;
            } else if let Ok(value) = serde_json::from_slice::<Value>(&marked) {
                let pointer = Messages.pointer(&prompt, at);
                prop_assert!(value.pointer(&pointer).unwrap().get("cache_control").is_some(), "{}", pointer);
            }
        }

        // Taking ours out again leaves the caller's bytes, bare forms apart.
        let bare = |at: &usize| prompt.blocks[*at].form == Form::Bare;
        let removed = splice(&marked, &mut Messages.unmark(&ours));
        if !plan.breakpoints.iter().map(|point| point.block).any(|at| bare(&at)) {
            prop_assert_eq!(&removed[..], &body[..]);
        }
        let values = (serde_json::from_slice::<Value>(&body), serde_json::from_slice::<Value>(&removed));
        if let (Ok(mut before), Ok(after)) = values {
            for at in plan.breakpoints.iter().map(|point| point.block).filter(bare) {
                if prompt.blocks[at].markable {
                    wrap(&mut before, &Messages.pointer(&prompt, at));
                }
            }
            prop_assert_eq!(before, after);
        } else {
            serde_json::from_slice::<&serde_json::value::RawValue>(&marked).unwrap();
        }
    }

    /// Without the caller's markers nothing is left to remove, and the prompt is the same.
    #[test]
    fn unmark_removes_every_marker(start in parts()) {
        let body = Bytes::from(start.spell());
        let prompt = read(&body, &[]).unwrap().prompt;
        let plain = Bytes::from(splice(&body, &mut Messages.unmark(&prompt)));
        let after = read(&plain, &[]).unwrap().prompt;
        prop_assert_eq!(after.own_markers(), 0);
        let content = |prompt: &cachewright::model::Prompt| {
            prompt.blocks.iter().map(|block| (block.section, block.kind, block.markable)).collect::<Vec<_>>()
        };
        prop_assert_eq!(content(&after), content(&prompt));
        prop_assert_eq!(after.messages_salt, prompt.messages_salt);
    }
}

/// The property above would hold for a reader that never takes anything over.
#[test]
fn a_next_turn_takes_over_what_it_shares() {
    for order in 0..3 {
        let mut parts = Parts {
            members: vec!["\"model\":\"m\"".to_owned(), "\"system\":\"s\"".to_owned()],
            messages: vec![r#"{"role":"user","content":"a"}"#.to_owned()],
            at: order,
        };
        let first = Bytes::from(parts.spell());
        let reading = read(&first, &[]).unwrap();
        let named = reading.conversation;
        let remembered = Arc::new(Remembered::new(first, reading));
        parts
            .messages
            .push(r#"{"role":"assistant","content":"b"}"#.to_owned());
        let body = Bytes::from(parts.spell());
        let mut asked = Vec::new();
        let next = Messages.read(&body, &keyring(), &mut |conversation| {
            asked.push(conversation);
            vec![Arc::clone(&remembered)]
        });
        let next = next.unwrap();
        assert_eq!(asked, [named]);
        assert!(Arc::ptr_eq(next.earlier.as_ref().unwrap(), &remembered));
        assert_eq!(next.prompt.end_of(Section::Messages), 3);

        // Fingerprints of another installation are never taken over.
        let other = Messages.read(&body, &Keyring::new(b"other"), &mut |_| {
            vec![Arc::clone(&remembered)]
        });
        assert!(other.unwrap().earlier.is_none());
    }
}

/// A body with every kind of member on both sides of the messages.
const AROUND: &str = r#"{"model":"m","max_tokens":10,"system":[{"type":"text","text":"s"}],"speed":null ,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"text","text":"\u00e9","cache_control":{"type":"ephemeral"}},{"type":"thinking","signature":"s"}]} ,{"content":[],"role":"user"}], "tools":[{"name":"t"}],"cache_control":{"type":"ephemeral","ttl":"1h"},"stream":true,"n":1}"#;

/// Any small change at any byte, exhaustively: numbers that go on, commas, brackets, quotes.
#[test]
fn reading_on_is_reading_anew_wherever_the_bodies_part() {
    let keep = |body: &str| {
        let body = Bytes::from(body.to_owned());
        let reading = read(&body, &[]).unwrap();
        Arc::new(Remembered::new(body, reading))
    };
    let earlier = keep(AROUND);
    let pieces = [
        "", "0", ",", " ", "\"", "\\", "{", "}", "]", "null", "{},", "\"x\":1,", "\u{e9}",
    ];
    let mut helped = 0;
    for at in 0..=AROUND.len() {
        for cut in [0, 1, 5] {
            for piece in pieces {
                let end = (at + cut).min(AROUND.len());
                let body = [&AROUND[..at], piece, &AROUND[end..]].concat();
                let body = Bytes::from(body);
                let warm = read(&body, std::slice::from_ref(&earlier));
                assert_eq!(spelled(&warm), spelled(&read(&body, &[])), "{body:?}");
                helped += usize::from(warm.is_ok_and(|reading| reading.earlier.is_some()));
            }
        }
    }
    assert!(helped > 1000, "{helped}");
}
