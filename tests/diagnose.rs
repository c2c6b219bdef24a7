//! Where two prompts part, and the one cause of a miss.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use bytes::Bytes;
use cachewright::diagnose::{Difference, Relation, Side, compare};
use cachewright::model::{Cause, Keyring, Pattern, Prompt};
use cachewright::wire::{Dialect, MarkerStyle, dialect};

fn read(name: &str, body: &str) -> (Bytes, Prompt, &'static dyn Dialect) {
    let (_, dialect) = dialect(name, MarkerStyle::of(name)).expect("a dialect");
    let body = Bytes::from(body.to_owned());
    let reading = dialect.read(&body, &Keyring::new(b"test"), &mut |_| Vec::new());
    (body, reading.expect("a request").prompt, dialect)
}

fn compared(name: &str, before: &str, after: &str) -> Difference {
    let (one, other) = (read(name, before), read(name, after));
    compare(
        &Side::new(&one.0, &one.1, one.2),
        &Side::new(&other.0, &other.1, other.2),
    )
}

fn messages(tools: &str, system: &str, turns: &str) -> String {
    format!(
        r#"{{"model":"claude-sonnet-4-5","tools":[{tools}],"system":[{system}],"messages":[{turns}]}}"#
    )
}

fn turn(text: &str) -> String {
    format!(r#"{{"role":"user","content":[{{"type":"text","text":"{text}"}}]}}"#)
}

fn tool(name: &str, about: &str) -> String {
    format!(r#"{{"name":"{name}","description":"{about}","input_schema":{{"type":"object"}}}}"#)
}

fn text(text: &str) -> String {
    format!(r#"{{"type":"text","text":"{text}"}}"#)
}

#[test]
fn a_turn_more_is_no_difference() {
    let before = messages(&tool("a", "x"), &text("s"), &turn("one"));
    let both = format!("{},{}", turn("one"), turn("two"));
    let after = messages(&tool("a", "x"), &text("s"), &both);
    let found = compared("messages", &before, &after);
    assert_eq!((found.relation, found.shared), (Relation::Extends, 3));
    assert_eq!(found.cause(), None);
    assert_eq!(
        compared("messages", &after, &before).relation,
        Relation::Within
    );
    assert_eq!(
        compared("messages", &after, &after).relation,
        Relation::Equal
    );
}

#[test]
fn a_clock_in_the_system_prompt_is_named_to_the_byte() {
    let at = |clock: &str| {
        messages(
            &tool("a", "x"),
            &text(&format!("Now: {clock}.")),
            &turn("one"),
        )
    };
    let found = compared(
        "messages",
        &at("2026-11-25T10:00:00Z"),
        &at("2026-11-25T10:05:00Z"),
    );
    let first = found.first().expect("a change");
    assert_eq!(
        (first.cause, first.pattern),
        (Cause::Volatile, Some(Pattern::Timestamp))
    );
    assert_eq!(&*first.place.pointer, "/system/0");
    assert_eq!((first.place.block, first.place.byte), (1, 43));
    assert_eq!(found.shared, 1);
}
