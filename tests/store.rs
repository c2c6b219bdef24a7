//! The ledger on disk: SQLite and Postgres, crashes and full queues.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test may stop at the first surprise, and its child reports on stdout"
)]
#![expect(
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "every column is compared, one by one"
)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cachewright::adapter::clock::Clock;
use cachewright::adapter::store::{COLUMNS, Query, Store, StoreOptions};
use cachewright::ledger::{Attempt, Group, Id, Ledger, Record, Settled, Story, Verdict};
use cachewright::model::{
    Arm, Cause, Digest, Keyring, Miss, Money, Pattern, Place, Section, Skip, Timestamp, Ttl, Usage,
};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr as _};

use crate::support::postgres::Postgres;

/// A moment at the beginning of an hour.
const START: i64 = 1_790_000_000_000_000 / HOUR * HOUR;
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3600 * SECOND;

/// Where a case is run.
struct Bench {
    target: String,
    _dir: Option<tempfile::TempDir>,
    _cluster: Option<Arc<Postgres>>,
}

impl Bench {
    fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            target: dir.path().join("a b/ledger%20.db").display().to_string(),
            _dir: Some(dir),
            _cluster: None,
        }
    }

    fn postgres() -> Option<Self> {
        let cluster = Postgres::shared()?;
        Some(Self {
            target: cluster.database(),
            _dir: None,
            _cluster: Some(cluster),
        })
    }

    fn options(&self) -> StoreOptions {
        StoreOptions::at(&self.target).unwrap()
    }

    fn store(&self) -> Store {
        Store::open(self.options()).unwrap()
    }

    fn is_sqlite(&self) -> bool {
        !self.target.starts_with("postgres")
    }

    /// The address as sqlx takes it.
    fn url(&self) -> String {
        if self.is_sqlite() {
            let path = self.target.replace('%', "%25").replace(' ', "%20");
            format!("sqlite://{path}")
        } else {
            self.target.clone()
        }
    }

    /// Runs statements of the test's own.
    fn run(&self, statements: &[&str]) {
        let url = self.url();
        let runtime = runtime();
        runtime.block_on(async {
            sqlx::any::install_default_drivers();
            let mut db = sqlx::AnyConnection::connect(&url).await.unwrap();
            for text in statements {
                let query = sqlx::query(AssertSqlSafe((*text).to_owned()));
                query.execute(&mut db).await.unwrap();
            }
            db.close().await.unwrap();
        });
    }
}

/// The same cases over both databases.
macro_rules! over_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $case() { super::$case(&super::Bench::sqlite()); })*
        }
        mod postgres {
            $(#[test] fn $case() {
                if let Some(bench) = super::Bench::postgres() {
                    super::$case(&bench);
                }
            })*
        }
    };
}

over_both!(
    every_column_comes_back,
    what_is_not_reported_is_not_zero,
    a_report_says_what_the_books_say,
    times_within_an_hour_are_exact,
    sums_go_beyond_sixty_four_bits,
    a_settled_write_is_noted_once,
    what_a_full_queue_drops_is_told,
    old_rows_go_and_their_sums_stay,
    a_ledger_keeps_to_its_size,
    two_writers_share_a_ledger,
    an_older_ledger_is_brought_up_to_date,
    labels_and_places_stay_few,
    a_killed_process_loses_nothing_that_was_committed,
);

fn digest(name: &str) -> Digest {
    Keyring::new(b"test").scope(&[name.as_bytes()])
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(START + micros)
}

fn record(number: u64, micros: i64) -> Record {
    let mut record = Record::default();
    record.id = Id { run: 7, number };
    record.at = at(micros);
    record.ended = at(micros + SECOND);
    record.provider = "anthropic".into();
    record.model = "claude-sonnet-4.5".into();
    record
}

