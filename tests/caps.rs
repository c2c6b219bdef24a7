//! Caps under concurrency, over restarts and calendars.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise, its child reports on stdout, and it says what \
              it skips"
)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;

use cachewright::adapter::gateway::{Purse, Zone};
use cachewright::model::{Money, Timestamp, Usage};
use cachewright::route::{
    Amount, Calendar, Cap, CapScope, Caps, Holder, Period, Reservation, Spent, Utc, Who, Worst,
};
use tempfile::TempDir;

const USD: i128 = 1_000_000_000_000;
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// Midnight of 2026-11-25.
const MIDNIGHT: i64 = 1_795_564_800_000_000;

const WHO: Who<'_> = Who {
    route: "contracts",
    tenant: "acme",
    backend: "bedrock",
};

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(MIDNIGHT + micros)
}

fn dollars(dollars: i128) -> Amount {
    Amount::Money(Money::from_pico(dollars * USD))
}

fn pico(amount: Amount) -> i128 {
    match amount {
        Amount::Money(money) => money.as_pico(),
        Amount::Tokens(tokens) => i128::from(tokens),
    }
}

fn route(text: &str) -> Cap {
    Cap::parse(text)
        .unwrap()
        .of(CapScope::Route("contracts".into()))
}

fn caps(caps: &[Cap]) -> Caps {
    Caps::new(caps, Arc::new(Utc))
}

/// So much money and as many tokens as cents.
fn worst(cents: u64) -> Worst {
    let money = Money::from_pico(i128::from(cents) * USD / 100);
    Worst::new(Some(money), cents)
}

fn spent(cents: u64) -> Spent {
    Spent {
        usage: Some(Usage::reported(cents, 0, 0, 0, 0)),
        money: worst(cents).money,
        ..Spent::default()
    }
}

fn open(path: &Path, all: &[Cap], now: i64) -> Purse {
    Purse::open(path, caps(all), at(now)).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(4).enable_all().build().unwrap()
}

/// Where the file stands, in a folder that is made for it.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a b/caps.json");
    (dir, path)
}

/// What was spent of each cap.
fn figures(purse: &Purse, now: i64) -> Vec<Amount> {
    let levels = purse.caps().levels(at(now));
    levels.iter().map(|level| level.spent).collect()
}

/// What a process would find that begins after a crash at this moment.
fn after_a_crash(path: &Path, all: &[Cap], now: i64) -> Vec<Amount> {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("caps.json");
    fs::copy(path, &copy).unwrap();
    figures(&open(&copy, all, now), now)
}

/// Takes room and sends the call, as far as the caps see it.
fn send(purse: &Purse, now: i64, cents: u64) -> Reservation {
    let (reservation, written) = purse.reserve(at(now), &WHO, &worst(cents)).unwrap();
    runtime().block_on(written.done());
    reservation
}

