//! Lower bounds and the clairvoyant against brute force on small tries, and the judge by hand.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and says how near it came"
)]

use std::sync::Arc;
use std::time::Duration;

use cachewright::adapter::bounds::{Job, Regime, measure};
use cachewright::bound::{Access, Bill, Course, Judge, Piece, Rate, Rules, Runs, Terms};
use cachewright::model::{Money, PriceTier, Timestamp, Ttl, Usage};
use cachewright::provider::Catalog;

const FIVE: Ttl = Ttl::FiveMinutes;
const HOUR: Ttl = Ttl::OneHour;
const MINUTE: i64 = 60_000_000;

/// Numbers that look random and are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, many: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % many
    }
}

/// A request in a test: minutes from the start, and its blocks.
#[derive(Clone, Debug)]
struct Call {
    at: i64,
    visible: i64,
    blocks: Vec<Piece>,
}

impl Call {
    fn access(&self) -> Access<'_> {
        let mut access = Access::new(1, Timestamp::from_micros(self.at), &self.blocks);
        access.visible = Timestamp::from_micros(self.visible);
        access.tail = 1;
        access
    }
}

/// Requests over a small trie; the same content has the same tokens.
fn calls(dice: &mut Dice, requests: u64, depth: u64) -> Vec<Call> {
    const GAPS: [i64; 7] = [1, 4, 8, 14, 20, 50, 90];
    let mut at = 0;
    let calls = (0..requests).map(|_| {
        at += GAPS[usize::try_from(dice.below(7)).unwrap()] * MINUTE;
        let blocks = (0..=dice.below(depth)).map(|_| {
            let id = dice.below(2);
            Piece::new(u128::from(id), 3 + 4 * u32::try_from(id).unwrap())
        });
        Call {
            at,
            visible: at,
            blocks: blocks.collect(),
        }
    });
    calls.collect()
}

fn tier(read: i128) -> PriceTier {
    PriceTier::new([1000, 1250, 2000, read, 0].map(Money::from_pico))
}

fn course(calls: &[Call], rate: &Rate) -> Runs {
    let mut course = Course::new();
    for call in calls {
        course.take(&call.access(), rate);
    }
    course.close()
}

/// Every set of markers that a request of so many blocks may carry.
fn markings(blocks: usize, most: usize, classes: &[Ttl]) -> Vec<Vec<(usize, Ttl)>> {
    let mut all = Vec::new();
    for set in 0..1_usize << blocks {
        let places: Vec<usize> = (0..blocks).filter(|at| set >> at & 1 == 1).collect();
        if places.len() > most {
            continue;
        }
        let hours = if classes.contains(&HOUR) {
            places.len()
        } else {
            0
        };
        let fewest = if classes.contains(&FIVE) {
            0
        } else {
            places.len()
        };
        for hours in fewest..=hours {
            let mark =
                |(number, at): (usize, &usize)| (*at, if number < hours { HOUR } else { FIVE });
            all.push(places.iter().enumerate().map(mark).collect());
        }
    }
    all
}

/// A world in which every policy is tried.
struct World<'a> {
    calls: &'a [Call],
    rules: Rules,
    classes: &'a [Ttl],
    pings: bool,
    tier: PriceTier,
}