/// Everything is set, and nothing equals anything else.
fn full(number: u64) -> Record {
    let mut record = record(number, 11);
    record.id.run = u64::MAX >> 1;
    record.first_byte = Some(at(12));
    record.overhead = Duration::from_micros(13);
    record.dialect = "messages".into();
    record.model_known = true;
    record.route = "ro'ute\u{1f980}".into();
    record.tenant = "ten\"ant".into();
    record.status = 201;
    record.complete = true;
    let mut usage = Usage::reported(14, 15, 16, 17, 18);
    usage.write_30m = Some(19);
    usage.cost = Some(Money::from_pico(20));
    record.usage = Some(usage);
    record.cost = Some(Money::from_pico(-21));
    record.cost_without_caching = Some(Money::from_pico(22));
    record.premium = Money::from_pico(23);
    record.estimated_input = 24;
    record.sections = [25, 26, 27];
    record.predicted_read = Some(28);
    record.readable = Some(29);
    record.breakpoints = 30;
    record.breakpoints_placed = 31;
    record.breakpoints_honoured = Some(32);
    record.reshaped = vec!["tool_order", "whitespace"];
    record.resent = true;
    record.skip = Some(Skip::UnknownEndpoint);
    record.verdict = Verdict::Downgraded;
    let mut miss = Miss::new(Cause::Volatile, 33);
    miss.cost = Some(Money::from_pico(34));
    let mut place = Place::new(Section::Tools, 35, 36, "/tools/3");
    place.excerpts = Some(["be\nfore".into(), "after".into()]);
    miss.place = Some(place);
    miss.pattern = Some(Pattern::GitLine);
    miss.reported = Some("system_changed".into());
    record.miss = Some(miss);
    record.scope = Some(digest("scope"));
    record.lineage = Some(digest("lineage"));
    record.ends = ["tools", "system", "request"].map(|name| Some(digest(name)));
    record.read_prefix = Some(digest("read"));
    record.written = vec![
        (digest("a"), Ttl::OneHour, 37),
        (digest("b"), Ttl::FiveMinutes, 38),
    ];
    let mut attempt = attempt("back'end", 39, 40);
    attempt.hop = Some(Money::from_pico(41));
    attempt.why = "order: it stands first".into();
    record.attempt = Some(Box::new(attempt));
    record.presumed = Some(Money::from_pico(42));
    record.held = Duration::from_micros(43);
    record.errand_kind = "prewarm";
    record.arm = Some(Arm::Control);
    record
}

fn attempt(backend: &str, call: u64, number: u32) -> Attempt {
    let mut attempt = Attempt::default();
    attempt.backend = backend.into();
    attempt.call = call;
    attempt.number = number;
    attempt
}

fn rows(store: &Store, query: &Query) -> Vec<Record> {
    let mut found = Vec::new();
    let read = store.rows(query, |row| {
        found.push(row.record);
        Ok::<(), cachewright::error::Error>(())
    });
    read.unwrap();
    found
}

fn every_column_comes_back(bench: &Bench) {
    let store = bench.store();
    let mut errand = record(3, 5);
    errand.errand = true;
    let mut bare = Record::default();
    bare.id.number = 2;
    let written = [full(1), bare, errand];
    let observer = store.observer();
    for record in &written {
        observer.booked(record);
    }
    store.flush().unwrap();
    assert_eq!(store.health().written, 3);
    for record in &written {
        let found = store.find(record.id).unwrap().unwrap();
        assert_eq!(format!("{:?}", found.record), format!("{record:?}"));
        assert_eq!(found.wasted, None);
        assert_eq!(found.cells().len(), COLUMNS.len());
    }
    // Oldest first.
    let order: Vec<u64> = rows(&store, &Query::default())
        .iter()
        .map(|record| record.id.number)
        .collect();
    assert_eq!(order, [2, 3, 1]);
    assert_eq!(
        store
            .find(Id { run: 1, number: 1 })
            .unwrap()
            .map(|row| row.wasted),
        None
    );
}

fn what_is_not_reported_is_not_zero(bench: &Bench) {
    let store = bench.store();
    let observer = store.observer();
    let mut silent = record(1, 0);
    silent.usage = Some(Usage::default());
    let mut zero = record(2, HOUR);
    let mut usage = Usage::default();
    usage.read = Some(0);
    zero.usage = Some(usage);
    observer.booked(&silent);
    observer.booked(&record(3, 0));
    store.flush().unwrap();
    let story = store.story(&Query::default()).unwrap();
    assert_eq!(story.total.usage, Usage::default());
    assert_eq!((story.total.unreported, story.total.unpriced), (1, 1));
    observer.booked(&zero);
    store.flush().unwrap();
    let story = store.story(&Query::default()).unwrap();
    assert_eq!(
        (story.total.usage.read, story.total.usage.plain),
        (Some(0), None)
    );
    let found = store.find(silent.id).unwrap().unwrap().record;
    assert_eq!(found.usage, Some(Usage::default()));
    assert_eq!(
        store
            .find(Id { run: 7, number: 3 })
            .unwrap()
            .unwrap()
            .record
            .usage,
        None
    );
}

/// Traffic of some hours with everything that sums are kept of, without chance.
fn traffic(count: u64) -> Vec<Record> {
    (1..=count).map(|number| one(number, count)).collect()
}