#[test]
fn of_a_hundred_calls_at_once_ten_find_room() {
    let (_dir, path) = place();
    let all = [route("10 USD/day"), Cap::parse("5000 tokens/day").unwrap()];
    for purse in [Purse::new(caps(&all)), open(&path, &all, 0)] {
        let barrier = Barrier::new(100);
        let held: Vec<Option<Reservation>> = thread::scope(|scope| {
            let call = || {
                barrier.wait();
                let held = purse.reserve(at(0), &WHO, &worst(100));
                for level in purse.caps().levels(at(0)) {
                    assert!(pico(level.spent) + pico(level.reserved) <= pico(level.most));
                }
                held.ok().map(|(reservation, _written)| reservation)
            };
            let threads: Vec<_> = (0..100).map(|_| scope.spawn(call)).collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let held: Vec<Reservation> = held.into_iter().flatten().collect();
        assert_eq!(held.len(), 10);
        let barrier = Barrier::new(10);
        thread::scope(|scope| {
            for (cents, reservation) in (1..).zip(held) {
                let (purse, barrier) = (&purse, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    if cents % 2 == 0 {
                        purse.settle(at(1), reservation, &spent(cents));
                    } else {
                        purse.release(at(1), reservation);
                    }
                });
            }
        });
        // Two cents, four, six, eight and ten.
        let exact = Amount::Money(worst(30).money.unwrap());
        assert_eq!(figures(&purse, 1), [exact, Amount::Tokens(30)]);
        let levels = purse.caps().levels(at(1));
        assert!(levels.iter().all(|level| pico(level.reserved) == 0));
    }
    let exact = Amount::Money(worst(30).money.unwrap());
    let found = figures(&open(&path, &all, 2), 2);
    assert_eq!(found, [exact, Amount::Tokens(30)]);
}

/// Calls that keep coming while others end: each takes a dollar and costs a cent or nothing.
#[test]
fn a_file_covers_whatever_tasks_have_sent() {
    let (_dir, path) = place();
    let all = [
        route("10 USD/day"),
        Cap::parse("1M tokens/day")
            .unwrap()
            .of(CapScope::EachTenant),
    ];
    let purse = Arc::new(open(&path, &all, 0));
    let runtime = runtime();
    let sent = runtime.block_on(async {
        let tasks = (0..100_u64).map(|number| {
            let purse = Arc::clone(&purse);
            tokio::spawn(async move {
                let tenant = (number % 7).to_string();
                let who = Who {
                    tenant: &tenant,
                    ..WHO
                };
                let mut sent = 0;
                for round in 0..20 {
                    let Ok((held, written)) = purse.reserve(at(0), &who, &worst(100)) else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    written.done().await;
                    sent += 1;
                    tokio::task::yield_now().await;
                    if (number + round) % 3 == 0 {
                        purse.release(at(0), held);
                    } else {
                        purse.settle(at(0), held, &spent(1));
                    }
                }
                sent
            })
        });
        let mut sent = 0;
        for task in tasks.collect::<Vec<_>>() {
            sent += task.await.unwrap();
        }
        sent
    });
    assert!(sent >= 10, "{sent}");
    let live = figures(&purse, 0);
    assert!(purse.trouble().is_none());
    purse.flush(at(0)).unwrap();
    // Two steps, and a step is as large as the largest reservation here.
    for (live, found) in live.iter().zip(after_a_crash(&path, &all, 0)) {
        let step = match live {
            Amount::Money(_) => USD,
            Amount::Tokens(_) => 5_000,
        };
        let more = pico(found) - pico(*live);
        assert!((0..=2 * step).contains(&more), "{live} {found}");
    }
    purse.close().unwrap();
    assert_eq!(after_a_crash(&path, &all, 0), live);
}

#[test]
fn a_clean_stop_is_exact_and_a_crash_is_tight() {
    let (_dir, path) = place();
    let all = [route("200 USD/day"), route("soft 2 USD/day")];
    let purse = open(&path, &all, 0);
    assert_eq!(after_a_crash(&path, &all, 0), [dollars(0); 2]);
    let one = send(&purse, 1, 300);
    // What was sent is covered, and a step more.
    assert_eq!(after_a_crash(&path, &all, 1), [dollars(6); 2]);
    let two = send(&purse, 2, 100);
    purse.settle(at(3), two, &spent(100));
    purse.flush(at(3)).unwrap();
    assert_eq!(after_a_crash(&path, &all, 3), [dollars(7); 2]);
    // A call under way may have been billed.
    purse.close().unwrap();
    assert_eq!(after_a_crash(&path, &all, 4), [dollars(4); 2]);
    purse.settle(at(5), one, &spent(1));
    assert_eq!(after_a_crash(&path, &all, 5), [dollars(4); 2]);
    drop(purse);
    let purse = open(&path, &all, 6);
    assert_eq!(figures(&purse, 6), [dollars(4); 2]);
    let three = send(&purse, 7, 100);
    assert_eq!(three.crossed().len(), 1);
    purse.release(at(8), three);
    drop(purse);
    assert_eq!(figures(&open(&path, &all, 9), 9), [dollars(4); 2]);
    // And a day later nothing is left of it.
    assert_eq!(figures(&open(&path, &all, DAY), DAY), [dollars(0); 2]);
}

#[test]
fn room_that_was_given_back_is_not_counted_for_long() {
    let (_dir, path) = place();
    let all = [route("1000 USD/day")];
    let purse = open(&path, &all, 0);
    let held: Vec<_> = (0..100).map(|_| send(&purse, 1, 100)).collect();
    assert!(pico(after_a_crash(&path, &all, 1)[0]) >= 100 * USD);
    for one in held {
        purse.release(at(2), one);
    }
    purse.flush(at(2)).unwrap();
    assert_eq!(after_a_crash(&path, &all, 2), [dollars(5)]);
}

const CHILD: &str = "CACHEWRIGHT_TEST_CAPS_CHILD";

/// Not a test: a process that spends until it is killed, and says what it has sent and settled.
#[test]
fn child_that_spends_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let purse = match Purse::open(Path::new(&path), caps(&daily()), at(0)) {
        Ok(purse) => purse,
        Err(error) => {
            println!("refused {error}");
            return;
        }
    };
    let runtime = runtime();
    for number in 0_u64.. {
        let Ok((held, written)) = purse.reserve(at(0), &WHO, &worst(100)) else {
            println!("full");
            return;
        };
        runtime.block_on(written.done());
        println!("sent 100");
        match number % 5 {
            0 => purse.release(at(0), held),
            rest => purse.settle(at(0), held, &spent(rest * 25)),
        }
        println!("cost {}", number % 5 * 25);
    }
}