impl World<'_> {
    /// The cheapest of all policies.
    fn cheapest(&self) -> Money {
        self.from(0, &Judge::new(self.rules))
    }

    fn from(&self, number: usize, judge: &Judge) -> Money {
        let Some(call) = self.calls.get(number) else {
            return Money::ZERO;
        };
        let mut best = None::<Money>;
        for marks in markings(call.blocks.len(), self.rules.max_breakpoints, self.classes) {
            let mut judge = judge.clone();
            let usage = judge
                .serve(&call.access(), &marks)
                .expect("allowed markers");
            let now = self.tier.cost(&usage);
            for (cost, judge) in self.pauses(number, &judge) {
                let all = now + cost + self.from(number + 1, &judge);
                best = Some(best.map_or(all, |best| best.min(all)));
            }
        }
        best.expect("no markers at all are a policy")
    }

    /// What may be pinged until the next request: one prefix of one earlier request, whenever it
    /// would else be gone.
    fn pauses(&self, number: usize, judge: &Judge) -> Vec<(Money, Judge)> {
        let mut pauses = vec![(Money::ZERO, judge.clone())];
        let Some(next) = self.calls.get(number + 1).filter(|_| self.pings) else {
            return pauses;
        };
        let from = self.calls[number].at;
        for call in &self.calls[..=number] {
            for depth in 1..=call.blocks.len() {
                for every in [FIVE, HOUR].map(life) {
                    pauses.extend(self.held(
                        (call.at, from, next.at),
                        &call.blocks[..depth],
                        judge,
                        every,
                    ));
                }
            }
        }
        pauses
    }

    /// A prefix pinged from one moment until another, whenever so much time has passed since it was
    /// sent.
    fn held(
        &self,
        (mut at, from, until): (i64, i64, i64),
        blocks: &[Piece],
        judge: &Judge,
        every: i64,
    ) -> Option<(Money, Judge)> {
        let mut judge = judge.clone();
        let mut cost = Money::ZERO;
        while at + every <= until {
            at += every - 1;
            if at <= from {
                continue;
            }
            let ping = Access::new(1, Timestamp::from_micros(at), blocks);
            let usage = judge
                .ping(&ping, &[(blocks.len() - 1, FIVE)])
                .expect("one marker");
            cost += self.tier.cost(&usage);
        }
        (cost > Money::ZERO).then_some((cost, judge))
    }
}

fn life(ttl: Ttl) -> i64 {
    i64::try_from(ttl.duration().as_micros()).unwrap()
}

fn rate(read: i128) -> Rate {
    Rate::new(tier(read))
}

#[test]
fn one_class_and_many_markers_attain_the_bound() {
    let mut dice = Dice(1);
    for round in 0..150 {
        let calls = calls(&mut dice, 4, 3);
        let class = [FIVE, HOUR][round % 2];
        let world = World {
            calls: &calls,
            rules: Rules::default(),
            classes: &[class],
            pings: false,
            tier: tier(100),
        };
        let runs = course(&calls, &rate(100));
        let terms = Terms::new(&[class]);
        let cheapest = world.cheapest();
        assert_eq!(runs.lower(&terms).cost, cheapest, "{calls:?}");
        let clairvoyant = runs.clairvoyant(&terms, world.rules);
        assert_eq!(clairvoyant.cost, cheapest, "{calls:?}");
    }
}

#[test]
fn no_policy_is_cheaper_than_the_bound() {
    let mut dice = Dice(2);
    let (mut sum, mut best, mut worst) = (0, 0, 0);
    for round in 0..160_u64 {
        let mut calls = calls(&mut dice, 3 + round % 2, 3 - round % 2);
        if round % 5 == 0 {
            // Answers that take longer than the pauses.
            calls.iter_mut().for_each(|call| call.visible += 6 * MINUTE);
        }
        let mut rules = Rules::default();
        rules.max_breakpoints = [1, 2, 4][usize::try_from(round % 3).unwrap()];
        rules.min_tokens = [0, 5, 9][usize::try_from(round / 3 % 3).unwrap()];
        rules.lookback = [None, Some(1), Some(2)][usize::try_from(round / 9 % 3).unwrap()];
        rules.below = round % 4 == 1;
        let world = World {
            calls: &calls,
            rules,
            classes: &[FIVE, HOUR],
            pings: false,
            tier: tier(50),
        };
        let mut rate = rate(50);
        rate.min_tokens = rules.min_tokens;
        let runs = course(&calls, &rate);
        let terms = Terms::new(&[FIVE, HOUR]);
        let lower = runs.lower(&terms).cost.as_pico();
        let cheapest = world.cheapest().as_pico();
        let clairvoyant = runs.clairvoyant(&terms, rules).cost.as_pico();
        assert!(lower <= cheapest, "{rules:?} {calls:?}");
        assert!(cheapest <= clairvoyant, "{rules:?} {calls:?}");
        sum += clairvoyant;
        best += cheapest;
        worst = worst.max(clairvoyant * 1000 / cheapest);
    }
    // The clairvoyant weighs run by run, and is no exact optimum where markers are few or answers
    // begin late.
    eprintln!(
        "clairvoyant to optimum: {} worst {worst} (thousandths)",
        sum * 1000 / best
    );
    assert!(sum * 1000 / best <= 1010, "{sum} to {best}");
    assert!(worst <= 1050, "{worst} thousandths of the optimum");
}

