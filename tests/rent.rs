//! What is worth renting: explicit caches by the arithmetic of their prices, without a network.

#![expect(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    reason = "helpers of tests fail the test"
)]

use std::sync::Arc;

use bytes::Bytes;
use cachewright::adapter::memory::InProcess;
use cachewright::engine::{
    End, Engine, Errand, ErrandKind, Framing, Held, Meta, Order, Outcome, Prepared, RENT, Settings,
};
use cachewright::ledger::Record;
use cachewright::model::{Mode, Money, Timestamp, Usage};
use cachewright::provider::Catalog;

const FLASH: &str = "gemini-2.5-flash";
const PRO: &str = "gemini-2.5-pro";

/// One service's traffic.
struct Desk {
    engine: Engine,
    meta: Meta<'static>,
    system: String,
    tail: &'static str,
    asked: u32,
    /// Tokens of a prompt, as the provider counts them.
    total: u64,
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_secs_f64(seconds)
}

impl Desk {
    fn new(model: &'static str) -> Self {
        Self::with(model, |_| {})
    }

    fn with(model: &'static str, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.explicit_caches = true;
        change(&mut settings);
        let mut meta = Meta::of("gemini");
        meta.dialect = "generate";
        meta.model = model;
        meta.stored_as = "models/m";
        let engine = Engine::new(Arc::new(Catalog::builtin()), settings);
        Self {
            engine: engine.remembering(Arc::new(InProcess::default())),
            meta,
            system: "a rule; ".repeat(2000),
            tail: "",
            asked: 0,
            total: 6000,
        }
    }

    fn prepare(&mut self, now: f64) -> Prepared {
        self.asked += 1;
        let (system, asked, tail) = (&self.system, self.asked, self.tail);
        let body = format!(
            r#"{{"contents":[{{"parts":[{{"text":"question {asked}"}}]}}],"tools":[ {{"googleSearch":{{}}}} ], "system_instruction":{{"parts":[{{"text":"{system}"}}]}}{tail}}}"#
        );
        self.engine.prepare(at(now), &self.meta, &Bytes::from(body))
    }

    /// A call of which the provider read so much from its own cache; what is to be asked because of
    /// it.
    fn call(&mut self, now: f64, read: Option<u64>) -> Option<Errand> {
        let prepared = self.prepare(now);
        let mut exchange = prepared.exchange;
        let mut usage = Usage::default();
        (usage.plain, usage.read, usage.output) =
            (Some(self.total - read.unwrap_or(0)), read, Some(9));
        exchange.on_usage(at(now), usage);
        drop(exchange.finish(at(now), End::Complete));
        prepared.errand
    }

    /// The number of the first call, this many seconds apart, at which something is to be asked.
    fn first(&mut self, gap: f64, read: Option<u64>) -> Option<u32> {
        (1..=60).find(|number| self.call(f64::from(*number) * gap, read).is_some())
    }

    fn done(&self, now: f64, errand: &Errand, outcome: &Outcome) -> Record {
        self.engine
            .errand_done(at(now), &self.meta, errand, outcome)
    }

    fn kept(&self, now: f64, errand: &Errand) -> Record {
        let kept = Outcome::Kept {
            name: "cachedContents/1".into(),
            tokens: Some(6000),
            asked: at(now),
        };
        self.done(now, errand, &kept)
    }

    fn uses(&mut self, now: f64) -> bool {
        let body = self.prepare(now).body;
        body.is_some_and(|body| String::from_utf8_lossy(&body).contains("cachedContents/1"))
    }
}

/// A prefix is created once the calls of the last ten minutes, faded, would have paid for it: for
/// 2.5 Flash they must be more than (0.30 + 1.00 ÷ 6) ÷ (0.30 − 0.03) = 1.73, for 2.5 Pro more than
/// (1.25 + 4.50 ÷ 6) ÷ (1.25 − 0.125) = 1.78, for 3.8 Flash more than 1.23.
#[test]
fn a_prefix_is_rented_where_its_pace_pays() {
    for (model, gap, expected) in [
        (FLASH, 20.0, Some(3)),
        (FLASH, 200.0, Some(5)),
        (FLASH, 300.0, None),
        (PRO, 20.0, Some(3)),
        (PRO, 200.0, Some(5)),
        (PRO, 300.0, None),
        ("gemini-3.8-flash", 300.0, Some(5)),
        ("gemini-3.8-flash", 400.0, None),
        // Without a price nothing can pay.
        ("gemini-2.5-flash-lite", 1.0, None),
    ] {
        assert_eq!(Desk::new(model).first(gap, None), expected, "{model} {gap}");
    }
}