fn one(number: u64, count: u64) -> Record {
    let pick = |of: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33 ^ of;
    let span = 5 * HOUR / i64::try_from(count).unwrap();
    let mut record = record(number, i64::try_from(number).unwrap() * span);
    record.model = format!("model-{}", pick(1) % 3).into();
    record.route = ["", "support", "agents"][usize::try_from(pick(2) % 3).unwrap()].into();
    record.tenant = format!("t{}", pick(3) % 4).into();
    record.overhead = Duration::from_micros(pick(4) % 900);
    record.verdict = Verdict::ALL[usize::try_from(pick(5) % 12).unwrap()];
    record.ends = [Some(digest("tools")), Some(digest("system")), None];
    record.lineage = Some(digest(&format!("talk {}", pick(6) % 20)));
    record.errand = number.is_multiple_of(50);
    if !record.errand && !number.is_multiple_of(4) {
        let backend = ["direct", "bedrock"][usize::try_from(pick(21) % 2).unwrap()];
        let mut attempt = attempt(backend, number / 2, 1);
        let hop = Money::from_pico(i128::from(pick(22) % 1_000_003));
        attempt.hop = number.is_multiple_of(5).then_some(hop);
        record.attempt = Some(Box::new(attempt));
    }
    if !record.errand && number.is_multiple_of(27) {
        record.presumed = Some(Money::from_pico(i128::from(pick(23) % 1_000_003)));
    }
    if !number.is_multiple_of(9) {
        record.usage = Some(Usage::reported(
            pick(7) % 99,
            pick(8) % 9999,
            pick(9) % 999,
            3,
            50,
        ));
        record.readable = Some(pick(10) % 12_000);
        record.estimated_input = pick(11) % 10_000;
    }
    if !number.is_multiple_of(7) && record.usage.is_some() {
        record.cost = Some(Money::from_pico(i128::from(pick(12) % 1_000_000_007)));
        record.cost_without_caching = Some(Money::from_pico(i128::from(pick(13))));
    }
    record.premium = Money::from_pico(i128::from(pick(14) % 1_000_003));
    record.written = vec![(
        digest(&format!("w{}", pick(15) % 600)),
        Ttl::FiveMinutes,
        100,
    )];
    record.read_prefix = Some(digest(&format!("w{}", pick(16) % 600)));
    if number.is_multiple_of(3) {
        let mut miss = Miss::new(
            Cause::ALL[usize::try_from(pick(17) % 18).unwrap()],
            pick(18) % 999,
        );
        miss.cost = Some(Money::from_pico(i128::from(pick(19) % 1_000_033)));
        let pointer = format!("/messages/{}/content/0", pick(20) % 40);
        miss.place = Some(Place::new(Section::Messages, 4, 5, pointer));
        record.miss = Some(miss);
    }
    record
}

/// Books the records as a handle does, and tells the store.
fn book(ledger: &mut Ledger, store: &Store, records: &[Record]) {
    let observer = store.observer();
    for record in records {
        let settled = ledger.record(record);
        observer.booked(record);
        observer.settled(&settled);
        // Nothing is dropped here.
        if record.id.number.is_multiple_of(2000) {
            store.flush().unwrap();
        }
    }
    observer.settled(&ledger.settle(at(100 * HOUR)));
    store.flush().unwrap();
}

/// What both say of the totals and of every label.
fn agree(story: &Story, ledger: &Ledger) {
    assert_eq!(&story.total, ledger.totals());
    for group in Group::ALL {
        let mut told = story.by[&group].clone();
        told.sort_by(|one, other| one.0.cmp(&other.0));
        let booked: Vec<_> = ledger
            .totals_by(group)
            .map(|(label, totals)| (Box::from(label), *totals))
            .collect();
        assert_eq!(told, booked, "{group:?}");
    }
}