#[test]
fn pings_do_not_break_the_bound() {
    let mut dice = Dice(3);
    let (mut sum, mut best) = (0, 0);
    for round in 0..120_u64 {
        let calls = calls(&mut dice, 3, 2);
        let rules = Rules::default();
        let read = [100, 50, 25][usize::try_from(round % 3).unwrap()];
        let world = World {
            calls: &calls,
            rules,
            classes: &[FIVE, HOUR],
            pings: true,
            tier: tier(read),
        };
        let runs = course(&calls, &rate(read));
        let terms = Terms::new(&[FIVE, HOUR]).with_pings();
        let lower = runs.lower(&terms).cost.as_pico();
        let cheapest = world.cheapest().as_pico();
        let clairvoyant = runs.clairvoyant(&terms, rules).cost.as_pico();
        assert!(lower <= cheapest, "{calls:?}");
        assert!(lower <= clairvoyant, "{calls:?}");
        sum += clairvoyant;
        best += cheapest;
    }
    eprintln!(
        "clairvoyant to what was tried: {} thousandths",
        sum * 1000 / best
    );
    assert!(sum * 1000 / best <= 1010, "{sum} to {best}");
}

/// The bound again, block by block and without sharing anything.
fn by_block(calls: &[Call], classes: &[Ttl], terms: &Terms, tier: &PriceTier) -> i128 {
    use std::collections::BTreeMap;
    let mut uses: BTreeMap<Vec<u128>, (i128, Vec<i64>)> = BTreeMap::new();
    let mut sum = 0;
    for call in calls {
        sum += tier.input.as_pico();
        for depth in 1..=call.blocks.len() {
            let prefix = call.blocks[..depth].iter().map(|block| block.id).collect();
            let node = uses.entry(prefix).or_default();
            node.0 = i128::from(call.blocks[depth - 1].tokens);
            node.1.push(call.at);
        }
    }
    for (tokens, times) in uses.values() {
        let never = i128::MAX / 4;
        let mut dead = 0;
        let mut alive = vec![never; classes.len()];
        let mut last = None;
        for at in times {
            let gone = alive.iter().copied().fold(dead, i128::min);
            for (cost, ttl) in alive.iter_mut().zip(classes) {
                let pinged = last.map_or(0, |last: i64| (at - last) / life(*ttl));
                let kept = if pinged == 0 || terms.pings {
                    *cost + i128::from(pinged) * tier.read.as_pico()
                } else {
                    never
                };
                let read = kept + tier.read.as_pico();
                *cost = read.min(gone + tier.write(*ttl).as_pico());
            }
            dead = gone + tier.input.as_pico();
            last = Some(*at);
        }
        sum += tokens * alive.into_iter().fold(dead, i128::min);
    }
    sum
}

#[test]
fn runs_of_blocks_change_nothing() {
    let mut dice = Dice(4);
    for number in 0..300 {
        let calls = calls(&mut dice, 40, 12);
        let tier = tier(100);
        let runs = course(&calls, &Rate::new(tier));
        for classes in [&[FIVE][..], &[FIVE, HOUR], &[Ttl::HalfHour]] {
            for pings in [false, true] {
                let mut terms = Terms::new(classes);
                terms.pings = pings;
                let lower = runs.lower(&terms);
                let expected = by_block(&calls, classes, &terms, &tier);
                assert_eq!(lower.cost.as_pico(), expected);
                let told = priced(&lower, &tier);
                assert_eq!(told, lower.cost, "the tokens of a bound add up to its cost");
                assert_eq!(lower.input(), runs.tokens());
                // It tries far more than the bound does, and takes most of the time.
                if number % 5 != 0 {
                    continue;
                }
                let clairvoyant = runs.clairvoyant(&terms, Rules::default());
                assert!(clairvoyant.cost >= lower.cost);
                assert_eq!(clairvoyant.input(), runs.tokens());
            }
        }
    }
}

