//! What happened over time: dollars and tokens.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::draw::{self, Form, Stack};
use super::format::{count, date, dollars, moment, percent, ratio, reported, scroll, short};
use super::palette::{GAIN, LOSS, OUTPUT, PLAIN, READ, Shade, WRITE};
use crate::ledger::{Moment, Story};
use crate::model::{Money, Timestamp};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Some nine thousand years in microseconds.
const AGES: i64 = 1 << 58;
/// Between dates below a chart, in seconds: from a minute to a year.
const STEPS: [i64; 15] = [
    60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600,
    2_592_000, 7_776_000, 31_536_000,
];

/// What one bar stands for: one stretch of the story, or several where there are more than bars.
#[derive(Clone, Copy, Debug, Default)]
struct Bar {
    exchanges: u64,
    paid: Money,
    without: Money,
    /// Read, written, plain, output.
    tokens: [Option<u64>; 4],
}

impl Bar {
    fn add(&mut self, moment: &Moment) {
        let totals = &moment.totals;
        let usage = &totals.usage;
        self.exchanges += totals.exchanges;
        self.paid += totals.cost;
        self.without += totals.cost_without_caching;
        let kinds = [usage.read, usage.written(), usage.plain, usage.output];
        for (sum, kind) in self.tokens.iter_mut().zip(kinds) {
            if let Some(tokens) = kind {
                *sum = Some(sum.unwrap_or(0).saturating_add(tokens));
            }
        }
    }
}

/// Bars and the length of the stretch that each stands for, in microseconds.
struct Bars {
    bars: BTreeMap<i64, Bar>,
    stretch: i64,
}

impl Bars {
    fn of(moments: &[Moment], most: usize) -> Self {
        let times: Vec<i64> = moments.iter().map(micros).collect();
        let steps = times.iter().zip(times.iter().skip(1));
        let least = steps
            .map(|(one, next)| next.saturating_sub(*one))
            .filter(|step| *step > 0)
            .min();
        let least = least.unwrap_or(3600 * SECOND);
        let first = times.iter().min().copied().unwrap_or(0);
        let last = times.iter().max().copied().unwrap_or(0);
        let slots = last.saturating_sub(first) / least + 1;
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let fold = slots.saturating_add(most - 1) / most;
        let stretch = least.saturating_mul(fold.max(1));
        let mut bars: BTreeMap<i64, Bar> = BTreeMap::new();
        for moment in moments {
            let place = (micros(moment) - first) / stretch;
            let at = first + place * stretch;
            bars.entry(at).or_default().add(moment);
        }
        Self { bars, stretch }
    }

    fn stack(&self, layers: &[Shade], form: Form, heights: impl Fn(&Bar) -> Vec<f64>) -> Stack {
        let heights = |(at, bar): (&i64, &Bar)| (*at, heights(bar));
        Stack {
            layers: layers.to_vec(),
            bars: self.bars.iter().map(heights).collect(),
            stretch: self.stretch,
            ticks: self.ticks(form.ticks()),
            spell: short,
        }
    }

    /// Whole minutes, hours or days in UTC, at most `most` of them.
    fn ticks(&self, most: i64) -> Vec<(i64, String)> {
        let first = self.bars.keys().next().copied().unwrap_or(0) / SECOND;
        let last = self.bars.keys().next_back().copied().unwrap_or(0);
        let last = last.saturating_add(self.stretch) / SECOND;
        let least = self.stretch.saturating_mul(draw::FEWEST) / SECOND;
        let last = last.max(first.saturating_add(least));
        let span = last.saturating_sub(first).max(1);
        let fits = STEPS.into_iter().find(|step| span / step <= most);
        let step = fits.unwrap_or(span / most).max(1);
        let pattern = match (step, span) {
            (2_592_000.., _) => "%b %Y",
            (86_400.., _) => "%-d %b",
            (_, ..86_400) => "%H:%M",
            _ => "%-d %b %H:%M",
        };
        let start = first.div_euclid(step).saturating_mul(step);
        let places = (0..=most + 1).map(|number| start.saturating_add(number.saturating_mul(step)));
        places
            .filter(|at| (first..last).contains(at))
            .map(|at| {
                let at = at.saturating_mul(SECOND);
                (at, date(Timestamp::from_micros(at), pattern))
            })
            .collect()
    }
}

/// Clocks that are wrong by ages must not overflow an axis.
fn micros(moment: &Moment) -> i64 {
    moment.at.as_micros().clamp(-AGES, AGES)
}