fn a_report_says_what_the_books_say(bench: &Bench) {
    let store = bench.store();
    let mut ledger = Ledger::default();
    let records = traffic(2500);
    book(&mut ledger, &store, &records);
    let story = store.story(&Query::default()).unwrap();
    agree(&story, &ledger);
    assert!(story.total.waste > Money::ZERO && story.never_read > 0);
    let backends = story.by[&Group::Backend].len();
    assert_eq!(backends, 3, "two, and what no route decided on");
    let total = &story.total;
    assert!(total.hops > 100 && total.presumed > 50 && total.attempts > 1000);
    assert!(total.hops_cost > Money::ZERO && total.presumed_cost > Money::ZERO);
    assert_eq!(
        (story.from, story.until),
        (Some(records[0].at), Some(records[2499].at))
    );
    // Causes, verdicts, places and stretches, counted here once more.
    let calls: Vec<&Record> = records.iter().filter(|record| !record.errand).collect();
    for sum in &story.causes {
        let mut misses = calls.iter().filter_map(|call| call.miss.as_ref());
        let (mut count, mut tokens, mut cost) = (0, 0, Money::ZERO);
        while let Some(miss) = misses.find(|miss| miss.cause == sum.cause) {
            count += 1;
            tokens += miss.tokens;
            cost += miss.cost.unwrap();
        }
        assert_eq!(
            (sum.misses, sum.tokens, sum.cost),
            (count, tokens, cost),
            "{sum:?}"
        );
    }
    assert_eq!(story.causes.len(), 18);
    for (verdict, count) in &story.verdicts {
        let same = calls.iter().filter(|call| call.verdict == *verdict);
        assert_eq!(same.count() as u64, *count);
    }
    assert_eq!(story.worst.len(), 10);
    assert!(
        story
            .worst
            .windows(2)
            .all(|pair| pair[0].cost >= pair[1].cost)
    );
    let first = &story.worst[0];
    let same = calls.iter().rev().filter(|call| call.route == first.route);
    let mut same = same.filter_map(|call| call.miss.as_ref());
    let last = same.find(|miss| miss.cause == first.cause).unwrap();
    assert_eq!(first.pointer, last.place.as_ref().unwrap().pointer);
    let reads: u64 = story.flames.iter().map(|flame| flame.kinds.read).sum();
    let booked: u64 = calls.iter().filter_map(|call| call.usage?.read).sum();
    assert_eq!(reads, booked);
    assert!(
        story
            .flames
            .windows(2)
            .all(|pair| pair[0].path < pair[1].path)
    );
    let counted: u64 = story
        .moments
        .iter()
        .map(|moment| moment.totals.exchanges)
        .sum();
    assert_eq!(counted, story.total.exchanges);
    assert!(story.moments.len() > 12, "{}", story.moments.len());
    // One label only.
    let only = Query::default()
        .only(Group::Route, "support")
        .only(Group::Tenant, "t1");
    let mut ledger = Ledger::default();
    let mine = |record: &&Record| &*record.route == "support" && &*record.tenant == "t1";
    for record in records.iter().filter(mine) {
        ledger.record(record);
    }
    let mut story = store.story(&only).unwrap();
    // Others' reads saved some of its writes.
    story.total.waste = ledger.totals().waste;
    assert_eq!(&story.total, ledger.totals());
}

fn times_within_an_hour_are_exact(bench: &Bench) {
    let store = bench.store();
    let records = traffic(1000);
    book(&mut Ledger::default(), &store, &records);
    for (from, until) in [
        (HOUR / 3, 4 * HOUR + 7 * SECOND),
        (2 * HOUR + SECOND, 2 * HOUR + 900 * SECOND),
        (HOUR, 3 * HOUR),
        (9 * HOUR, 10 * HOUR),
    ] {
        let query = Query::default().since(at(from)).until(at(until));
        let mut story = store.story(&query).unwrap();
        let mut ledger = Ledger::default();
        let within = |record: &&Record| record.at >= at(from) && record.at < at(until);
        for record in records.iter().filter(within) {
            ledger.record(record);
        }
        // What became of a write may show after the time that is asked for.
        story.total.waste = ledger.totals().waste;
        assert_eq!(&story.total, ledger.totals(), "{from} {until}");
        let exported = rows(&store, &query).len() as u64;
        assert_eq!(exported, story.total.exchanges + story.total.errands);
    }
}

fn sums_go_beyond_sixty_four_bits(bench: &Bench) {
    let store = bench.store();
    let observer = store.observer();
    let large = i128::from(i64::MAX) - 12_345;
    for number in 0..40 {
        let mut record = record(number, i64::try_from(number).unwrap());
        record.usage = Some(Usage::reported(1, 1, 1, 1, 1));
        record.cost = Some(Money::from_pico(large));
        record.cost_without_caching = Some(Money::from_pico(-large));
        observer.booked(&record);
    }
    store.flush().unwrap();
    let total = store.story(&Query::default()).unwrap().total;
    assert_eq!(total.cost, Money::from_pico(large * 40));
    assert_eq!(total.cost_without_caching, Money::from_pico(-large * 40));
}