/// What the tokens of a bill cost.
fn priced(bill: &Bill, tier: &PriceTier) -> Money {
    tier.input.times(bill.plain)
        + tier.read.times(bill.read + bill.ping)
        + tier.write_5m.times(bill.write_5m)
        + tier.write_30m.times(bill.write_30m)
        + tier.write_1h.times(bill.write_1h)
}

#[test]
fn a_cache_without_a_fee_attains_its_bound() {
    let mut dice = Dice(5);
    for _ in 0..100 {
        let calls = calls(&mut dice, 20, 6);
        let runs = course(&calls, &rate(100));
        let terms = Terms::implicit(Duration::from_secs(600));
        let bill = runs.clairvoyant(&terms, Rules::default());
        assert_eq!(bill.cost, runs.lower(&terms).cost);
        assert_eq!((bill.write_5m, bill.write_1h), (0, 0));
    }
}

/// Blocks 1, 2, … of ten tokens each.
fn blocks(count: u128) -> Vec<Piece> {
    (1..=count).map(|id| Piece::new(id, 10)).collect()
}

/// Serves one request, told by minutes, blocks and markers.
fn served(judge: &mut Judge, minute: i64, blocks: &[Piece], marks: &[(usize, Ttl)]) -> Usage {
    let at = Timestamp::from_micros(minute * MINUTE);
    judge
        .serve(&Access::new(1, at, blocks), marks)
        .expect("allowed")
}

fn read(usage: &Usage) -> u64 {
    usage.read.unwrap_or(0)
}

#[test]
fn a_block_lives_in_its_own_class() {
    let four = blocks(4);
    let mut judge = Judge::new(Rules::default());
    let first = served(&mut judge, 0, &four, &[(1, HOUR), (3, FIVE)]);
    assert_eq!((first.write_1h, first.write_5m), (Some(20), Some(20)));
    assert_eq!(read(&served(&mut judge, 4, &four, &[(3, FIVE)])), 40);
    // At the very end of five minutes from the last read, the deeper half is gone.
    let later = served(&mut judge, 9, &four, &[(3, FIVE)]);
    assert_eq!((read(&later), later.write_5m), (20, Some(20)));
    assert_eq!(read(&served(&mut judge, 69, &four, &[(3, FIVE)])), 0);
}

#[test]
fn a_deeper_entry_revives_nothing_unless_a_rule_says_so() {
    let four = blocks(4);
    for revives in [false, true] {
        let mut rules = Rules::default();
        rules.revives = revives;
        let mut judge = Judge::new(rules);
        served(&mut judge, 0, &four[..2], &[(1, FIVE)]);
        served(&mut judge, 1, &four, &[(3, HOUR)]);
        let later = served(&mut judge, 20, &four, &[(3, FIVE)]);
        assert_eq!(read(&later), if revives { 40 } else { 0 });
    }
}

#[test]
fn entries_are_read_where_they_end_and_when_their_answer_has_begun() {
    let four = blocks(4);
    let mut judge = Judge::new(Rules::default());
    let mut slow = Access::new(1, Timestamp::from_micros(0), &four);
    slow.visible = Timestamp::from_micros(2 * MINUTE);
    judge.serve(&slow, &[(3, FIVE)]).expect("allowed");
    assert_eq!(read(&served(&mut judge, 1, &four[..3], &[(2, FIVE)])), 0);
    assert_eq!(read(&served(&mut judge, 2, &four, &[(3, FIVE)])), 40);
    // Another branch finds the entry on the third block only.
    let mut branch = blocks(3);
    branch.push(Piece::new(9, 10));
    assert_eq!(read(&served(&mut judge, 3, &branch, &[(3, FIVE)])), 30);
    let mut other = blocks(2);
    other.push(Piece::new(9, 10));
    assert_eq!(read(&served(&mut judge, 3, &other, &[(2, FIVE)])), 0);
    // And another scope nothing.
    let elsewhere = Access::new(2, Timestamp::from_micros(3 * MINUTE), &four);
    let usage = judge.serve(&elsewhere, &[(3, FIVE)]).expect("allowed");
    assert_eq!(read(&usage), 0);
}