/// What was paid and what caching saved, per stretch.
pub(super) fn savings(story: &Story) -> Markup {
    let total = &story.total;
    let says = format!(
        "Bar chart over time: {} paid and {} saved, of {} without caching.",
        total.cost,
        total.savings(),
        total.cost_without_caching
    );
    let legend_of = [
        (PLAIN, "Paid"),
        (GAIN, "Saved by caching"),
        (LOSS, "Paid more than without caching"),
    ];
    let lost = story
        .moments
        .iter()
        .any(|one| one.totals.savings() < Money::ZERO);
    let shown = legend_of
        .get(..if lost { 3 } else { 2 })
        .unwrap_or(&legend_of);
    let draw = |form: Form| {
        let bars = Bars::of(&story.moments, form.bars());
        let mut stack = bars.stack(&[PLAIN, GAIN, LOSS], form, |bar| {
            let gain = (bar.without - bar.paid).as_usd().max(0.0);
            let loss = (bar.paid - bar.without).as_usd().max(0.0);
            vec![bar.paid.min(bar.without).as_usd().max(0.0), gain, loss]
        });
        stack.spell = dollars;
        draw::stack(&stack, form)
    };
    html! {
        @if !story.moments.is_empty() {
            section id="time" {
                h2 { "Savings over time" }
                figure {
                    (legend(shown))
                    (both(&says, draw))
                    (table(story, "Paid and saved over time", &["Exchanges", "Paid", "Without caching", "Saved"], |bar| {
                        vec![
                            count(bar.exchanges),
                            bar.paid.to_string(),
                            bar.without.to_string(),
                            (bar.without - bar.paid).to_string(),
                        ]
                    }))
                }
            }
        }
    }
}

/// Tokens by kind: in total, and per stretch.
pub(super) fn tokens(story: &Story) -> Markup {
    let usage = &story.total.usage;
    let kinds = [
        (READ, "Read from the cache", usage.read),
        (WRITE, "Written to the cache", usage.written()),
        (PLAIN, "Plain input", usage.plain),
        (OUTPUT, "Output", usage.output),
    ];
    let said = kinds.map(|(_, name, tokens)| format!("{name}: {}", reported(tokens)));
    let says = format!("Bar chart of tokens over time. {}.", said.join("; "));
    let shades = kinds.map(|(shade, ..)| shade);
    let draw = |form: Form| {
        let bars = Bars::of(&story.moments, form.bars());
        let stack = bars.stack(&shades, form, |bar| bar.tokens.map(height).to_vec());
        draw::stack(&stack, form)
    };
    html! {
        section id="tokens" {
            h2 { "Tokens by kind" }
            dl.kinds {
                @for (shade, name, tokens) in kinds {
                    div {
                        dt { (chip(shade)) (name) }
                        dd {
                            span.figure { (reported(tokens)) }
                            @if let (Some(tokens), Some(input)) = (tokens, usage.input()) {
                                @if shade != OUTPUT {
                                    span.says { (percent(ratio(tokens, input))) " of input" }
                                }
                            }
                        }
                    }
                }
            }
            @if !story.moments.is_empty() {
                figure {
                    (both(&says, draw))
                    (table(story, "Tokens over time", &["Read", "Written", "Plain", "Output"], |bar| {
                        bar.tokens.map(reported).to_vec()
                    }))
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "layout")]
fn height(tokens: Option<u64>) -> f64 {
    tokens.unwrap_or(0) as f64
}

pub(super) fn chip(shade: Shade) -> Markup {
    html! { span class={ "chip " (shade.name()) } aria-hidden="true" {} }
}

pub(super) fn legend(entries: &[(Shade, &str)]) -> Markup {
    html! {
        ul.legend { @for (shade, name) in entries { li { (chip(*shade)) (name) } } }
    }
}

/// Both forms of a chart; the style sheet shows the one that fits.
pub(super) fn both(says: &str, draw: impl Fn(Form) -> String) -> Markup {
    html! {
        @for form in Form::BOTH {
            div class=(form.class()) role="img" aria-label=(says) { (PreEscaped(draw(form))) }
        }
    }
}

fn table(story: &Story, name: &str, heads: &[&str], cells: impl Fn(&Bar) -> Vec<String>) -> Markup {
    let bars = Bars::of(&story.moments, Form::Wide.bars());
    let table = html! {
        table {
            caption { (name) ", times in UTC" }
            thead {
                tr {
                    th scope="col" { "From" }
                    @for head in heads { th.number scope="col" { (head) } }
                }
            }
            tbody {
                @for (at, bar) in &bars.bars {
                    tr {
                        th scope="row" { (moment(Timestamp::from_micros(*at))) }
                        @for cell in cells(bar) { td.number { (cell) } }
                    }
                }
            }
        }
    };
    html! { details { summary { "The same as a table" } (scroll(name, &table)) } }
}