fn a_settled_write_is_noted_once(bench: &Bench) {
    let store = bench.store();
    let observer = store.observer();
    let mut ledger = Ledger::default();
    let mut lost = record(1, 0);
    lost.premium = Money::from_pico(500);
    lost.written = vec![(digest("lost"), Ttl::FiveMinutes, 10)];
    let mut kept = record(2, 0);
    kept.premium = Money::from_pico(700);
    kept.written = vec![(digest("kept"), Ttl::FiveMinutes, 10)];
    let mut reader = record(3, SECOND);
    reader.read_prefix = Some(digest("kept"));
    for record in [&lost, &kept, &reader] {
        ledger.record(record);
        observer.booked(record);
    }
    store.flush().unwrap();
    let settled: Vec<Settled> = ledger.settle(at(HOUR));
    assert_eq!(settled.len(), 2);
    observer.settled(&settled);
    observer.settled(&settled);
    store.flush().unwrap();
    let wasted = |id| store.find(id).unwrap().unwrap().wasted;
    assert_eq!(wasted(lost.id), Some(Money::from_pico(500)));
    assert_eq!(wasted(kept.id), Some(Money::ZERO));
    assert_eq!(wasted(reader.id), None);
    let story = store.story(&Query::default()).unwrap();
    assert_eq!(
        (story.total.waste, story.never_read),
        (Money::from_pico(500), 1)
    );
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Waits for what must happen.
fn soon(mut happened: impl FnMut() -> bool) {
    for _ in 0..12_000 {
        if happened() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("it never happened");
}

fn what_a_full_queue_drops_is_told(bench: &Bench) {
    let store = Store::open(bench.options().queue(8)).unwrap();
    let observer = store.observer();
    observer.booked(&record(1, 0));
    store.flush().unwrap();
    let url = bench.url();
    let runtime = runtime();
    let lock = [
        "BEGIN EXCLUSIVE",
        "BEGIN; LOCK TABLE exchanges IN ACCESS EXCLUSIVE MODE",
    ];
    let mut db = runtime.block_on(async {
        let mut db = sqlx::AnyConnection::connect(&url).await.unwrap();
        let text = lock[usize::from(!bench.is_sqlite())];
        sqlx::raw_sql(text).execute(&mut db).await.unwrap();
        db
    });
    // Nothing waits for the lock here.
    for number in 2..=3001 {
        observer.booked(&record(number, i64::try_from(number).unwrap()));
    }
    let dropped = store.dropped();
    assert!(dropped > 0 && dropped < 3000, "{dropped}");
    runtime.block_on(async {
        sqlx::raw_sql("ROLLBACK").execute(&mut db).await.unwrap();
        db.close().await.unwrap();
    });
    soon(|| store.flush().is_ok());
    observer.booked(&record(3002, 4000));
    store.flush().unwrap();
    assert_eq!(store.health().written + dropped, 3002);
    let info = store.info().unwrap();
    assert_eq!((info.rows, info.dropped), (3002 - dropped, dropped));
    let told: u64 = info.gaps.iter().map(|gap| gap.dropped).sum();
    assert_eq!(told, dropped);
    assert!(info.gaps[0].from > at(0) && info.gaps[0].until <= at(3001));
    assert_eq!(store.story(&Query::default()).unwrap().dropped, dropped);
    assert_eq!(store.health().trouble, None);
}

/// A clock that stands still.
#[derive(Debug)]
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn old_rows_go_and_their_sums_stay(bench: &Bench) {
    let keep = Duration::from_secs(2 * 3600);
    let mut ledger = Ledger::default();
    let records = traffic(3000);
    book(&mut ledger, &bench.store(), &records);
    let options = bench.options().retention(keep).clock(Stopped(at(5 * HOUR)));
    let store = Store::open(options).unwrap();
    let _observer = store.observer();
    let young = |record: &&Record| record.at >= at(3 * HOUR);
    let kept = records.iter().filter(young).count() as u64;
    assert!(kept < 1500);
    soon(|| store.info().unwrap().rows == kept);
    agree(&store.story(&Query::default()).unwrap(), &ledger);
    assert_eq!(store.info().unwrap().summed, 3000);
    assert_eq!(rows(&store, &Query::default()).len() as u64, kept);
    assert!(store.find(records[0].id).unwrap().is_none());
    // An hour whose rows are gone is told as a whole.
    let query = Query::default().since(at(HOUR / 2)).until(at(HOUR));
    let hour = store.story(&query).unwrap().total;
    let whole = records.iter().filter(|record| record.at < at(HOUR)).count() as u64;
    assert_eq!(hour.exchanges + hour.errands, whole);
}

fn a_ledger_keeps_to_its_size(bench: &Bench) {
    let most = 3_000_000;
    let mut ledger = Ledger::default();
    let records = traffic(12_000);
    book(&mut ledger, &bench.store(), &records);
    let store = Store::open(bench.options().max_size(most)).unwrap();
    let _observer = store.observer();
    let rows = || store.info().unwrap().rows;
    soon(|| rows() < 12_000);
    let mut before = rows();
    soon(|| {
        let now = rows();
        std::mem::replace(&mut before, now) == now && now < 10_000
    });
    // The newest are kept, and not many fewer than there is room for.
    assert!(before > 2000, "{before}");
    assert!(store.find(records[11_999].id).unwrap().is_some());
    assert!(store.find(records[0].id).unwrap().is_none());
    agree(&store.story(&Query::default()).unwrap(), &ledger);
    if bench.is_sqlite() {
        soon(|| std::fs::metadata(&bench.target).unwrap().len() < most + 200_000);
    }
}

fn two_writers_share_a_ledger(bench: &Bench) {
    let stores = [bench.store(), bench.store(), bench.store()];
    let mut ledger = Ledger::default();
    let records = traffic(3000);
    for record in &records {
        ledger.record(record);
    }
    std::thread::scope(|scope| {
        for (share, store) in stores.iter().enumerate() {
            let mine = records.iter().skip(share).step_by(3);
            scope.spawn(move || {
                let observer = store.observer();
                for record in mine {
                    observer.booked(record);
                    if record.id.number.is_multiple_of(100) {
                        store.flush().unwrap();
                    }
                }
                store.flush().unwrap();
            });
        }
    });
    let mut told = stores[0].story(&Query::default()).unwrap().total;
    told.waste = ledger.totals().waste;
    assert_eq!(&told, ledger.totals());
    assert!(stores.iter().all(|store| store.dropped() == 0));
    assert_eq!(stores[1].info().unwrap().rows, 3000);
}

fn an_older_ledger_is_brought_up_to_date(bench: &Bench) {
    let words = if bench.is_sqlite() {
        ["BLOB", "WITHOUT ROWID"]
    } else {
        ["BYTEA", ""]
    };
    let first = include_str!("../src/adapter/store/migrations/0001_exchanges.sql")
        .replace("{BYTES}", words[0])
        .replace("{CLUSTERED}", words[1]);
    let first = Migration::new(
        1,
        "exchanges".into(),
        MigrationType::Simple,
        AssertSqlSafe(first).into_sql_str(),
        false,
    );
    if bench.is_sqlite() {
        let path = Path::new(&bench.target);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    let url = bench.url();
    let runtime = runtime();
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let mut db = sqlx::AnyConnection::connect(&url).await.unwrap();
        let migrator = Migrator::with_migrations(vec![first]);
        migrator.run_direct(None, &mut db, false).await.unwrap();
        db.close().await.unwrap();
    });
    bench.run(&[
        "INSERT INTO exchanges (run, number, at, ended, overhead_micros, kind, provider, dialect, \
         model, model_known, route, tenant, status, complete, reported, premium_pico, \
         estimated_input_tokens, tools_tokens, system_tokens, messages_tokens, breakpoints, \
         breakpoints_placed, resent, verdict) VALUES (1, 2, 3, 4, 5, 'exchange', 'p', 'd', 'm', 1, \
         '', '', 200, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 'hit')",
    ]);
    bench.run(&sums_of_version_one());
    let store = Store::existing(bench.options()).unwrap();
    let found = store.find(Id { run: 1, number: 2 }).unwrap().unwrap();
    assert_eq!(found.record.verdict, Verdict::Hit);
    assert_eq!((found.record.attempt, found.record.presumed), (None, None));
    assert_eq!((found.record.arm, found.record.errand_kind), (None, ""));
    assert!(found.record.held.is_zero());
    assert_eq!(store.info().unwrap().dropped, 0);
    let story = store.story(&Query::default()).unwrap();
    old_sums_are_there(&story);
    assert_eq!(story.by.get(&Group::Backend), None);
    // What is written from now on stands beside it.
    let mut routed = record(9, 0);
    routed.attempt = Some(Box::new(attempt("direct", 1, 1)));
    store.observer().booked(&routed);
    store.flush().unwrap();
    let story = store.story(&Query::default()).unwrap();
    assert_eq!(story.total.exchanges, 12);
    assert_eq!(story.by[&Group::Backend].len(), 2);
    let old = store
        .story(&Query::default().only(Group::Backend, ""))
        .unwrap();
    old_sums_are_there(&old);
    // One that is newer than this crate is left alone.
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES";
    let newer = match bench.is_sqlite() {
        true => format!("{newer} (99, 'x', TRUE, x'00', 0)"),
        false => format!("{newer} (99, 'x', TRUE, '\\x00', 0)"),
    };
    bench.run(&[&newer]);
    let error = Store::existing(bench.options()).unwrap_err().to_string();
    assert!(error.contains("newer"), "{error}");
}

/// A row in every table of sums, as the first version had them.
fn sums_of_version_one() -> [&'static str; 5] {
    [
        "INSERT INTO hours (hour, provider, model, route, tenant, exchanges, unreported, unpriced, \
         skipped, plain_tokens, cost_micro, cost_rest, cost_without_caching_micro, \
         cost_without_caching_rest, waste_micro, waste_rest, errands, errands_cost_micro, \
         errands_cost_rest, misestimated, readable, readable_read, misses, missed, \
         missed_cost_micro, missed_cost_rest, overhead_micros, never_read) VALUES (0, 'p', 'm', \
         'r', 't', 11, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 0, 0, 12, 13, 14, 15, 16, 17, 18, 19, 20)",
        "INSERT INTO causes (hour, provider, model, route, tenant, cause, misses, tokens, \
         cost_micro, cost_rest) VALUES (0, 'p', 'm', 'r', 't', 'ttl_expired', 21, 22, 0, 23)",
        "INSERT INTO verdicts (hour, provider, model, route, tenant, verdict, exchanges) VALUES \
         (0, 'p', 'm', 'r', 't', 'hit', 24)",
        "INSERT INTO places (hour, provider, model, route, tenant, cause, pattern, spot, misses, \
         tokens, cost_micro, cost_rest, pointer, byte, run, number) VALUES (0, 'p', 'm', 'r', 't', \
         'ttl_expired', '', '/system', 25, 26, 0, 27, '/system/0', 28, 29, 30)",
        "INSERT INTO prefixes (hour, provider, model, route, tenant, tools, system, conversation, \
         read_tokens, write_tokens, plain_tokens) VALUES (0, 'p', 'm', 'r', 't', 'a', 'b', 'c', \
         31, 32, 33)",
    ]
}

/// What [`sums_of_version_one`] wrote.
fn old_sums_are_there(story: &Story) {
    assert_eq!((story.total.skipped, story.total.usage.plain), (3, Some(4)));
    assert_eq!(story.total.cost, Money::from_pico(5_000_006));
    assert_eq!(story.total.missed_cost, Money::from_pico(17_000_018));
    assert_eq!((story.total.overhead_micros, story.never_read), (19, 20));
    let cause = story.causes[0];
    assert_eq!((cause.cause, cause.misses), (Cause::Expired, 21));
    assert_eq!(cause.cost, Money::from_pico(23));
    assert_eq!(story.verdicts[&Verdict::Hit], 24);
    let worst = &story.worst[0];
    assert_eq!((worst.misses, worst.byte), (25, 28));
    let read: u64 = story.flames.iter().map(|flame| flame.kinds.read).sum();
    assert_eq!(read, 31);
}

fn labels_and_places_stay_few(bench: &Bench) {
    let store = bench.store();
    let observer = store.observer();
    let mut tokens = 0;
    for number in 0..4000 {
        let mut record = record(number, i64::try_from(number).unwrap());
        record.tenant = format!("tenant {number}").into();
        record.lineage = Some(digest(&format!("{number}")));
        record.ends[1] = Some(digest(&format!("system {number}")));
        record.usage = Some(Usage::reported(0, number, 0, 0, 0));
        tokens += number;
        let mut miss = Miss::new(Cause::SystemChanged, 1);
        miss.place = Some(Place::new(
            Section::System,
            0,
            0,
            format!("/system/{number}"),
        ));
        record.miss = Some(miss);
        observer.booked(&record);
        if number.is_multiple_of(1000) {
            store.flush().unwrap();
        }
    }
    store.flush().unwrap();
    let story = store.story(&Query::default()).unwrap();
    assert_eq!(story.total.exchanges, 4000);
    let tenants = &story.by[&Group::Tenant];
    assert!(tenants.len() < 1100, "{}", tenants.len());
    assert!(tenants.iter().any(|(tenant, _)| &**tenant == "other"));
    assert!(story.flames.len() <= 800, "{}", story.flames.len());
    let read: u64 = story.flames.iter().map(|flame| flame.kinds.read).sum();
    assert_eq!(read, tokens);
    assert_eq!(story.causes[0].misses, 4000);
}

/// What the child of the next test is told to write to.
const CHILD: &str = "CACHEWRIGHT_STORE_CHILD";

/// Not a test: a process that writes until it is killed, and says what is committed.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(told) = std::env::var_os(CHILD) else {
        return;
    };
    let told = told.into_string().unwrap();
    let (run, target) = told.split_once(' ').unwrap();
    let store = Store::open(StoreOptions::at(target).unwrap()).unwrap();
    let observer = store.observer();
    let mut number = 0;
    loop {
        for _ in 0..37 {
            number += 1;
            let mut record = one(number % 1000 + 1, 1000);
            record.id = Id {
                run: run.parse().unwrap(),
                number,
            };
            observer.booked(&record);
        }
        store.flush().unwrap();
        println!("committed {number}");
    }
}