#[test]
fn lookback_and_minimum_are_obeyed() {
    let six = blocks(6);
    for (lookback, found) in [(None, 20), (Some(5), 20), (Some(4), 0), (Some(1), 0)] {
        let mut rules = Rules::default();
        rules.lookback = lookback;
        let mut judge = Judge::new(rules);
        served(&mut judge, 0, &six, &[(1, FIVE)]);
        assert_eq!(read(&served(&mut judge, 1, &six, &[(5, FIVE)])), found);
    }
    let mut rules = Rules::default();
    rules.min_tokens = 30;
    let mut judge = Judge::new(rules);
    let short = served(&mut judge, 0, &six, &[(1, HOUR), (3, FIVE)]);
    assert_eq!((short.write_1h, short.write_5m), (Some(0), Some(40)));
    assert_eq!(read(&served(&mut judge, 1, &six, &[(1, FIVE)])), 0);
    assert_eq!(read(&served(&mut judge, 1, &six, &[(5, FIVE)])), 40);
}

#[test]
fn a_marker_below_a_hit_makes_an_entry_only_by_rule() {
    let four = blocks(4);
    let mut branch = blocks(2);
    branch.push(Piece::new(9, 10));
    for below in [false, true] {
        let mut rules = Rules::default();
        rules.below = below;
        let mut judge = Judge::new(rules);
        served(&mut judge, 0, &four, &[(3, FIVE)]);
        let again = served(&mut judge, 1, &four, &[(1, FIVE), (3, FIVE)]);
        assert_eq!(read(&again), 40);
        let parted = served(&mut judge, 2, &branch, &[(2, FIVE)]);
        assert_eq!(read(&parted), if below { 20 } else { 0 });
    }
}

#[test]
fn wrong_markers_are_refused() {
    let six = blocks(6);
    let mut judge = Judge::new(Rules::default());
    let access = Access::new(1, Timestamp::from_micros(0), &six);
    for marks in [
        &[(0, FIVE), (1, HOUR)][..],
        &[(1, FIVE), (1, FIVE)],
        &[(2, FIVE), (1, FIVE)],
        &[(6, FIVE)],
        &[(0, FIVE), (1, FIVE), (2, FIVE), (3, FIVE), (4, FIVE)],
    ] {
        assert_eq!(judge.serve(&access, marks), None, "{marks:?}");
    }
    assert_eq!(judge.wasted(Timestamp::from_micros(i64::MAX)), 0);
}

#[test]
fn what_nobody_read_is_counted_once_it_is_gone() {
    let four = blocks(4);
    let now = |minute: i64| Timestamp::from_micros(minute * MINUTE);
    let mut judge = Judge::new(Rules::default());
    served(&mut judge, 0, &four, &[(3, FIVE)]);
    assert_eq!(judge.wasted(now(4)), 0);
    assert_eq!(judge.wasted(now(5)), 40);
    // A ping keeps it, and is no use.
    let kept = judge.ping(&Access::new(1, now(4), &four), &[(3, FIVE)]);
    assert_eq!(kept.as_ref().map(read), Some(40));
    assert_eq!((judge.wasted(now(8)), judge.wasted(now(9))), (0, 40));
    served(&mut judge, 8, &four[..2], &[(1, FIVE)]);
    assert_eq!(
        judge.wasted(now(8)),
        20,
        "written a second time before anybody read it"
    );
    served(&mut judge, 9, &four[..2], &[(1, FIVE)]);
    assert_eq!(judge.wasted(now(60)), 20 + 20);
}

#[test]
fn an_automatic_cache_keeps_every_block() {
    let mut rules = Rules::default();
    rules.implicit = Some(Duration::from_secs(600));
    let mut judge = Judge::new(rules);
    let first = served(&mut judge, 0, &blocks(4), &[]);
    assert_eq!((first.plain, first.write_5m), (Some(40), Some(0)));
    assert_eq!(read(&served(&mut judge, 9, &blocks(3), &[])), 30);
    assert_eq!(read(&served(&mut judge, 18, &blocks(4), &[])), 30);
    assert_eq!(read(&served(&mut judge, 28, &blocks(4), &[])), 0);
}