fn daily() -> [Cap; 2] {
    [
        route("100k USD/day"),
        Cap::parse("1000M tokens/month")
            .unwrap()
            .of(CapScope::EachTenant),
    ]
}

fn child(path: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "caps::child_that_spends_until_it_is_killed",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, path)
        .stdout(Stdio::piped());
    command
}

#[test]
fn a_killed_process_leaves_caps_tighter_and_never_looser() {
    let (_dir, path) = place();
    let rounds: i128 = 6;
    let mut cents = 0;
    for round in 1..=rounds {
        let mut child = child(&path).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // What the last call may have cost; its end is not told yet.
        let mut under_way = 0;
        let mut hear = |line: &str| {
            if let Some(sent) = line.strip_prefix("sent ") {
                under_way = sent.parse().unwrap();
            } else if let Some(cost) = line.strip_prefix("cost ") {
                cents += cost.parse::<i128>().unwrap();
                under_way = 0;
            }
        };
        // At another point of its work each time.
        for line in lines
            .by_ref()
            .take(200 + 301 * usize::try_from(round).unwrap())
        {
            hear(&line.unwrap());
        }
        child.kill().unwrap();
        lines.map_while(Result::ok).for_each(|line| hear(&line));
        child.wait().unwrap();
        cents += under_way;
    }
    let all = daily();
    let purse = open(&path, &all, 0);
    let found = figures(&purse, 0);
    // A step is half a percent; a process that ends may have reserved once more than it told.
    for (found, unit, step) in [(found[0], USD / 100, 500 * USD), (found[1], 1, 5_000_000)] {
        let told = cents * unit;
        let more = pico(found) - told;
        assert!(more >= 0, "{found} {told}");
        assert!(more <= rounds * (2 * step + 100 * unit), "{found} {told}");
    }
}

#[test]
fn two_processes_do_not_share_a_file() {
    let (_dir, path) = place();
    let purse = open(&path, &daily(), 0);
    let refused = child(&path).output().unwrap();
    let refused = String::from_utf8(refused.stdout).unwrap();
    let said = format!(
        "refused caps file {}: another process uses it",
        path.display()
    );
    assert!(refused.contains(&said), "{refused}");
    assert!(refused.contains("`file`"), "{refused}");
    let error = Purse::open(&path, caps(&daily()), at(0)).unwrap_err();
    assert!(error.is_config());
    purse.close().unwrap();
    open(&path, &daily(), 0);
}