fn a_killed_process_loses_nothing_that_was_committed(bench: &Bench) {
    drop(bench.store());
    let rounds = 6;
    let mut promised = Vec::new();
    for run in 1..=rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "store::child_that_writes_until_it_is_killed",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, format!("{run} {}", bench.target))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut committed = 0;
        // At another point of its work each time.
        for _ in 0..2 + run * 3 {
            let said = lines.find_map(|line| {
                line.unwrap()
                    .strip_prefix("committed ")
                    .map(|number| number.parse().unwrap())
            });
            committed = said.unwrap();
        }
        child.kill().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("committed ") {
                committed = number.parse().unwrap_or(committed);
            }
        }
        child.wait().unwrap();
        promised.push((run, committed));
    }
    let store = Store::existing(bench.options()).unwrap();
    let there = rows(&store, &Query::default());
    for (run, committed) in promised {
        let mut numbers: Vec<u64> = there
            .iter()
            .filter(|record| record.id.run == run)
            .map(|record| record.id.number)
            .collect();
        numbers.sort_unstable();
        assert!(numbers.len() as u64 >= committed);
        // Batches are whole: no number is missing up to the last that is there.
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    }
    // Sums are committed with their rows.
    let story = store.story(&Query::default()).unwrap();
    let errands = there.iter().filter(|record| record.errand).count() as u64;
    assert_eq!(story.total.exchanges, there.len() as u64 - errands);
    if bench.is_sqlite() {
        assert_eq!(integrity(Path::new(&bench.target)), "ok");
    }
}