#[test]
fn what_the_provider_reads_by_itself_is_not_rented() {
    let tokens = |share: u64| Some(6000 * share / 100);
    assert_eq!(Desk::new(FLASH).first(20.0, tokens(0)), Some(3));
    assert_eq!(Desk::new(FLASH).first(20.0, tokens(50)), Some(5));
    assert_eq!(Desk::new(FLASH).first(20.0, tokens(95)), None);
}

#[test]
fn what_cannot_be_kept_is_not_asked_for() {
    let refused = |change: &dyn Fn(&mut Desk)| {
        let mut desk = Desk::new(FLASH);
        change(&mut desk);
        desk.first(20.0, None)
    };
    assert_eq!(refused(&|_| {}), Some(3));
    assert_eq!(refused(&|desk| desk.meta.stored_as = ""), None);
    assert_eq!(refused(&|desk| desk.tail = r#","toolConfig":{}"#), None);
    assert_eq!(refused(&|desk| desk.tail = r#","cachedContent":"c""#), None);
    // The explicit minimum is not the implicit one, and not the same everywhere.
    let sized = |desk: &mut Desk, tokens: u32| {
        desk.system = "x".repeat(tokens as usize * 27 / 10);
        desk.total = u64::from(tokens) + 50;
    };
    assert_eq!(refused(&|desk| sized(desk, 900)), None);
    assert_eq!(refused(&|desk| sized(desk, 1500)), Some(3));
    let on_vertex = |desk: &mut Desk, tokens| {
        desk.meta.provider = "vertex";
        sized(desk, tokens);
    };
    assert_eq!(refused(&|desk| on_vertex(desk, 1500)), None);
    assert_eq!(refused(&|desk| on_vertex(desk, 2500)), Some(3));
    let off = |settings: &mut Settings| settings.explicit_caches = false;
    assert_eq!(Desk::with(FLASH, off).first(20.0, None), None);
    let observe = |settings: &mut Settings| settings.mode = Mode::Observe;
    assert_eq!(Desk::with(FLASH, observe).first(20.0, None), None);
}

/// Calls up to the errand, which comes at second 60.
fn rented(desk: &mut Desk) -> Errand {
    assert_eq!(
        (desk.call(20.0, None), desk.call(40.0, None)).0.map(drop),
        None
    );
    desk.call(60.0, None).unwrap()
}

#[test]
fn an_errand_says_the_callers_own_bytes() {
    let mut desk = Desk::new(FLASH);
    let errand = rented(&mut desk);
    assert_eq!(errand.kind, ErrandKind::Create);
    let system = &desk.system;
    let expected = format!(
        r#"{{"ttl":"600s","model":"models/m","system_instruction":{{"parts":[{{"text":"{system}"}}]}},"tools":[ {{"googleSearch":{{}}}} ]}}"#
    );
    assert_eq!(errand.body, expected);
    assert!(!format!("{errand:?}").contains("rule"));
    // While it is out there is no other.
    assert!(desk.call(61.0, None).is_none());
    desk.kept(62.0, &errand);
    let body = desk.prepare(63.0).body.unwrap();
    assert_eq!(
        body,
        r#"{"contents":[{"parts":[{"text":"question 5"}]}],"cachedContent":"cachedContents/1"}"#
    );
}

#[test]
fn it_is_extended_while_that_pays_and_then_it_ends() {
    let mut desk = Desk::new(PRO);
    let errand = rented(&mut desk);
    desk.kept(60.0, &errand);
    // Not before half its time is over.
    assert!(desk.call(359.0, None).is_none());
    assert!(desk.uses(359.0));
    let (mut now, mut extended) = (60.0, 0);
    loop {
        now += 580.0;
        let Some(errand) = desk.call(now, None) else {
            break;
        };
        assert_eq!(errand.kind, ErrandKind::Extend("cachedContents/1".into()));
        assert_eq!(errand.body, r#"{"ttl":"600s"}"#);
        desk.kept(now, &errand);
        extended += 1;
        assert!(extended < 10, "less than one call in a rent does not pay");
    }
    assert!(extended > 0);
    // It is not used any more when it could end on the way.
    assert!(desk.uses(now + 4.0));
    assert!(!desk.uses(now + 6.0));
    assert!(!desk.uses(now + 30.0));
}

#[test]
fn an_extension_that_is_refused_says_that_it_is_gone() {
    let mut desk = Desk::new(FLASH);
    let errand = rented(&mut desk);
    desk.kept(60.0, &errand);
    let errand = desk.call(400.0, None).unwrap();
    desk.done(400.0, &errand, &Outcome::Failed { status: 503 });
    assert!(desk.uses(401.0));
    let mut errand = None;
    for second in 0..100 {
        errand = errand.or_else(|| desk.call(500.0 + f64::from(second), None));
    }
    let record = desk.done(600.0, &errand.unwrap(), &Outcome::Refused { status: 403 });
    assert_eq!((record.status, record.cost), (403, None));
    assert!(!desk.uses(601.0));
}

/// The name is forgotten when the caller's own body was accepted, and only that name.
#[test]
fn what_is_gone_is_forgotten() {
    for status in [400, 403, 404] {
        let mut desk = Desk::new(FLASH);
        let mut exchange = Desk::new(FLASH).prepare(1.0).exchange;
        assert_eq!(
            exchange.on_response(at(1.0), status, Framing::Json),
            Order::Proceed
        );
        drop(exchange);
        let errand = rented(&mut desk);
        desk.kept(60.0, &errand);
        let [mut first, mut late] = [70.0, 71.0].map(|now| desk.prepare(now).exchange);
        for exchange in [&mut first, &mut late] {
            let verdict = exchange.on_response(at(72.0), status, Framing::Json);
            assert_eq!(verdict, Order::Resend, "{status}");
        }
        assert!(desk.uses(73.0));
        let _ = first.on_response(at(74.0), 200, Framing::Json);
        assert!(!desk.uses(75.0), "{status}");
        let other = Outcome::Kept {
            name: "cachedContents/12".into(),
            tokens: None,
            asked: at(76.0),
        };
        desk.done(76.0, &errand, &other);
        let _ = late.on_response(at(77.0), 200, Framing::Json);
        assert!(desk.uses(78.0), "{status}");
    }
}

#[test]
fn a_name_that_is_none_is_not_used() {
    let mut desk = Desk::new(FLASH);
    let errand = rented(&mut desk);
    let odd = Outcome::Kept {
        name: "a\",\"b\":\"c".into(),
        tokens: None,
        asked: at(60.0),
    };
    desk.done(60.0, &errand, &odd);
    assert!(desk.prepare(61.0).body.is_none());
}

/// Prices per million tokens: 0.30 in, 1.00 per hour; ten minutes are a sixth.
#[test]
fn rent_is_booked_for_the_time_it_is_paid_for() {
    let dollars = |pico: i128| Some(Money::from_pico(pico));
    let mut desk = Desk::new(FLASH);
    let errand = rented(&mut desk);
    let record = desk.kept(60.0, &errand);
    assert!(record.errand && record.complete);
    // 6,000 tokens: 1,800 microdollars, and 1,000 for the rent.
    assert_eq!(record.cost, dollars(2_800_000_000));
    assert_eq!(record.cost_without_caching, Some(Money::ZERO));
    assert_eq!(record.usage.unwrap().plain, Some(6000));
    // 400 seconds later 200 are left, so that 400 are added.
    let errand = desk.call(460.0, None).unwrap();
    let record = desk.kept(460.0, &errand);
    let cost = record.cost.unwrap().as_pico();
    assert_eq!((cost, record.usage), (666_666_666, None));
    // Deleted after 300 more: the other 300 are given back.
    let held = Held::new("cachedContents/1", at(460.0).plus(RENT));
    let gone = errand.undone(&held, Some(6000));
    assert_eq!(gone.kind, ErrandKind::Delete("cachedContents/1".into()));
    let record = desk.done(760.0, &gone, &Outcome::Deleted);
    assert_eq!(record.cost, dollars(-500_000_000));
    assert!(!desk.uses(761.0));
}

#[test]
fn a_regional_endpoint_is_dearer_to_rent_at() {
    let cost = |regional: bool| {
        let mut desk = Desk::new(FLASH);
        (desk.meta.provider, desk.meta.regional) = ("vertex", regional);
        let errand = rented(&mut desk);
        desk.kept(60.0, &errand).cost.unwrap().as_pico()
    };
    assert_eq!(cost(false), 2_800_000_000);
    assert_eq!(cost(true), 3_080_000_000);
}