/// Costs relative to no caching, in thousandths, that replays of others found (economics.md, 8.1
/// and 8.2, the former over more sessions than are at hand).
#[test]
fn traces_cost_at_least_what_others_found() {
    let Some(dir) = crate::workload::recordings() else {
        return;
    };
    let mut job = Job::new(Arc::new(Catalog::builtin()));
    job.reading.traces = true;
    let measured = |name: &str| {
        let path = dir.join(format!("{name}.jsonl.xz"));
        let figures = measure(&path, &job, |_, _| ()).unwrap();
        figures.at(|_| Rate::new(tier(100)))
    };
    let share = |part: Money, whole: Money| part.as_pico() * 1000 / whole.as_pico();
    let moon = measured("mooncake_synth");
    let none = moon.uncached();
    let short = share(moon.lower(Regime::Short).cost, none);
    assert!((503..=507).contains(&short), "{short}");
    let half = share(moon.lower(Regime::HalfHour).cost, none);
    assert!((450..=454).contains(&half), "{half}");
    let agent = measured("kvct_claude_code");
    let none = agent.uncached();
    let by_default = share(agent.documented().cost, none);
    assert!((190..=215).contains(&by_default), "{by_default}");
    let lower = share(agent.lower(Regime::Pings).cost, none);
    assert!((148..=156).contains(&lower), "{lower}");
    let clairvoyant = agent.clairvoyant(Regime::Pings).cost;
    let above = share(clairvoyant, agent.lower(Regime::Pings).cost);
    assert!((1000..=1020).contains(&above), "{above}");
}

#[cfg(feature = "cli")]
mod command {
    use std::process::{Command, Output};

    use serde_json::Value;

    fn bound(args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
        command.arg("bound").args(args).output().unwrap()
    }

    fn vector() -> String {
        let root = env!("CARGO_MANIFEST_DIR");
        format!("{root}/tests/vectors/replay/library.jsonl")
    }

    #[test]
    fn it_says_the_same_as_table_json_and_csv() {
        let table = String::from_utf8(bound(&[&vector()]).stdout).unwrap();
        assert!(table.starts_with("library: 4 requests, "), "{table}");
        for regime in ["5m", "5m+1h", "pings", "30m", "no-fee"] {
            assert!(table.contains(&format!("| {regime} ")), "{table}");
        }
        let json: Value = serde_json::from_slice(&bound(&[&vector(), "--json"]).stdout).unwrap();
        let row = &json["workloads"][0];
        assert_eq!(row["requests"], 4);
        let pico = |of: &Value| of["cost_picodollars"].as_i64().unwrap();
        for regime in row["regimes"].as_array().unwrap() {
            assert!(pico(&regime["lower"]) > 0);
            assert!(pico(&regime["lower"]) <= pico(&regime["clairvoyant"]));
            assert!(pico(&regime["clairvoyant"]) <= pico(&row["none"]));
        }
        let csv = String::from_utf8(bound(&[&vector(), "--csv"]).stdout).unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 1 + 5);
        let cost = row["regimes"][0]["lower"]["cost_usd"].as_str();
        assert_eq!(lines[1].split(',').nth(7), cost);
    }

    #[test]
    fn reads_and_prices_can_be_others() {
        let args = [&vector(), "--json", "--lower-only", "--regime", "5m"];
        let args = [&args[..], &["--read", "0.1", "--read", "0.025"]].concat();
        let json: Value = serde_json::from_slice(&bound(&args).stdout).unwrap();
        let rows = json["workloads"].as_array().unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[1]["read_share"], "0.025");
        assert_eq!(rows[0]["regimes"][0]["clairvoyant"], Value::Null);
        for wrong in [["--read", "1.5"], ["--prices", "no-such-model"]] {
            let output = bound(&[&[vector().as_str()][..], &wrong].concat());
            assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        }
        assert_eq!(bound(&["/no/such/file"]).status.code(), Some(1));
    }
}