/// What SQLite says of the file.
pub(crate) fn integrity(path: &Path) -> String {
    let path = path
        .display()
        .to_string()
        .replace('%', "%25")
        .replace(' ', "%20");
    let runtime = runtime();
    runtime.block_on(async {
        sqlx::any::install_default_drivers();
        let mut db = sqlx::AnyConnection::connect(&format!("sqlite://{path}"))
            .await
            .unwrap();
        let check = sqlx::query_scalar("PRAGMA integrity_check");
        check.fetch_one(&mut db).await.unwrap()
    })
}

#[test]
fn a_file_that_is_deleted_is_made_anew() {
    let bench = Bench::sqlite();
    let store = bench.store();
    let observer = store.observer();
    observer.booked(&record(1, 0));
    store.flush().unwrap();
    for end in ["", "-wal", "-shm"] {
        // The last two are there or not.
        let _ = std::fs::remove_file(format!("{}{end}", bench.target));
    }
    observer.booked(&record(2, 1));
    store.flush().unwrap();
    let there: Vec<u64> = rows(&store, &Query::default())
        .iter()
        .map(|row| row.id.number)
        .collect();
    assert_eq!(there, [2]);
}

#[test]
fn a_ledger_that_cannot_be_written_fails_nothing_and_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("blocked");
    std::fs::write(&blocked, "a file where a directory should be").unwrap();
    let target = blocked.join("ledger.db").display().to_string();
    assert!(
        Store::open(StoreOptions::at(&target).unwrap())
            .unwrap_err()
            .is_io()
    );
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = {
        let told = Arc::clone(&told);
        move |what: &str| told.lock().unwrap().push(what.to_owned())
    };
    let store = Store::lazy(StoreOptions::at(&target).unwrap().on_trouble(tell));
    let observer = store.observer();
    observer.booked(&record(1, 0));
    soon(|| store.health().failures >= 3);
    observer.booked(&record(2, 1));
    {
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&target), "{told:?}");
    }
    assert!(store.health().trouble.is_some());
    std::fs::remove_file(&blocked).unwrap();
    store.flush().unwrap();
    assert_eq!(store.info().unwrap().rows, 2);
    let health = store.health();
    assert_eq!(
        (health.written, health.dropped, health.trouble),
        (2, 0, None)
    );
    assert!(told.lock().unwrap()[1].contains("again"));
}

