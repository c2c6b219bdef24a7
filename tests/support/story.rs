//! Stories to render: one like a month of real traffic, and the edges.

use std::collections::BTreeMap;

use cachewright::ledger::{CauseSum, Flame, Group, Kinds, Moment, Story, Totals, Verdict, Worst};
use cachewright::model::{Cause, Money, Pattern, Timestamp, Usage};

/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;
/// 2026-10-26 00:00 UTC.
const START: i64 = 1_793_145_600_000_000;

/// One kind of traffic: labels, exchanges per six hours, mean input and output, and per mille of
/// the input that is read, written and could be read.
struct Traffic {
    labels: [&'static str; 5],
    exchanges: u64,
    input: u64,
    output: u64,
    per_mille: [u64; 3],
    /// Dollars per million tokens: input and output.
    prices: [u64; 2],
}

const fn traffic(
    labels: [&'static str; 5],
    counts: [u64; 3],
    per_mille: [u64; 3],
    prices: [u64; 2],
) -> Traffic {
    let [exchanges, input, output] = counts;
    Traffic {
        labels,
        exchanges,
        input,
        output,
        per_mille,
        prices,
    }
}

/// Provider, model, route, tenant and backend.
const TRAFFIC: [Traffic; 6] = [
    traffic(
        [
            "anthropic",
            "claude-sonnet-4-5",
            "coding-agent",
            "platform",
            "direct",
        ],
        [420, 64_000, 900],
        [873, 61, 948],
        [3, 15],
    ),
    traffic(
        [
            "anthropic",
            "claude-opus-4-8",
            "review",
            "platform",
            "direct",
        ],
        [60, 41_000, 2_100],
        [512, 260, 846],
        [5, 25],
    ),
    traffic(
        ["openai", "gpt-5.6", "support-chat", "acme", "azure-eu"],
        [900, 7_400, 350],
        [634, 0, 781],
        [2, 8],
    ),
    traffic(
        ["anthropic", "claude-haiku-4-5", "classify", "acme", ""],
        [2_300, 1_900, 20],
        [118, 402, 655],
        [1, 5],
    ),
    traffic(
        ["google", "gemini-3-pro", "summaries", "globex", ""],
        [110, 23_000, 1_400],
        [441, 0, 520],
        [2, 12],
    ),
    traffic(
        ["bedrock", "claude-sonnet-4-5", "", "globex", "bedrock"],
        [35, 12_000, 600],
        [0, 0, 310],
        [3, 15],
    ),
];

/// Three weeks in stretches of six hours.
pub(crate) fn realistic() -> Story {
    let mut story = Story::default();
    let mut noise = Noise(7);
    let mut by: BTreeMap<Group, BTreeMap<&str, Totals>> = BTreeMap::new();
    for stretch in 0..84_i64 {
        let mut here = Totals::default();
        for one in &TRAFFIC {
            let totals = one.over(stretch, &mut noise);
            add(&mut here, &totals);
            for (group, label) in Group::ALL.into_iter().zip(one.labels) {
                add(
                    by.entry(group).or_default().entry(label).or_default(),
                    &totals,
                );
            }
        }
        // Nights without traffic leave stretches out.
        if here.exchanges > 0 {
            add(&mut story.total, &here);
            let at = Timestamp::from_micros(START + stretch * 6 * HOUR);
            story.moments.push(Moment::new(at, here));
        }
    }
    story.by = by
        .into_iter()
        .map(|(group, labels)| (group, sorted(labels)))
        .collect();
    story.from = Some(Timestamp::from_micros(START + 7 * HOUR / 2));
    story.until = Some(Timestamp::from_micros(START + 84 * 6 * HOUR - HOUR));
    misses(&mut story);
    story.flames = flames(&story);
    story.never_read = 1_482;
    story.dropped = 12;
    story
}

impl Traffic {
    fn over(&self, stretch: i64, noise: &mut Noise) -> Totals {
        let mut totals = Totals::default();
        let (hour, day) = (stretch % 4, stretch / 4 % 7);
        // Nights are still, weekends slow.
        let share = match hour {
            1 => 70,
            2 => 100,
            3 => 35,
            _ => 0,
        };
        let share = if day >= 5 { share / 6 } else { share };
        let exchanges = self.exchanges * share / 100 * (850 + noise.below(300)) / 1000;
        let input = exchanges * self.input;
        let [read, write, readable] = self.per_mille;
        // The first days ran without most breakpoints.
        let grown = if stretch < 28 {
            300 + u64::try_from(stretch).unwrap_or(0) * 25
        } else {
            1000
        };
        let read = input * read / 1000 * grown / 1000;
        let write = input * write / 1000 * (900 + noise.below(200)) / 1000;
        let mut usage = Usage::default();
        usage.read = Some(read);
        usage.write_5m = (write > 0).then_some(write);
        usage.plain = Some(input - read - write);
        usage.output = Some(exchanges * self.output);
        let [price, out] = self.prices.map(|price| i128::from(price) * 1_000_000);
        let pico = |tokens: u64, price: i128| i128::from(tokens) * price;
        let output = pico(exchanges * self.output, out);
        totals.exchanges = exchanges;
        totals.unreported = exchanges / 400;
        totals.skipped = exchanges / 250;
        totals.usage = usage;
        totals.cost = Money::from_pico(
            pico(input - read - write, price)
                + pico(read, price / 10)
                + pico(write, price * 5 / 4)
                + output,
        );
        totals.cost_without_caching = Money::from_pico(pico(input, price) + output);
        totals.waste = Money::from_pico(pico(write / 5, price / 4));
        totals.misestimated = input / 37;
        totals.readable = (input * readable / 1000).max(read);
        totals.readable_read = read;
        totals.missed = totals.readable - read;
        totals.misses = totals.missed / self.input.max(1);
        totals.missed_cost = Money::from_pico(pico(totals.missed, price * 9 / 10));
        totals.overhead_micros = exchanges * 183;
        let [.., backend] = self.labels;
        if !backend.is_empty() {
            totals.attempts = exchanges;
            totals.hops = exchanges / 180;
            totals.hops_cost = Money::from_pico(pico(totals.hops * self.input, price));
            totals.presumed = exchanges / 700;
            totals.presumed_cost = Money::from_pico(pico(totals.presumed * self.input, price));
        }
        totals
    }
}

fn misses(story: &mut Story) {
    // Shares of what was missed, in per mille.
    let causes = [
        (Cause::Volatile, 402),
        (Cause::ToolsOrder, 171),
        (Cause::Expired, 158),
        (Cause::HistoryRewritten, 96),
        (Cause::ToolsSchema, 61),
        (Cause::NotYetVisible, 44),
        (Cause::SystemChanged, 33),
        (Cause::Lost, 20),
        (Cause::Unknown, 15),
    ];
    for (cause, part) in causes {
        let mut sum = CauseSum::of(cause);
        sum.misses = share(story.total.misses, part);
        sum.tokens = share(story.total.missed, part);
        sum.cost = money(story, part);
        story.causes.push(sum);
    }
    places(story);
    let verdicts = [
        (Verdict::Hit, 702),
        (Verdict::Partial, 84),
        (Verdict::Written, 120),
        (Verdict::Plain, 61),
        (Verdict::BelowMinimum, 22),
        (Verdict::Lost, 7),
        (Verdict::Unreported, 4),
    ];
    story.verdicts = verdicts
        .into_iter()
        .map(|(verdict, part)| (verdict, share(story.total.exchanges, part)))
        .collect();
}

fn share(all: u64, part: u64) -> u64 {
    all / 1000 * part
}

fn money(story: &Story, part: u64) -> Money {
    Money::from_pico(story.total.missed_cost.as_pico() / 1000 * i128::from(part))
}

/// Route, cause, pattern, pointer and excerpts.
type Spot = (
    &'static str,
    Cause,
    Option<Pattern>,
    &'static str,
    Option<[&'static str; 2]>,
);

fn places(story: &mut Story) {
    let places: [Spot; 6] = [
        (
            "coding-agent",
            Cause::Volatile,
            Some(Pattern::Timestamp),
            "/system/0/text",
            Some([
                "Today is 2026-11-11T09:14:07Z. You are a careful",
                "Today is 2026-11-11T09:14:52Z. You are a careful",
            ]),
        ),
        (
            "support-chat",
            Cause::ToolsOrder,
            Some(Pattern::Order),
            "/tools",
            None,
        ),
        ("review", Cause::Expired, None, "", None),
        (
            "classify",
            Cause::HistoryRewritten,
            None,
            "/messages/4/content/0",
            None,
        ),
        (
            "summaries",
            Cause::ToolsSchema,
            None,
            "/tools/12/input_schema/properties/query/description",
            Some([
                "the query, at most 20 results",
                "the query, at most 25 results",
            ]),
        ),
        ("", Cause::NotYetVisible, None, "", None),
    ];
    for ((route, cause, pattern, pointer, excerpts), part) in
        places.into_iter().zip([310, 160, 121, 90, 60, 41])
    {
        let mut worst = Worst::at(route, cause, pattern, pointer);
        worst.byte = if pointer.is_empty() { 0 } else { 1_209 };
        worst.excerpts = excerpts.map(|both| both.map(Box::from));
        worst.misses = share(story.total.misses, part);
        worst.tokens = share(story.total.missed, part);
        worst.cost = money(story, part);
        story.worst.push(worst);
    }
}

/// Each route's input, split over a few tool sets, system prompts and conversations.
fn flames(story: &Story) -> Vec<Flame> {
    let mut flames = Vec::new();
    for one in &TRAFFIC {
        let [_, model, route, ..] = one.labels;
        let routes = story.by.get(&Group::Route);
        let Some((_, totals)) = routes
            .into_iter()
            .flatten()
            .find(|(label, _)| **label == *route)
        else {
            continue;
        };
        let usage = totals.usage;
        for (tools, system, conversation, part) in [
            ("tools 9c1f", "system 41d0", "conversation 7be2", 320),
            ("tools 9c1f", "system 41d0", "conversation a90c", 210),
            ("tools 9c1f", "system 41d0", "others", 170),
            ("tools 9c1f", "system e8b3", "conversation 15f6", 110),
            ("tools 02aa", "system 41d0", "conversation c3d8", 120),
            ("", "77e4", "conversation 0b1a", 70),
        ] {
            let of = |tokens: Option<u64>| tokens.unwrap_or(0) / 1000 * part;
            let kinds = Kinds {
                read: of(usage.read),
                write: of(usage.written()),
                plain: of(usage.plain),
            };
            let path = [route, model, tools, system, conversation].map(Box::from);
            flames.push(Flame::new(path.into(), kinds));
        }
    }
    flames.sort_by(|one, other| one.path.cmp(&other.path));
    flames
}

/// One exchange that wrote a prefix.
pub(crate) fn single() -> Story {
    let mut story = Story::default();
    let at = Timestamp::from_micros(START);
    let mut totals = Totals::default();
    totals.exchanges = 1;
    totals.usage = Usage::reported(12, 0, 2_048, 0, 55);
    totals.cost = Money::from_pico(8_541_000_000);
    totals.cost_without_caching = Money::from_pico(7_005_000_000);
    story.total = totals;
    (story.from, story.until) = (Some(at), Some(at));
    story.moments.push(Moment::new(at, totals));
    for (group, label) in Group::ALL
        .into_iter()
        .zip(["anthropic", "claude-haiku-4-5", "", ""])
    {
        story.by.insert(group, vec![(label.into(), totals)]);
    }
    story.verdicts.insert(Verdict::Written, 1);
    story
}

/// More of everything than anybody can read.
pub(crate) fn crowded() -> Story {
    let mut story = realistic();
    let totals = story.total;
    for rows in story.by.values_mut() {
        rows.extend((0..10_000).map(|number| (format!("label-{number}").into(), totals)));
    }
    story.moments = (0..20_000)
        .map(|number| Moment::new(Timestamp::from_micros(START + number * HOUR), totals))
        .collect();
    story.flames = (0..10_000)
        .map(|number| {
            let path = [
                format!("route-{number:05}"),
                "model".into(),
                format!("tools {number}"),
            ];
            let kinds = Kinds {
                read: 10 + number,
                write: 5,
                plain: 1,
            };
            Flame::new(path.map(String::into_boxed_str).into(), kinds)
        })
        .collect();
    story
}

/// The largest figures that fit.
pub(crate) fn huge() -> Story {
    let mut story = single();
    let most = Some(u64::MAX);
    let mut totals = Totals::default();
    totals.exchanges = u64::MAX;
    totals.usage = Usage::reported(u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX);
    totals.usage.write_30m = most;
    totals.cost = Money::from_pico(i128::MAX / 3);
    totals.cost_without_caching = Money::from_pico(i128::MAX);
    totals.waste = Money::from_pico(i128::MAX);
    (totals.missed, totals.readable, totals.readable_read) = (u64::MAX, u64::MAX, u64::MAX);
    totals.overhead_micros = u64::MAX;
    totals.misestimated = u64::MAX;
    story.total = totals;
    let ends = [i64::MIN, 0, i64::MAX].map(Timestamp::from_micros);
    story.moments = ends.map(|at| Moment::new(at, totals)).into();
    (story.from, story.until) = (Some(ends[0]), Some(ends[2]));
    story
        .by
        .insert(Group::Route, vec![("x".repeat(10_000).into(), totals)]);
    let kinds = Kinds {
        read: u64::MAX,
        write: u64::MAX,
        plain: u64::MAX,
    };
    story.flames = vec![Flame::new(vec!["r".repeat(5_000).into()], kinds); 3];
    story.dropped = u64::MAX;
    story
}

/// Names that try to be markup, in every place that takes names.
pub(crate) fn hostile(name: &str) -> Story {
    let mut story = realistic();
    for rows in story.by.values_mut() {
        for row in rows.iter_mut() {
            row.0 = name.into();
        }
    }
    for flame in &mut story.flames {
        flame.path = vec![name.into(); 5];
    }
    for worst in &mut story.worst {
        worst.route = name.into();
        worst.pointer = name.into();
        worst.excerpts = Some([name.into(), name.into()]);
    }
    story
}

fn sorted(labels: BTreeMap<&str, Totals>) -> Vec<(Box<str>, Totals)> {
    let mut rows: Vec<_> = labels
        .into_iter()
        .map(|(label, totals)| (label.into(), totals))
        .collect();
    rows.sort_by_key(|(_, totals): &(Box<str>, Totals)| std::cmp::Reverse(totals.cost));
    rows
}

fn add(sum: &mut Totals, more: &Totals) {
    sum.exchanges += more.exchanges;
    sum.unreported += more.unreported;
    sum.skipped += more.skipped;
    for (total, one) in [
        (&mut sum.usage.read, more.usage.read),
        (&mut sum.usage.write_5m, more.usage.write_5m),
        (&mut sum.usage.plain, more.usage.plain),
        (&mut sum.usage.output, more.usage.output),
    ] {
        if let Some(tokens) = one {
            *total = Some(total.unwrap_or(0) + tokens);
        }
    }
    sum.cost += more.cost;
    sum.cost_without_caching += more.cost_without_caching;
    sum.waste += more.waste;
    sum.misestimated += more.misestimated;
    sum.readable += more.readable;
    sum.readable_read += more.readable_read;
    sum.misses += more.misses;
    sum.attempts += more.attempts;
    sum.hops += more.hops;
    sum.hops_cost += more.hops_cost;
    sum.presumed += more.presumed;
    sum.presumed_cost += more.presumed_cost;
    sum.missed += more.missed;
    sum.missed_cost += more.missed_cost;
    sum.overhead_micros += more.overhead_micros;
}

/// The same for ever.
struct Noise(u64);

impl Noise {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}
