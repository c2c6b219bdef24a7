//! Lifetime classes and pings by expected dollars.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
#![expect(clippy::float_arithmetic, reason = "moments of made-up traffic")]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{End, Engine, Meta, Pinged, Placement, Settings};
use cachewright::ledger::Record;
use cachewright::model::{Choice, KeepAlive, Money, Stop, Timestamp, Ttl, Usage, Vigil};
use cachewright::provider::Catalog;

const META: Meta<'static> = Meta::of("anthropic");

fn at(secs: f64) -> Timestamp {
    Timestamp::from_secs_f64(secs)
}

fn engine(keep_alive: Option<KeepAlive>) -> Engine {
    let mut settings = Settings::default();
    settings.keep_alive = keep_alive;
    Engine::new(Arc::new(Catalog::builtin()), settings).remembering(Arc::new(InProcess::default()))
}

/// An engine that follows the variant which does best.
fn led() -> Engine {
    let mut settings = Settings::default();
    settings.follow_leader = true;
    Engine::new(Arc::new(Catalog::builtin()), settings).remembering(Arc::new(InProcess::default()))
}

/// A long conversation: a long system prompt, and so many turns.
fn body(turns: usize) -> Bytes {
    let system = "Follow the rules of this house. ".repeat(4_000);
    let mut messages = vec![r#"{"role":"user","content":"go on"}"#.to_owned()];
    for turn in 0..turns {
        messages.push(format!(r#"{{"role":"assistant","content":"step {turn}"}}"#));
        messages.push(format!(r#"{{"role":"user","content":"and then {turn}?"}}"#));
    }
    let messages = messages.join(",");
    format!(
        r#"{{"model":"claude-opus-4-5","max_tokens":99,"system":"{system}","messages":[{messages}]}}"#
    )
    .into()
}

/// The same as an agent's, with a tool: before anything was seen, nothing else is pinged.
fn agent(turns: usize) -> Bytes {
    let text = body(turns);
    let text = std::str::from_utf8(&text).unwrap();
    let tools = r#"{"tools":[{"name":"run","input_schema":{"type":"object"}}],"#;
    text.replacen('{', tools, 1).into()
}

/// Whether a provider writes with one hour what it is asked to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hours {
    Granted,
    Refused,
}

/// A turn of the conversation of this number.
fn named_turn(engine: &Engine, (secs, turns): (f64, u8), number: u32) -> Record {
    granted_turn(engine, secs, &numbered(turns, number), Hours::Granted)
}

fn numbered(turns: u8, number: u32) -> Bytes {
    let text = body(usize::from(turns));
    let text = std::str::from_utf8(&text).unwrap();
    text.replace("go on", &format!("go on with {number}"))
        .into()
}

fn granted_turn(engine: &Engine, secs: f64, body: &Bytes, hours: Hours) -> Record {
    let prepared = engine.prepare(at(secs), &META, body);
    let mut usage = usage(0, 32_000);
    let by_hour = |placed: &Placement| placed.ttl == Ttl::OneHour;
    if hours == Hours::Granted && prepared.placements().iter().any(by_hour) {
        (usage.write_5m, usage.write_1h) = (Some(0), usage.write_5m);
    }
    let mut exchange = prepared.exchange;
    exchange.on_usage(at(secs + 1.0), usage);
    exchange.on_stop(Stop::EndTurn);
    exchange.finish(at(secs + 4.0), End::Complete)
}

/// Sends one turn at `secs` and has it answered four seconds later.
fn turn(engine: &Engine, secs: f64, turns: usize, stop: Stop) -> Record {
    let prepared = engine.prepare(at(secs), &META, &agent(turns));
    let mut exchange = prepared.exchange;
    let usage = usage(0, 32_000);
    exchange.on_usage(at(secs + 1.0), usage);
    exchange.on_stop(stop);
    exchange.finish(at(secs + 4.0), End::Complete)
}

fn usage(read: u64, written: u64) -> Usage {
    let mut usage = Usage::default();
    usage.plain = Some(0);
    usage.read = Some(read);
    usage.write_5m = Some(written);
    usage.write_1h = Some(0);
    usage.output = Some(0);
    usage
}

fn read(vigil: &Vigil) -> Option<Usage> {
    Some(usage(vigil.tokens, 0))
}

/// Opens a conversation with these words and metadata, and has it answered.
fn opened(engine: &Engine, meta: &Meta<'_>, secs: f64, [words, metadata]: [&str; 2]) -> Record {
    let text = agent(0);
    let text = std::str::from_utf8(&text).unwrap();
    let text = text.replace("go on", words);
    let text = text.replacen('{', &format!(r#"{{"metadata":{metadata},"#), 1);
    let mut exchange = engine.prepare(at(secs), meta, &text.into()).exchange;
    exchange.on_usage(at(secs + 1.0), usage(0, 32_000));
    exchange.on_stop(Stop::ToolUse);
    exchange.finish(at(secs + 4.0), End::Complete)
}

#[test]
fn a_conversation_whose_session_has_gone_on_elsewhere_is_let_go() {
    let mut named = META;
    named.session = "s1";
    let mut another = META;
    another.session = "s2";
    let user = [
        r#"{"user_id":"u_session_1"}"#,
        r#"{"user_id":"u_session_2"}"#,
    ];
    let [one, two] = user;
    let escaped = [
        r#"{"user_id":"{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"1\"}"}"#,
        r#"{"user_id":"{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"2\"}"}"#,
    ];
    let [third, fourth] = escaped;
    let traced = r#"{"trace":"session_1","user_id":"u_session_1"}"#;
    let [bare, spoken] = [r#"{"user_id":"u-1"}"#, r#"{"user_id":"obsession"}"#];
    let nobody = "{}";
    for (first, second, metadata, pays) in [
        (META, META, [nobody, nobody], true),
        (named, named, [nobody, nobody], false),
        (named, another, [nobody, nobody], true),
        (META, META, [one, one], false),
        (META, META, [one, two], true),
        (META, META, [one, traced], false),
        (META, META, [third, third], false),
        (META, META, [third, fourth], true),
        // A user may have several conversations at once.
        (META, META, [bare, bare], true),
        (META, META, [spoken, spoken], true),
        (META, META, [r#"{"trace":1}"#, r#"{"trace":1}"#], true),
    ] {
        let engine = engine(Some(KeepAlive::default()));
        let [mine, theirs] = metadata;
        let vigil = opened(&engine, &first, 0.0, ["go on", mine]).vigil.unwrap();
        opened(&engine, &second, 100.0, ["a summary of it", theirs]);
        assert_eq!(
            engine.still_pays(vigil.due, &first, &vigil),
            pays,
            "{metadata:?}"
        );
        // The one that has taken its place is kept.
        let later = opened(&engine, &second, 200.0, ["a summary of it", theirs]);
        let later = later.vigil.unwrap();
        assert!(engine.still_pays(later.due, &second, &later));
    }
}

#[test]
fn nobody_pings_who_did_not_ask_for_it() {
    assert!(turn(&engine(None), 0.0, 0, Stop::ToolUse).vigil.is_none());
}

#[test]
fn a_chat_is_not_pinged_on_trust() {
    let engine = engine(Some(KeepAlive::default()));
    let mut exchange = engine.prepare(at(0.0), &META, &body(0)).exchange;
    exchange.on_usage(at(1.0), usage(0, 32_000));
    exchange.on_stop(Stop::ToolUse);
    assert!(exchange.finish(at(4.0), End::Complete).vigil.is_none());
}

#[test]
fn a_vigil_is_due_before_the_entry_expires_and_a_ping_renews_it() {
    let engine = engine(Some(KeepAlive::default()));
    let vigil = *turn(&engine, 0.0, 0, Stop::ToolUse).vigil.unwrap();
    assert_eq!(vigil.expires, at(300.0));
    assert!(vigil.due > at(240.0) && vigil.due < vigil.expires);
    assert!(vigil.chance > vigil.threshold);
    assert!(engine.still_pays(vigil.due, &META, &vigil));
    let ping = Pinged::new(vigil.due, 200, read(&vigil));
    let (record, next) = engine.pinged(vigil.due, &META, &vigil, &ping);
    assert!(record.errand && record.cost > Some(Money::ZERO));
    assert_eq!((record.errand_kind, record.cost), ("ping", vigil.price));
    if let Some(next) = next {
        assert_eq!(next.pings, 1);
        assert_eq!(next.spent, vigil.price.unwrap());
        assert_eq!(next.expires.since(vigil.due).as_secs(), 300);
    }
    // The vigil of before is outdated.
    assert!(!engine.still_pays(vigil.due, &META, &vigil));
}

#[test]
fn a_vigil_goes_by_the_class_that_was_granted() {
    for (hours, ttl, expires) in [
        (Hours::Granted, Ttl::OneHour, at(3_600.0)),
        (Hours::Refused, Ttl::FiveMinutes, at(300.0)),
    ] {
        let mut settings = Settings::default();
        settings.keep_alive = Some(KeepAlive::default());
        settings.ttl = Some(Ttl::OneHour);
        let engine = Engine::new(Arc::new(Catalog::builtin()), settings)
            .remembering(Arc::new(InProcess::default()));
        let vigil = granted_turn(&engine, 0.0, &agent(0), hours).vigil.unwrap();
        assert_eq!((vigil.ttl, vigil.expires), (ttl, expires));
    }
}

#[test]
fn pings_stop_where_the_silence_grows_long() {
    let engine = engine(Some(KeepAlive::default()));
    let mut vigil = turn(&engine, 0.0, 0, Stop::EndTurn).vigil.map(|one| *one);
    let mut pings = 0;
    while let Some(watched) = vigil {
        if !engine.still_pays(watched.due, &META, &watched) {
            break;
        }
        pings += 1;
        let ping = Pinged::new(watched.due, 200, read(&watched));
        vigil = engine.pinged(watched.due, &META, &watched, &ping).1;
    }
    assert!((1..30).contains(&pings), "{pings}");
}

#[test]
fn a_request_of_the_conversation_ends_its_vigil() {
    let engine = engine(Some(KeepAlive::default()));
    let vigil = *turn(&engine, 0.0, 0, Stop::ToolUse).vigil.unwrap();
    let later = *turn(&engine, 100.0, 1, Stop::ToolUse).vigil.unwrap();
    assert!(!engine.still_pays(vigil.due, &META, &vigil));
    assert!(engine.still_pays(later.due, &META, &later));
}

#[test]
fn a_ping_that_writes_trips_the_breaker() {
    let engine = engine(Some(KeepAlive::default()));
    let vigil = *turn(&engine, 0.0, 0, Stop::ToolUse).vigil.unwrap();
    let ping = Pinged::new(vigil.due, 200, Some(usage(0, vigil.tokens)));
    let (record, next) = engine.pinged(vigil.due, &META, &vigil, &ping);
    assert!(record.cost > vigil.price && next.is_none());
    assert_eq!(record.cost, vigil.worst);
    assert!(turn(&engine, 600.0, 1, Stop::ToolUse).vigil.is_none());
}

#[test]
fn budgets_hold() {
    let price = {
        let engine = engine(Some(KeepAlive::default()));
        let vigil = *turn(&engine, 0.0, 0, Stop::ToolUse).vigil.unwrap();
        vigil.price.unwrap()
    };
    let below = Money::from_pico(price.as_pico() - 1);
    let limits: [fn(&mut KeepAlive) -> &mut Money; 3] = [
        |budget| &mut budget.per_ping,
        |budget| &mut budget.per_session,
        |budget| &mut budget.per_day,
    ];
    for limit in limits {
        let mut budget = KeepAlive::default();
        *limit(&mut budget) = below;
        let engine = engine(Some(budget));
        assert!(
            turn(&engine, 0.0, 0, Stop::ToolUse).vigil.is_none(),
            "{budget:?}"
        );
    }
}

#[test]
fn the_deadline_ends_it() {
    let mut budget = KeepAlive::default();
    budget.deadline = std::time::Duration::from_secs(200);
    assert!(
        turn(&engine(Some(budget)), 0.0, 0, Stop::ToolUse)
            .vigil
            .is_none()
    );
}

#[test]
fn an_hour_is_chosen_once_pauses_have_shown_that_it_pays() {
    let engine = led();
    let mut now = 0.0;
    let mut first = None;
    // Every conversation comes back twice after ten minutes, and then no more.
    for number in 0..60 {
        let mut chosen = None;
        for turns in 0..3 {
            let record = named_turn(&engine, (now, turns), number);
            chosen = chosen.or_else(|| record.choice.map(|choice| choice.ttl));
            now += 600.0;
        }
        first = first.or_else(|| (chosen == Some(Ttl::OneHour)).then_some(number));
    }
    assert!(first.is_some(), "never");
}

/// The choice for a turn of the conversation in this house, which shares nothing with others, at a
/// provider that keeps what it should.
fn housed_turn(engine: &Engine, secs: f64, (house, turns): (u32, usize)) -> Choice {
    let text = body(turns);
    let text = std::str::from_utf8(&text).unwrap();
    let text = text.replace("this house", &format!("house {house}"));
    let text = text.replace("go on", &format!("go on with {house}"));
    let prepared = engine.prepare(at(secs), &META, &text.into());
    let by_hour = |placed: &Placement| placed.ttl == Ttl::OneHour;
    let hour = prepared.placements().iter().any(by_hour);
    let mut exchange = prepared.exchange;
    let kept = exchange.record().predicted_read > Some(0);
    let mut usage = if kept {
        usage(32_000, 0)
    } else {
        usage(0, 32_000)
    };
    if hour {
        (usage.write_5m, usage.write_1h) = (usage.write_1h, usage.write_5m);
    }
    exchange.on_usage(at(secs + 1.0), usage);
    exchange.on_stop(Stop::EndTurn);
    *exchange
        .finish(at(secs + 4.0), End::Complete)
        .choice
        .unwrap()
}

#[test]
fn a_live_conversation_keeps_its_class_when_another_comes_to_be_preferred() {
    let engine = engine(None);
    let (mut now, mut turns) = (0.0, 0);
    let begun = housed_turn(&engine, now, (0, turns));
    assert_eq!((begun.ttl, begun.latched), (Ttl::FiveMinutes, false));
    // The others come back every ten minutes, until an hour is what a new one gets.
    let preferred = (1..60).find(|house| {
        let mut first = None;
        for turn in 0..5 {
            let theirs = housed_turn(&engine, now, (*house, turn));
            first.get_or_insert(theirs.ttl);
            for _ in 0..3 {
                now += 200.0;
                turns += 1;
                let mine = housed_turn(&engine, now, (0, turns));
                assert_eq!((mine.hour, mine.latched), (0, true), "{mine:?}");
            }
        }
        first == Some(Ttl::OneHour)
    });
    let preferred = preferred.expect("an hour comes to be preferred");
    // Of those that begin now none is heard of again, until an hour is ahead no longer.
    let given_up = (60..160).find_map(|house| {
        now += 10.0;
        let theirs = housed_turn(&engine, now, (house, 0));
        (theirs.ahead <= theirs.needed).then_some(theirs.ttl)
    });
    assert_eq!(given_up, Some(Ttl::FiveMinutes));
    let later = housed_turn(&engine, now + 10.0, (preferred, 5));
    assert_eq!(
        (later.ttl, later.latched),
        (Ttl::OneHour, true),
        "{later:?}"
    );
}

#[test]
fn quick_conversations_are_never_written_with_the_hour() {
    let engine = led();
    for number in 0..60 {
        for turns in 0..3 {
            let now = 7_000.0 * f64::from(number) + 10.0 * f64::from(turns);
            let record = named_turn(&engine, (now, turns), number);
            let choice = record.choice.unwrap();
            assert_eq!(
                (choice.ttl, choice.hour),
                (Ttl::FiveMinutes, 0),
                "{choice:?}"
            );
        }
    }
}

#[test]
fn an_hour_that_is_not_granted_is_not_asked_for_again() {
    let engine = led();
    let mut asked = 0;
    let mut now = 0.0;
    for number in 0..60 {
        for turns in 0..3 {
            let record = granted_turn(&engine, now, &numbered(turns, number), Hours::Refused);
            asked += usize::from(record.choice.unwrap().ttl == Ttl::OneHour);
            now += 600.0;
        }
    }
    // Once in a while it is tried again.
    assert!((1..10).contains(&asked), "{asked}");
}
