//! Where two prompts part, and the one cause of a miss: each cause by a planted case, and by a near
//! miss that must not be named so.

#![expect(clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::time::Duration;

use bytes::Bytes;
use cachewright::diagnose::{
    Answer, Difference, Earlier, Facts, Other, Relation, Side, compare, diagnose, excerpts,
};
use cachewright::model::{
    Cause, Keyring, Limits, Miss, Money, Pattern, PriceTier, Prompt, Section, Usage,
};
use cachewright::provider::Catalog;
use cachewright::wire::{Dialect, MarkerStyle, dialect};

struct Read {
    body: Bytes,
    prompt: Prompt,
    dialect: &'static dyn Dialect,
}

impl Read {
    fn side(&self) -> Side<'_> {
        Side::new(&self.body, &self.prompt, self.dialect)
    }
}

fn read(name: &str, body: &str) -> Read {
    let (_, dialect) = dialect(name, MarkerStyle::of(name)).expect("a dialect");
    let body = Bytes::from(body.to_owned());
    let reading = dialect.read(&body, &Keyring::new(b"test"), &mut |_| Vec::new());
    let prompt = reading.expect("a request").prompt;
    Read {
        body,
        prompt,
        dialect,
    }
}

fn compared(before: &str, after: &str) -> Difference {
    let (one, other) = (read("messages", before), read("messages", after));
    compare(&one.side(), &other.side())
}

/// A request of the Messages dialect.
#[derive(Clone)]
struct Ask {
    model: &'static str,
    more: &'static str,
    tools: Vec<String>,
    system: Vec<String>,
    turns: Vec<String>,
}

impl Ask {
    fn new() -> Self {
        Self {
            model: "claude-sonnet-4-5",
            more: "",
            tools: ["a", "b", "c"].map(|name| tool(name, "about")).into(),
            system: vec![text("be kind"), text("be brief")],
            turns: vec![
                turn("user", "one"),
                turn("assistant", "two"),
                turn("user", "three"),
            ],
        }
    }

    fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut changed = self.clone();
        change(&mut changed);
        changed
    }

    fn body(&self) -> String {
        format!(
            r#"{{"model":"{}",{}"tools":[{}],"system":[{}],"messages":[{}]}}"#,
            self.model,
            self.more,
            self.tools.join(","),
            self.system.join(","),
            self.turns.join(","),
        )
    }
}

/// What is done to a request.
type Change = fn(&mut Ask);