#[test]
fn a_file_that_is_not_ours_or_damaged_is_refused_and_left_alone() {
    let (_dir, path) = place();
    let purse = open(&path, &daily(), 0);
    purse.settle(at(0), send(&purse, 0, 100), &spent(100));
    purse.close().unwrap();
    let good = fs::read_to_string(&path).unwrap();
    let cases = [
        (String::new(), "EOF"),
        ("not json".into(), "expected"),
        ("{}".into(), "does not begin with"),
        ("[1, 2]".into(), "line 1"),
        (
            good.replace("cachewright caps", "other"),
            "does not begin with",
        ),
        (
            good.replace("\"version\": 1", "\"version\": 2"),
            "it has version 2",
        ),
        (good.replace("\"version\": 1,", ""), "it has no version"),
        (
            good.replace("\"spent\": \"1 USD\"", "\"spent\": \"-1 USD\""),
            "row 1 of `spent`",
        ),
        (good.replace("\"spent\": \"1 USD\"", "\"spent\": 1"), "line"),
        (good.replace("\"day\"", "\"week\""), "`week` is no period"),
        (good.replace("T00:00:00Z", ""), "is no time"),
        (
            good.replace("\"route\"", "\"road\""),
            "`road` with a name is not known",
        ),
        (
            good.replace("\"name\": \"contracts\",", ""),
            "`route` without a name",
        ),
    ];
    let halves = (1..good.trim_end().len()).step_by(37);
    let halves = halves.map(|cut| (good[..cut].to_owned(), "EOF"));
    for (text, what) in cases.into_iter().chain(halves) {
        assert_ne!(text, good, "{what}");
        fs::write(&path, &text).unwrap();
        let error = Purse::open(&path, caps(&daily()), at(0)).unwrap_err();
        assert!(error.is_config());
        let error = error.to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(error.contains(what), "{what}: {error}");
        assert!(error.contains("move it away"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    // People may put it right by hand.
    fs::write(&path, good.replace("\"1 USD\"", "\"2.5 USD\"")).unwrap();
    let found = figures(&open(&path, &daily(), 0), 0);
    assert_eq!(found[0], Amount::Money(Money::from_pico(25 * USD / 10)));
}

#[test]
fn what_no_cap_counts_any_more_is_kept_for_its_period() {
    let (_dir, path) = place();
    let month = Cap::parse("100 USD/month").unwrap();
    let all = [route("10 USD/day"), month.clone()];
    let purse = open(&path, &all, 0);
    purse.settle(at(0), send(&purse, 0, 700), &spent(700));
    purse.close().unwrap();
    // The route is gone, and comes back before the day is over: over a restart or while running.
    let others = [month];
    assert_eq!(figures(&open(&path, &others, 1), 1), [dollars(7)]);
    let purse = open(&path, &others, 2);
    assert_eq!(figures(&purse, 2), [dollars(7)]);
    purse.renew(at(3), &all, Arc::new(Utc));
    assert_eq!(figures(&purse, 3), [dollars(7), dollars(7)]);
    purse.renew(at(3), &others, Arc::new(Utc));
    purse.close().unwrap();
    assert_eq!(figures(&open(&path, &all, 4), 4), [dollars(7), dollars(7)]);
    open(&path, &others, DAY).close().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("total") && !text.contains("contracts"),
        "{text}"
    );
}

#[test]
fn a_call_that_ends_after_its_period_is_not_counted_in_the_next() {
    let (_dir, path) = place();
    let all = [route("10 USD/day"), route("100 USD/month")];
    let purse = open(&path, &all, DAY - 2);
    let held = send(&purse, DAY - 1, 600);
    purse.settle(at(DAY), held, &spent(600));
    assert_eq!(figures(&purse, DAY), [dollars(0), dollars(6)]);
    purse.close().unwrap();
    let purse = open(&path, &all, DAY);
    assert_eq!(figures(&purse, DAY), [dollars(0), dollars(6)]);
    purse.caps().room(at(DAY), &WHO, &worst(1000)).unwrap();
}

#[test]
fn tenants_are_told_apart_over_a_restart() {
    let (_dir, path) = place();
    let all = [Cap::parse("10 USD/day").unwrap().of(CapScope::EachTenant)];
    let few = || caps(&all).telling_apart(2);
    let purse = Purse::open(&path, few(), at(0)).unwrap();
    for (tenant, cents) in [("a", 100), ("b\"\n", 200), ("c", 300), ("d", 400)] {
        let who = Who { tenant, ..WHO };
        let (held, _written) = purse.reserve(at(0), &who, &worst(cents)).unwrap();
        purse.settle(at(0), held, &spent(cents));
    }
    let before = purse.caps().levels(at(0));
    let holders: Vec<&Holder> = before.iter().map(|level| &level.holder).collect();
    let tenant = |name: &str| Holder::Tenant(name.into());
    assert_eq!(
        holders,
        [&Holder::OtherTenants, &tenant("a"), &tenant("b\"\n")]
    );
    purse.close().unwrap();
    let purse = Purse::open(&path, few(), at(0)).unwrap();
    assert_eq!(purse.caps().levels(at(0)), before);
}

#[cfg(unix)]
#[test]
fn the_file_is_its_owners_alone_and_replaced_as_a_whole() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_dir, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    // What a crash left half written, for all to read.
    fs::write(beside(".new"), "{\"ki").unwrap();
    let purse = open(&path, &daily(), 0);
    for file in [path.clone(), beside(".lock")] {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    assert!(!beside(".new").exists());
    // Through a link the file behind it is replaced, and locked.
    let link = path.with_file_name("link.json");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(Purse::open(&link, caps(&daily()), at(0)).is_err());
    purse.close().unwrap();
    let purse = open(&link, &daily(), 0);
    purse.settle(at(0), send(&purse, 0, 100), &spent(100));
    purse.close().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(figures(&open(&path, &daily(), 0), 0)[0], dollars(1));
}

#[test]
fn calls_go_on_where_the_file_cannot_be_written() {
    let (_dir, path) = place();
    let purse = open(&path, &daily(), 0);
    let blocking = PathBuf::from(format!("{}.new", path.display()));
    fs::create_dir(&blocking).unwrap();
    let held = send(&purse, 0, 100_000);
    let trouble = purse.trouble().unwrap();
    assert!(trouble.contains(&path.display().to_string()), "{trouble}");
    assert!(purse.flush(at(0)).unwrap_err().is_io());
    // The caps hold all the same.
    let full = purse.reserve(at(0), &WHO, &worst(9_950_000)).unwrap_err();
    assert_eq!(full.taken, dollars(1000));
    fs::remove_dir(&blocking).unwrap();
    purse.settle(at(0), held, &spent(100_000));
    purse.flush(at(0)).unwrap();
    assert_eq!(purse.trouble(), None);

    let under = path.join("caps.json");
    let error = Purse::open(&under, caps(&daily()), at(0)).unwrap_err();
    assert!(error.is_io());
    assert!(error.to_string().contains("`file`"), "{error}");
}

fn skip(zone: &str, why: &dyn std::fmt::Display) {
    let required = std::env::var_os("CACHEWRIGHT_REQUIRE_ALL").is_some_and(|on| on == "1");
    assert!(!required, "the time zone {zone} is required: {why}");
    eprintln!("skipped: the time zone {zone}: {why}");
}

fn hours(zone: &Zone, per: Period, at: &str) -> (String, i64) {
    let parse = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let at = Timestamp::from_micros(parse(at).as_microsecond());
    let (from, until) = zone.around(per, at);
    assert!(from <= at && at < until);
    assert_eq!(zone.around(per, from), (from, until));
    assert_eq!(zone.around(per, until).0, until);
    let begins = jiff::Timestamp::from_microsecond(from.as_micros()).unwrap();
    let length = until.as_micros() - from.as_micros();
    assert_eq!(length % HOUR, 0);
    (begins.to_string(), length / HOUR)
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn days_are_as_long_as_their_zone_has_them() {
    let (day, month) = (Period::Day, Period::Month);
    for (zone, per, at, begins, length) in [
        (
            "UTC",
            day,
            "2026-03-29T12:00:00Z",
            "2026-03-29T00:00:00Z",
            24,
        ),
        // Clocks are set forward and back.
        (
            "Europe/Berlin",
            day,
            "2026-03-28T23:00:00Z",
            "2026-03-28T23:00:00Z",
            23,
        ),
        (
            "Europe/Berlin",
            day,
            "2026-03-29T21:59:59Z",
            "2026-03-28T23:00:00Z",
            23,
        ),
        (
            "Europe/Berlin",
            day,
            "2026-10-25T00:30:00Z",
            "2026-10-24T22:00:00Z",
            25,
        ),
        (
            "Europe/Berlin",
            day,
            "2026-10-25T01:30:00Z",
            "2026-10-24T22:00:00Z",
            25,
        ),
        (
            "Europe/Berlin",
            day,
            "2026-10-25T23:00:00Z",
            "2026-10-25T23:00:00Z",
            24,
        ),
        (
            "Europe/Berlin",
            month,
            "2026-03-29T12:00:00Z",
            "2026-02-28T23:00:00Z",
            31 * 24 - 1,
        ),
        (
            "Europe/Berlin",
            month,
            "2026-12-31T23:00:00Z",
            "2026-12-31T23:00:00Z",
            31 * 24,
        ),
        (
            "America/New_York",
            day,
            "2026-03-08T06:00:00Z",
            "2026-03-08T05:00:00Z",
            23,
        ),
        (
            "America/New_York",
            month,
            "2026-11-15T00:00:00Z",
            "2026-11-01T04:00:00Z",
            30 * 24 + 1,
        ),
        // Midnight does not exist, or comes twice.
        (
            "Africa/Cairo",
            day,
            "2024-04-26T12:00:00Z",
            "2024-04-25T22:00:00Z",
            23,
        ),
        (
            "America/Havana",
            day,
            "2024-11-03T12:00:00Z",
            "2024-11-03T04:00:00Z",
            25,
        ),
        // The island left out a whole day.
        (
            "Pacific/Apia",
            day,
            "2011-12-30T12:00:00Z",
            "2011-12-30T10:00:00Z",
            24,
        ),
        (
            "Pacific/Apia",
            month,
            "2011-12-05T12:00:00Z",
            "2011-12-01T10:00:00Z",
            30 * 24,
        ),
    ] {
        match Zone::named(zone) {
            Ok(zone) => assert_eq!(hours(&zone, per, at), (begins.into(), length), "{zone:?}"),
            Err(error) => skip(zone, &error),
        }
    }
}

#[test]
fn an_unknown_zone_is_told_how_names_look() {
    let error = Zone::named("Middle Earth/Shire").unwrap_err();
    assert!(error.is_config());
    let error = error.to_string();
    assert!(
        error.starts_with("no time zone `Middle Earth/Shire`: "),
        "{error}"
    );
    assert!(error.contains("UTC"), "{error}");
}

#[test]
fn a_cap_of_a_day_of_25_hours_lasts_so_long() {
    let zone = match Zone::named("Europe/Berlin") {
        Ok(zone) => zone,
        Err(error) => return skip("Europe/Berlin", &error),
    };
    let purse = Purse::new(Caps::new(&[route("10 USD/day")], Arc::new(zone)));
    let begins: jiff::Timestamp = "2026-10-24T22:00:00Z".parse().unwrap();
    let hour = |hour: i64| Timestamp::from_micros(begins.as_microsecond() + hour * HOUR);
    let (held, _written) = purse.reserve(hour(0), &WHO, &worst(1000)).unwrap();
    purse.settle(hour(1), held, &spent(1000));
    let full = purse.reserve(hour(24), &WHO, &worst(1)).unwrap_err();
    assert_eq!(full.resets, hour(25));
    let (held, _written) = purse.reserve(hour(25), &WHO, &worst(1000)).unwrap();
    purse.release(hour(25), held);
}