#[test]
fn a_store_that_is_dropped_has_written_everything() {
    let bench = Bench::sqlite();
    let store = bench.store();
    let observer = store.observer();
    for number in 1..=2500 {
        observer.booked(&record(number, 0));
    }
    drop((store, observer));
    assert_eq!(
        Store::existing(bench.options())
            .unwrap()
            .info()
            .unwrap()
            .rows,
        2500
    );
}

#[test]
fn errors_say_what_to_do_and_keep_passwords() {
    let error = Store::existing(StoreOptions::at("/nowhere/ledger.db").unwrap()).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("/nowhere/ledger.db") && said.contains("cachewright proxy"),
        "{said}"
    );
    let url = "postgres://me:hush@127.0.0.1:9/db?sslmode=disable&password=hush";
    let error = Store::open(StoreOptions::at(url).unwrap()).unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(
        said.contains("postgres://me@127.0.0.1:9/db") && !said.contains("hush"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn the_secret_is_made_once_and_is_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let bench = Bench::sqlite();
    let otherwise = Path::new("/nonexistent/secret");
    let secrets: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| bench.options().secret(otherwise).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(secrets[0].len() >= 32 && secrets.iter().all(|secret| *secret == secrets[0]));
    let file = Path::new(&bench.target).with_extension("secret");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::read_dir(file.parent().unwrap()).unwrap().count(),
        1
    );
    assert_ne!(
        Bench::sqlite().options().secret(otherwise).unwrap(),
        secrets[0]
    );
}