fn tool(name: &str, about: &str) -> String {
    format!(r#"{{"name":"{name}","description":"{about}","input_schema":{{"type":"object"}}}}"#)
}

fn text(text: &str) -> String {
    format!(r#"{{"type":"text","text":"{text}"}}"#)
}

fn turn(role: &str, words: &str) -> String {
    format!(r#"{{"role":"{role}","content":[{}]}}"#, text(words))
}

fn picture(data: &str) -> String {
    format!(
        r#"{{"role":"user","content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}]}}"#
    )
}

/// What a change of the plain request is called, and where it is found.
fn found(change: impl FnOnce(&mut Ask)) -> (Cause, Option<Pattern>, String, u32) {
    let ask = Ask::new();
    let difference = compared(&ask.body(), &ask.with(change).body());
    assert_eq!(difference.relation, Relation::Differs);
    let first = difference.first().expect("a change");
    let place = &first.place;
    assert!(difference.shared <= place.block as usize);
    (
        first.cause,
        first.pattern,
        place.pointer.to_string(),
        place.byte,
    )
}

#[test]
fn what_is_only_longer_or_marked_is_no_difference() {
    let ask = Ask::new();
    let longer = ask.with(|ask| ask.turns.push(turn("user", "four")));
    let extends = compared(&ask.body(), &longer.body());
    assert_eq!((extends.relation, extends.shared), (Relation::Extends, 8));
    assert_eq!((extends.cause(), extends.further), (None, 0));
    assert_eq!(
        compared(&longer.body(), &ask.body()).relation,
        Relation::Within
    );

    let marker = r#","cache_control":{"type":"ephemeral"}}"#;
    let marked = ask.with(|ask| {
        for block in ask.tools.iter_mut().chain(&mut ask.system) {
            block.pop();
            block.push_str(marker);
        }
    });
    assert_eq!(
        compared(&ask.body(), &marked.body()).relation,
        Relation::Equal
    );
    let cooler = ask.with(|ask| ask.more = r#""temperature":0.5,"max_tokens":7,"#);
    assert_eq!(
        compared(&ask.body(), &cooler.body()).relation,
        Relation::Equal
    );
    let bare = ask.with(|ask| ask.turns[0] = r#"{"role":"user","content":"one"}"#.into());
    assert_eq!(
        compared(&ask.body(), &bare.body()).relation,
        Relation::Equal
    );
}

#[test]
fn tools_are_told_apart_by_order_set_and_definition() {
    let order = found(|ask| ask.tools.swap(1, 2));
    assert_eq!(
        order,
        (
            Cause::ToolsOrder,
            Some(Pattern::Order),
            "/tools/1".into(),
            0
        )
    );

    let schema = found(|ask| ask.tools[1] = tool("b", "abovt"));
    assert_eq!(schema, (Cause::ToolsSchema, None, "/tools/1".into(), 30));
    let keys = r#"{"description":"about","name":"b","input_schema":{"type":"object"}}"#;
    let keys = found(|ask| ask.tools[1] = keys.into());
    assert_eq!(
        keys,
        (
            Cause::ToolsSchema,
            Some(Pattern::Order),
            "/tools/1".into(),
            2
        )
    );

    let added = found(|ask| ask.tools.push(tool("d", "about")));
    assert_eq!(added, (Cause::ToolsSet, None, "/tools/3".into(), 0));
    // An MCP server that came back early stands before the others.
    let reconnected = found(|ask| ask.tools.insert(0, tool("mcp__x", "about")));
    assert_eq!(reconnected, (Cause::ToolsSet, None, "/tools/0".into(), 0));
    let removed = found(|ask| drop(ask.tools.remove(0)));
    assert_eq!(removed, (Cause::ToolsSet, None, "/tools/0".into(), 0));

    // Another order and another definition: the first place has its own name, the rest is listed.
    let ask = Ask::new();
    let both = ask.with(|ask| {
        ask.tools.swap(0, 1);
        ask.tools[2] = tool("c", "else");
    });
    let both = compared(&ask.body(), &both.body());
    let causes: Vec<_> = both.changes.iter().map(|one| one.cause).collect();
    assert_eq!(causes, [Cause::ToolsOrder, Cause::ToolsSchema]);
}

#[test]
fn volatile_text_is_named_in_every_section() {
    let ask = Ask::new();
    let volatile = |set: fn(&mut Ask, &str), before: &str, after: &str| {
        let one = ask.with(|ask| set(ask, before));
        let other = ask.with(|ask| set(ask, after));
        let difference = compared(&one.body(), &other.body());
        let first = difference.first().expect("a change").clone();
        let (one, other) = (one.body(), other.body());
        let gone = first.before.of(one.as_bytes());
        let come = first.after.of(other.as_bytes());
        let texts = [gone, come].map(|text| String::from_utf8_lossy(text).into_owned());
        (first.cause, first.pattern, first.place.byte, texts)
    };
    let system = |ask: &mut Ask, words: &str| ask.system[1] = text(words);
    let described = |ask: &mut Ask, words: &str| ask.tools[0] = tool("a", words);
    let said = |ask: &mut Ask, words: &str| ask.turns[0] = turn("user", words);
    let named = |byte, pattern, one: &str, other: &str| {
        (
            Cause::Volatile,
            Some(pattern),
            byte,
            [one.to_owned(), other.to_owned()],
        )
    };
    let (noon, later) = ("2026-11-25T12:00:00Z", "2026-11-25T12:05:00Z");
    for (set, from) in [
        (system as fn(&mut Ask, &str), 23),
        (described, 27),
        (said, 23),
    ] {
        let (one, other) = (format!("It is {noon}."), format!("It is {later}."));
        let expected = named(from + 6 + 15, Pattern::Timestamp, noon, later);
        assert_eq!(volatile(set, &one, &other), expected);
    }
    let (one, other) = (
        "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
        "9b2504e0-4f89-41d3-9a0c-0305e82c3302",
    );
    let expected = named(23 + 8, Pattern::Uuid, one, other);
    assert_eq!(
        volatile(
            system,
            &format!("Session {one}."),
            &format!("Session {other}.")
        ),
        expected
    );
    let expected = named(23 + 5, Pattern::Counter, "7", "8");
    assert_eq!(volatile(system, "turn 7", "turn 8"), expected);

    // An edit is none, and a turn that also says something else was written anew.
    assert_eq!(
        volatile(system, "be nice", "be cool").0,
        Cause::SystemChanged
    );
    assert_eq!(
        volatile(described, "v1.2.3", "v1.2.4").0,
        Cause::ToolsSchema
    );
    let edited = volatile(said, "at 10:00:01 yes", "at 10:00:02 no");
    assert_eq!((edited.0, edited.1), (Cause::HistoryRewritten, None));
}

#[test]
fn histories_and_parameters_are_told_apart() {
    let edited = found(|ask| ask.turns[1] = turn("assistant", "too"));
    assert_eq!(
        edited,
        (
            Cause::HistoryRewritten,
            None,
            "/messages/1/content/0".into(),
            24
        )
    );
    let removed = found(|ask| drop(ask.turns.remove(0)));
    assert_eq!(removed.0, Cause::HistoryRewritten);
    let system = found(|ask| drop(ask.system.remove(1)));
    assert_eq!(system, (Cause::SystemChanged, None, "/system/1".into(), 0));

    let choice = found(|ask| ask.more = r#""tool_choice":{"type":"any"},"#);
    assert_eq!(choice, (Cause::Parameters, None, "/tool_choice".into(), 0));
    let model = found(|ask| ask.model = "claude-opus-4-5");
    assert_eq!(model, (Cause::ModelChanged, None, "/model".into(), 0));

    let ask = Ask::new().with(|ask| ask.turns[0] = picture("AAAA"));
    let other = ask.with(|ask| ask.turns[0] = picture("AABA"));
    let images = compared(&ask.body(), &other.body());
    assert_eq!(images.cause(), Some(Cause::Parameters));
    let said = ask.with(|ask| ask.turns[2] = turn("user", "3"));
    let near = compared(&ask.body(), &said.body());
    assert_eq!(near.cause(), Some(Cause::HistoryRewritten));
}

#[test]
fn all_places_are_listed_and_excerpts_stay_within_their_block() {
    let ask = Ask::new();
    let other = ask.with(|ask| {
        ask.tools.push(tool("d", "about"));
        ask.system[0] = text("be fair");
        ask.turns[0] = turn("user", "eins — “zwei”");
    });
    let (one, other) = (
        read("messages", &ask.body()),
        read("messages", &other.body()),
    );
    let difference = compare(&one.side(), &other.side());
    let places: Vec<_> = difference
        .changes
        .iter()
        .map(|one| {
            (
                one.cause,
                one.place.section,
                one.place.block,
                &*one.place.pointer,
            )
        })
        .collect();
    let expected = [
        (Cause::ToolsSet, Section::Tools, 3, "/tools/3"),
        (Cause::SystemChanged, Section::System, 4, "/system/0"),
        (
            Cause::HistoryRewritten,
            Section::Messages,
            6,
            "/messages/0/content/0",
        ),
    ];
    assert_eq!(places, expected);
    let last = difference.changes.last().expect("three");
    for width in 1..80 {
        let [was, is] = excerpts(last, &one.side(), &other.side(), width);
        assert!(
            !was.contains("be brief") && !is.contains("be brief"),
            "{was} {is}"
        );
        assert!(!is.contains(char::REPLACEMENT_CHARACTER), "{is}");
    }
    let [was, is] = excerpts(last, &one.side(), &other.side(), 200);
    assert_eq!(*was, text("one"));
    assert_eq!(*is, text("eins — “zwei”"));
}

const MINUTE: Duration = Duration::from_secs(60);

fn limits() -> Limits {
    Catalog::builtin()
        .model("anthropic", "claude-sonnet-4-5")
        .limits
}

fn facts(read: u64, written: u64, plain: u64) -> Facts<'static> {
    let usage = Usage::reported(plain, read, written, 0, 10);
    Facts::new(usage, limits())
}

/// An earlier request of 10,000 tokens, a minute old, that this one extends.
fn before(difference: &Difference) -> Earlier<'_> {
    let mut earlier = Earlier::new(10_000).compared(difference, 10_000);
    earlier.idle = Some(MINUTE);
    earlier.ttl = Some(5 * MINUTE);
    earlier
}

fn extends() -> Difference {
    let ask = Ask::new();
    let longer = ask.with(|ask| ask.turns.push(turn("user", "four")));
    compared(&ask.body(), &longer.body())
}

fn cause(facts: &Facts<'_>) -> Option<Cause> {
    diagnose(facts).map(|miss| miss.cause)
}

#[test]
fn what_was_read_was_not_missed() {
    let same = extends();
    assert_eq!(cause(&facts(9_990, 300, 3).after(before(&same))), None);
    // A counter that wobbles, a provider that counts in steps of 128.
    assert_eq!(cause(&facts(9_920, 380, 3).after(before(&same))), None);
    let mut coarse = facts(9_984 - 128, 0, 600).after(before(&same));
    coarse.granularity = 128;
    assert_eq!(cause(&coarse), None);
    // Nothing reported is not nothing read.
    let mut silent = facts(0, 0, 10_000).after(before(&same));
    silent.usage.read = None;
    assert_eq!(cause(&silent), None);
    let missed = diagnose(&facts(5_000, 5_300, 3).after(before(&same))).expect("a miss");
    assert_eq!(missed.tokens, 5_000);
}

#[test]
fn a_first_use_has_no_earlier_request() {
    let miss = diagnose(&facts(0, 5_000, 3)).expect("a miss");
    assert_eq!((miss.cause, miss.tokens), (Cause::FirstUse, 5_003));
    // Somebody else had written it.
    assert_eq!(cause(&facts(4_000, 1_000, 3)), None);
    assert_ne!(
        cause(&facts(0, 10_000, 3).after(before(&extends()))),
        Some(Cause::FirstUse)
    );
}

#[test]
fn a_prompt_below_the_minimum_is_never_cached() {
    let miss = diagnose(&facts(0, 0, 1_023)).expect("a miss");
    assert_eq!((miss.cause, miss.tokens), (Cause::BelowMinimum, 1_023));
    assert_eq!(cause(&facts(0, 0, 1_024)), Some(Cause::FirstUse));
    assert_eq!(cause(&facts(0, 900, 3)), Some(Cause::FirstUse));
}

#[test]
fn another_cache_was_asked() {
    let same = extends();
    let asked = |other: Other| {
        let mut earlier = before(&same);
        earlier.other = other;
        cause(&facts(0, 10_300, 3).after(earlier))
    };
    assert_eq!(asked(Other::Model), Some(Cause::ModelChanged));
    assert_eq!(asked(Other::Scope), Some(Cause::ScopeChanged));
    assert_eq!(asked(Other::Hop), Some(Cause::Hop));
    assert_eq!(asked(Other::Nothing), Some(Cause::Lost));
}

#[test]
fn a_change_is_the_cause_where_what_is_still_shared_was_read() {
    let ask = Ask::new();
    let changed: [(Change, Cause); 7] = [
        (|ask| ask.model = "claude-opus-4-5", Cause::ModelChanged),
        (|ask| ask.tools.swap(1, 2), Cause::ToolsOrder),
        (|ask| ask.tools[2] = tool("c", "x"), Cause::ToolsSchema),
        (|ask| drop(ask.tools.pop()), Cause::ToolsSet),
        (|ask| ask.system[1] = text("be long"), Cause::SystemChanged),
        (
            |ask| ask.turns[0] = turn("user", "1"),
            Cause::HistoryRewritten,
        ),
        (
            |ask| ask.more = r#""thinking":{"type":"enabled","budget_tokens":9},"#,
            Cause::Parameters,
        ),
    ];
    for (change, expected) in changed {
        let difference = compared(&ask.body(), &ask.with(change).body());
        let earlier = |shared| {
            let mut earlier = before(&difference);
            earlier.shared = shared;
            earlier
        };
        let miss = diagnose(&facts(4_000, 6_000, 3).after(earlier(4_000))).expect("a miss");
        assert_eq!((miss.cause, miss.tokens), (expected, 6_000));
        let place = miss.place.expect("a place");
        assert_eq!(place, difference.first().expect("a change").place);
        // Too little is shared to be found again.
        assert_eq!(
            cause(&facts(0, 10_000, 3).after(earlier(900))),
            Some(expected)
        );
        // Most of what is shared was lost as well: the change is not to blame for that.
        let lost = cause(&facts(0, 10_000, 3).after(earlier(9_000)));
        assert_eq!(lost, Some(Cause::Lost));
    }
}

#[test]
fn an_entry_expires_when_its_time_has_passed() {
    let same = extends();
    let idle = |idle: Duration| {
        let mut earlier = before(&same);
        earlier.idle = Some(idle);
        cause(&facts(0, 10_300, 3).after(earlier))
    };
    assert_eq!(idle(5 * MINUTE), Some(Cause::Expired));
    assert_eq!(idle(5 * MINUTE - Duration::from_secs(1)), Some(Cause::Lost));
    // What was read had not expired, whatever the clock says.
    let ask = Ask::new();
    let edited = compared(
        &ask.body(),
        &ask.with(|ask| ask.turns[0] = turn("user", "1")).body(),
    );
    let mut earlier = before(&edited);
    (earlier.shared, earlier.idle) = (4_000, Some(20 * MINUTE));
    assert_eq!(
        cause(&facts(4_000, 6_000, 3).after(earlier)),
        Some(Cause::HistoryRewritten)
    );
}

#[test]
fn what_is_being_written_cannot_be_seen() {
    let same = extends();
    let answer = |answer: Answer| {
        let mut earlier = before(&same);
        earlier.answer = answer;
        cause(&facts(0, 10_300, 3).after(earlier))
    };
    assert_eq!(answer(Answer::Pending), Some(Cause::NotYetVisible));
    assert_eq!(answer(Answer::Begun), Some(Cause::Lost));
}

#[test]
fn markers_are_to_blame_where_nothing_else_is() {
    let same = extends();
    let marked = |own: usize, shared: usize, positions: usize| {
        let mut facts = facts(0, 10_300, 3).after(before(&same));
        facts.own_markers = own;
        facts.shared_markers = Some(shared);
        facts.positions = Some(positions);
        cause(&facts)
    };
    assert_eq!(marked(1, 0, 3), Some(Cause::OwnMarkers));
    assert_eq!(marked(0, 0, 3), Some(Cause::OwnMarkers));
    assert_eq!(marked(1, 1, 3), Some(Cause::Lost));
    assert_eq!(marked(2, 1, 21), Some(Cause::Lookback));
    assert_eq!(marked(2, 1, 20), Some(Cause::Lost));
    // What decides by itself has no markers to blame.
    let mut automatic = facts(0, 0, 10_300).after(before(&same));
    automatic.limits = Catalog::builtin().model("openai", "gpt-4o").limits;
    (automatic.shared_markers, automatic.positions) = (Some(0), Some(99));
    assert_eq!(cause(&automatic), Some(Cause::Lost));
}

#[test]
fn lost_is_said_only_where_everything_else_is_known() {
    let same = extends();
    assert_eq!(
        cause(&facts(0, 10_300, 3).after(before(&same))),
        Some(Cause::Lost)
    );
    let mut earlier = before(&same);
    earlier.ttl = None;
    assert_eq!(
        cause(&facts(0, 10_300, 3).after(earlier)),
        Some(Cause::Unknown)
    );
    assert_eq!(
        cause(&facts(0, 10_300, 3).after(Earlier::new(10_000))),
        Some(Cause::Unknown)
    );
}

#[test]
fn the_provider_is_believed_where_nothing_is_seen_here() {
    let same = extends();
    let told = |earlier: Earlier<'static>, reason: &'static str| -> Miss {
        let mut facts = facts(0, 10_300, 3).after(earlier);
        facts.reported = Some(reason);
        diagnose(&facts).expect("a miss")
    };
    for (reason, expected) in [
        ("model_changed", Cause::ModelChanged),
        ("system_changed", Cause::SystemChanged),
        ("tools_changed", Cause::ToolsSchema),
        ("messages_changed", Cause::HistoryRewritten),
        ("previous_message_not_found", Cause::Unknown),
        ("unavailable", Cause::Unknown),
        ("prompt_cache_key_changed", Cause::ScopeChanged),
        ("service_tier_changed", Cause::ScopeChanged),
        ("text_format_changed", Cause::Parameters),
        ("reasoning_effort_changed", Cause::Parameters),
        ("verbosity_changed", Cause::Parameters),
        ("context_compacted", Cause::HistoryRewritten),
        ("input_changed", Cause::HistoryRewritten),
    ] {
        let miss = told(Earlier::new(10_000), reason);
        assert_eq!(
            (miss.cause, miss.reported.as_deref()),
            (expected, Some(reason))
        );
    }
    let mut expired = before(&same);
    expired.idle = Some(9 * MINUTE);
    let mut facts = facts(0, 10_300, 3).after(expired);
    facts.reported = Some("messages_changed");
    assert_eq!(cause(&facts), Some(Cause::Expired));
}

#[test]
fn a_miss_costs_what_was_paid_above_reading() {
    let usd = |text| Money::per_mtok(text).expect("a price");
    let prices = PriceTier::new(["3", "3.75", "6", "0.3", "15"].map(usd));
    let same = extends();
    let cost = |usage: Usage| {
        let mut facts = Facts::new(usage, limits()).after(before(&same));
        facts.prices = Some(&prices);
        diagnose(&facts).expect("a miss").cost
    };
    // Of 10,000 missed tokens 4,000 were written for an hour, 5,000 for five minutes, 1,000 not.
    let mixed = cost(Usage::reported(1_300, 0, 5_000, 4_000, 10));
    let expected = usd("5.7").times(4_000) + usd("3.45").times(5_000) + usd("2.7").times(1_000);
    assert_eq!(mixed, Some(expected));
    let plain = cost(Usage::reported(10_300, 0, 0, 0, 10));
    assert_eq!(plain, Some(usd("2.7").times(10_000)));
    assert_eq!(diagnose(&facts(0, 9_000, 9)).expect("a miss").cost, None);
}

/// Recorded sessions, in which clients rewrote their history now and then.
#[cfg(feature = "replay")]
mod recorded {
    use std::collections::BTreeMap;

    use cachewright::adapter::workload::{Options, Workload};

    use super::*;

    /// Blocks that two requests share, by their bytes alone: these clients set no markers.
    fn alike(one: &Read, other: &Read) -> usize {
        let pairs = one.prompt.blocks.iter().zip(&other.prompt.blocks);
        let same = pairs.take_while(|(a, b)| {
            a.section == b.section && a.span.of(&one.body) == b.span.of(&other.body)
        });
        same.count()
    }

    #[test]
    fn histories_are_compared_as_clients_wrote_them() {
        let Some(dir) = crate::workload::recordings() else {
            return;
        };
        for file in ["cc_entire_cli", "codex_agentv"] {
            let path = dir.join(format!("{file}.jsonl.xz"));
            let workload = Workload::open(&path, Options::default()).expect("readable");
            let mut last = BTreeMap::<_, Read>::new();
            let mut seen = BTreeMap::<Option<Cause>, usize>::new();
            for timed in workload {
                let timed = timed.expect("a request");
                let now = read("messages", std::str::from_utf8(&timed.body).expect("text"));
                let lane = (timed.session.clone(), timed.lane.clone());
                if let Some(before) = last.get(&lane) {
                    let difference = compare(&before.side(), &now.side());
                    let cause = check(before, &now, &difference);
                    *seen.entry(cause).or_default() += 1;
                }
                last.insert(lane, now);
            }
            // Compactions and rewinds; nothing in these histories was a clock.
            assert!(
                seen.get(&Some(Cause::HistoryRewritten))
                    .is_some_and(|times| *times >= 5)
            );
            assert!(seen.get(&None).is_some_and(|times| *times > 1_000));
            let named = [
                None,
                Some(Cause::ModelChanged),
                Some(Cause::SystemChanged),
                Some(Cause::HistoryRewritten),
            ];
            assert!(seen.keys().all(|cause| named.contains(cause)), "{seen:?}");
        }
    }

    /// Holds a comparison against the bytes, and says what it named.
    fn check(before: &Read, now: &Read, difference: &Difference) -> Option<Cause> {
        let cause = difference.cause();
        if before.prompt.model == now.prompt.model {
            let shared = alike(before, now);
            let (old, new) = (before.prompt.blocks.len(), now.prompt.blocks.len());
            let differs = shared < old && shared < new;
            assert_eq!(differs, difference.relation == Relation::Differs);
            assert_eq!(difference.shared, shared);
            if let Some(first) = difference.first() {
                assert_eq!(first.place.block as usize, shared);
            }
        }
        cause
    }
}
