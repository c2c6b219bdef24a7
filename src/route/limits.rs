//! What providers say of their rate limits.

use std::time::Duration;

use super::moment::{http_date, milliseconds, rfc3339, stretch};
use crate::model::Timestamp;
use crate::provider::LimitHeaders;

/// What one backend said of its rate limits, brought forward to now.
///
/// Each limit is a bucket that fills evenly towards its size: Anthropic says so
/// (platform.claude.com/docs/en/api/rate-limits, read 2026-11-25), and OpenAI's resets behave so.
/// Calls that were sent count until a later answer says better.
#[derive(Clone, Debug, Default)]
pub struct Allowance {
    requests: Option<Bucket>,
    /// Tokens of prompts and answers, as OpenAI and Anthropic's strictest limit count them.
    tokens: Option<Bucket>,
    input: Option<Bucket>,
    output: Option<Bucket>,
    refusals: Option<Refusals>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    limit: u64,
    /// In millionths, so that what fills slowly is not lost between two looks.
    left: u128,
    at: Timestamp,
    fill: Fill,
}

/// How a bucket fills.
#[derive(Clone, Copy, Debug)]
struct Fill {
    amount: u64,
    every: Duration,
}

/// Refusals that came one after another.
#[derive(Clone, Copy, Debug)]
struct Refusals {
    until: Timestamp,
    times: u32,
}

/// What the headers of one response say of one limit.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    limit: Option<u64>,
    left: Option<u64>,
    resets_in: Option<Duration>,
    resets_at: Option<Timestamp>,
}

const MILLION: u128 = 1_000_000;

/// What limits count by where nothing says otherwise.
const MINUTE: Duration = Duration::from_secs(60);

/// How long there is taken to be no room after a refusal that names no time; doubled while refusals
/// follow each other, up to a minute.
const UNNAMED: Duration = Duration::from_secs(1);

/// No provider is left alone for longer than this on its word.
const MOST: Duration = Duration::from_secs(3600);

impl Allowance {
    /// Takes in the headers of a response: names in small letters, with their values.
    pub fn hear(
        &mut self,
        now: Timestamp,
        style: LimitHeaders,
        headers: &mut dyn Iterator<Item = (&str, &str)>,
    ) {
        let prefix = match style {
            LimitHeaders::None => return,
            LimitHeaders::Anthropic => "anthropic-ratelimit-",
            LimitHeaders::OpenAi => "x-ratelimit-",
        };
        let mut said = [Said::default(); 4];
        // Resets are moments of the provider's clock, which is not ours.
        let mut theirs = now;
        for (name, value) in headers {
            let value = value.trim();
            if name == "date" {
                theirs = http_date(value).unwrap_or(now);
            }
            let rest = name.strip_prefix(prefix);
            if let Some((which, part)) = rest.and_then(|rest| parts(style, rest))
                && let Some(said) = said.get_mut(which)
            {
                said.take_in(part, value);
            }
        }
        for (bucket, said) in self.buckets().into_iter().zip(said) {
            if let Some(heard) = Bucket::heard((now, theirs), &said, bucket.as_ref()) {
                *bucket = Some(heard);
            }
        }
    }

    /// A call was refused for a rate limit: there is no room before `retry_after` has passed. Without
    /// a time there is none for a second, and for twice as long after each further refusal.
    pub fn refused(&mut self, now: Timestamp, retry_after: Option<Duration>) {
        let before = self
            .refusals
            .filter(|before| now.since(before.until) < MINUTE);
        // Calls that were under way together are refused together, and count once.
        let times = match before {
            Some(before) if now < before.until => before.times,
            Some(before) => before.times.saturating_add(1),
            None => 0,
        };
        let until = now.plus(pause(times, retry_after).min(MOST));
        self.refusals = Some(Refusals {
            until: before.map_or(until, |before| before.until.max(until)),
            times,
        });
    }

    /// A call that counts so many tokens was sent.
    pub fn spend(&mut self, now: Timestamp, tokens: u64) {
        let [requests, all, input, output] = self.buckets();
        for (bucket, amount) in [(requests, 1), (all, tokens), (input, tokens), (output, 0)] {
            if let Some(bucket) = bucket {
                bucket.spend(now, amount);
            }
        }
    }

    /// Until when there is no room for a call that counts so many tokens; `None` where there is. A
    /// call that is larger than a limit waits for the whole of it, no longer: the provider is to say
    /// that it is too large.
    #[must_use]
    pub fn full_until(&self, now: Timestamp, tokens: u64) -> Option<Timestamp> {
        let refused = self.refusals.map(|refusals| refusals.until);
        let needs = [
            (&self.requests, 1),
            (&self.tokens, tokens),
            (&self.input, tokens),
            // How long the answer gets is not known before.
            (&self.output, 1),
        ];
        let full = needs
            .into_iter()
            .filter_map(|(bucket, need)| bucket.as_ref()?.full_until(now, need));
        full.chain(refused).filter(|until| *until > now).max()
    }

    const fn buckets(&mut self) -> [&mut Option<Bucket>; 4] {
        [
            &mut self.requests,
            &mut self.tokens,
            &mut self.input,
            &mut self.output,
        ]
    }
}

/// How long there is no room after a refusal that followed so many others: what the provider names,
/// or our own guess.
pub(super) fn pause(before: u32, named: Option<Duration>) -> Duration {
    let own = UNNAMED.saturating_mul(1 << before.min(16)).min(MINUTE);
    named.filter(|named| !named.is_zero()).unwrap_or(own)
}

/// Which limit a header's name is about, and which part of it: `input-tokens-reset` at Anthropic,
/// `reset-tokens` at OpenAI.
fn parts(style: LimitHeaders, rest: &str) -> Option<(usize, &str)> {
    let (limit, part) = match style {
        LimitHeaders::None => return None,
        LimitHeaders::Anthropic => rest.rsplit_once('-')?,
        LimitHeaders::OpenAi => {
            let (part, limit) = rest.split_once('-')?;
            (limit, part)
        }
    };
    let names = ["requests", "tokens", "input-tokens", "output-tokens"];
    let which = names.iter().position(|name| *name == limit)?;
    Some((which, part))
}

impl Said {
    fn take_in(&mut self, part: &str, value: &str) {
        match part {
            "limit" => self.limit = value.parse().ok(),
            "remaining" => self.left = value.parse().ok(),
            "reset" => {
                self.resets_in = stretch(value);
                self.resets_at = rfc3339(value);
            }
            _ => {}
        }
    }
}

impl Bucket {
    /// The bucket as a response describes it. `None` where it does not: numbers below zero are
    /// Azure's way to say nothing (learn.microsoft.com/en-us/answers/questions/5625878).
    fn heard(
        (now, theirs): (Timestamp, Timestamp),
        said: &Said,
        before: Option<&Self>,
    ) -> Option<Self> {
        let left = said.left?;
        let known = said.limit.or_else(|| before.map(|before| before.limit));
        let limit = known.unwrap_or(left).max(left);
        if limit == 0 {
            return None;
        }
        let gone = limit - left;
        // Moments are rounded to seconds and amounts to thousands: only where much is gone do they
        // say how fast it comes back.
        let told = said
            .resets_in
            .or_else(|| Some(said.resets_at?.since(theirs)))
            .filter(|time| !time.is_zero() && gone >= limit.div_ceil(10))
            .map(|every| Fill {
                amount: gone,
                every,
            });
        let same = before.filter(|before| before.limit == limit);
        let usual = Fill {
            amount: limit,
            every: MINUTE,
        };
        Some(Self {
            limit,
            left: u128::from(left) * MILLION,
            at: now,
            fill: told.or_else(|| Some(same?.fill)).unwrap_or(usual),
        })
    }

    /// What is left by now, in millionths.
    fn left(&self, now: Timestamp) -> u128 {
        let passed = now.since(self.at).as_micros();
        let every = self.fill.every.as_micros().max(1);
        let filled = u128::from(self.fill.amount)
            .saturating_mul(MILLION)
            .saturating_mul(passed)
            / every;
        let most = u128::from(self.limit) * MILLION;
        self.left.saturating_add(filled).min(most)
    }

    fn spend(&mut self, now: Timestamp, amount: u64) {
        let spent = u128::from(amount) * MILLION;
        self.left = self.left(now).saturating_sub(spent);
        self.at = self.at.max(now);
    }

    fn full_until(&self, now: Timestamp, need: u64) -> Option<Timestamp> {
        let need = u128::from(need.min(self.limit)) * MILLION;
        let missing = need.checked_sub(self.left(now)).filter(|gap| *gap > 0)?;
        let every = self.fill.every.as_micros().max(1);
        let speed = u128::from(self.fill.amount.max(1)) * MILLION;
        let wait = missing.saturating_mul(every).div_ceil(speed);
        let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(u64::MAX));
        Some(now.plus(wait))
    }
}

/// How long the headers of a response ask to wait, whichever way they say it: `retry-after-ms`,
/// `retry-after` in seconds or as a date, the finer one first. Names in small letters, with their
/// values; `None` where they do not ask, or it cannot be read.
#[must_use]
pub fn retry_after(
    now: Timestamp,
    headers: &mut dyn Iterator<Item = (&str, &str)>,
) -> Option<Duration> {
    let (mut fine, mut plain, mut moment, mut sent) = (None, None, None, now);
    for (name, value) in headers {
        let value = value.trim();
        match name {
            "retry-after-ms" => fine = milliseconds(value),
            "retry-after" => {
                plain = stretch(value);
                moment = http_date(value);
            }
            "date" => sent = http_date(value).unwrap_or(now),
            _ => {}
        }
    }
    fine.or(plain)
        .or_else(|| moment.map(|moment| moment.since(sent)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: u64) -> Timestamp {
        // 2026-11-25T17:00:00Z
        Timestamp::from_micros(1_795_626_000_000_000).plus(Duration::from_secs(seconds))
    }

    fn heard(style: LimitHeaders, headers: &[(&str, &str)]) -> Allowance {
        let mut allowance = Allowance::default();
        allowance.hear(at(0), style, &mut headers.iter().copied());
        allowance
    }

    fn full(allowance: &Allowance, seconds: u64, tokens: u64) -> Option<u64> {
        let until = allowance.full_until(at(seconds), tokens)?;
        Some(until.since(at(0)).as_secs())
    }

    const ANTHROPIC: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("anthropic-ratelimit-requests-limit", "1000"),
        ("anthropic-ratelimit-requests-remaining", "999"),
        ("anthropic-ratelimit-requests-reset", "2026-11-25T17:00:01Z"),
        ("anthropic-ratelimit-input-tokens-limit", "60000"),
        ("anthropic-ratelimit-input-tokens-remaining", "30000"),
        (
            "anthropic-ratelimit-input-tokens-reset",
            "2026-11-25T17:00:30Z",
        ),
        ("anthropic-ratelimit-output-tokens-limit", "8000"),
        ("anthropic-ratelimit-output-tokens-remaining", "0"),
        (
            "anthropic-ratelimit-output-tokens-reset",
            "2026-11-25T17:01:00Z",
        ),
    ];

    #[test]
    fn anthropics_headers_fill_evenly_towards_their_reset() {
        let without_output = &ANTHROPIC[..7];
        let allowance = heard(LimitHeaders::Anthropic, without_output);
        assert_eq!(full(&allowance, 0, 30_000), None);
        assert_eq!(full(&allowance, 0, 40_000), Some(10));
        assert_eq!(full(&allowance, 9, 40_000), Some(10));
        assert_eq!(full(&allowance, 10, 40_000), None);
        assert_eq!(full(&allowance, 0, 1_000_000), Some(30));
        assert_eq!(full(&allowance, 40, 1_000_000), None);
    }

    #[test]
    fn an_answer_needs_some_room_of_its_own() {
        let allowance = heard(LimitHeaders::Anthropic, ANTHROPIC);
        assert!(allowance.full_until(at(0), 1).is_some());
        assert_eq!(allowance.full_until(at(1), 1), None);
    }

    #[test]
    fn a_clock_that_goes_wrong_is_set_right_by_the_date() {
        let mut headers = ANTHROPIC[..7].to_vec();
        headers.push(("date", "Wed, 25 Nov 2026 16:55:00 GMT"));
        let reset = (
            "anthropic-ratelimit-input-tokens-reset",
            "2026-11-25T16:55:30Z",
        );
        headers[6] = reset;
        let allowance = heard(LimitHeaders::Anthropic, &headers);
        assert_eq!(full(&allowance, 0, 40_000), Some(10));
    }

    #[test]
    fn openais_headers_name_stretches() {
        let allowance = heard(
            LimitHeaders::OpenAi,
            &[
                ("x-ratelimit-limit-requests", "10000"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "24h0m0s"),
                ("x-ratelimit-limit-tokens", "150000"),
                ("x-ratelimit-remaining-tokens", "149984"),
                ("x-ratelimit-reset-tokens", "6ms"),
                ("x-ratelimit-remaining-tokens_usage_based", "0"),
            ],
        );
        assert_eq!(
            full(&allowance, 0, 1),
            Some(8),
            "a request comes back every 8.64 s"
        );
        assert_eq!(full(&allowance, 9, 149_000), None);
        let mut used = allowance;
        used.spend(at(9), 149_000);
        assert_eq!(full(&used, 9, 1), Some(17), "two requests after 17.28 s");
        let tokens = used.full_until(at(18), 150_000).expect("tokens are gone");
        assert!(tokens > at(60), "{tokens:?}");
    }

    #[test]
    fn calls_count_until_an_answer_says_better() {
        let mut allowance = heard(LimitHeaders::Anthropic, &ANTHROPIC[..7]);
        allowance.spend(at(0), 30_000);
        assert_eq!(full(&allowance, 0, 10_000), Some(10));
        let headers = [
            ("anthropic-ratelimit-input-tokens-limit", "60000"),
            ("anthropic-ratelimit-input-tokens-remaining", "60000"),
        ];
        allowance.hear(at(1), LimitHeaders::Anthropic, &mut headers.into_iter());
        assert_eq!(full(&allowance, 1, 60_000), None);
    }

    #[test]
    fn what_says_nothing_is_no_limit() {
        let azure = [
            ("x-ratelimit-limit-tokens", "-1"),
            ("x-ratelimit-remaining-tokens", "-1"),
            ("x-ratelimit-reset-tokens", "0"),
        ];
        assert_eq!(full(&heard(LimitHeaders::OpenAi, &azure), 0, 1000), None);
        let other_style = heard(LimitHeaders::OpenAi, ANTHROPIC);
        assert_eq!(full(&other_style, 0, 1_000_000), None);
        let no_style = heard(LimitHeaders::None, ANTHROPIC);
        assert_eq!(full(&no_style, 0, 1_000_000), None);
        let unread = [
            ("anthropic-ratelimit-tokens-limit", "many"),
            ("anthropic-ratelimit-tokens-remaining", "few"),
            ("anthropic-ratelimit-tokens", "0"),
            ("anthropic-ratelimit-unified-remaining", "0"),
        ];
        assert_eq!(full(&heard(LimitHeaders::Anthropic, &unread), 0, 1), None);
    }

    /// Azure names what is left, and often nothing else.
    #[test]
    fn what_is_left_is_enough_to_know_that_nothing_is() {
        let mut allowance = heard(
            LimitHeaders::OpenAi,
            &[("x-ratelimit-remaining-tokens", "60000")],
        );
        assert_eq!(full(&allowance, 0, 60_000), None);
        let headers = [("x-ratelimit-remaining-tokens", "0")];
        allowance.hear(at(0), LimitHeaders::OpenAi, &mut headers.into_iter());
        assert_eq!(full(&allowance, 0, 10_000), Some(10));
    }

    #[test]
    fn a_refusal_closes_for_as_long_as_it_says() {
        let mut allowance = Allowance::default();
        allowance.refused(at(0), Some(Duration::from_secs(20)));
        assert_eq!(full(&allowance, 0, 0), Some(20));
        allowance.refused(at(1), Some(Duration::from_secs(5)));
        assert_eq!(full(&allowance, 1, 0), Some(20), "the longer one stands");
        assert_eq!(full(&allowance, 20, 0), None);
        allowance.refused(at(30), Some(Duration::from_secs(1_000_000)));
        assert_eq!(full(&allowance, 30, 0), Some(3630));
    }

    #[test]
    fn refusals_without_a_time_close_for_longer_each_time() {
        let mut allowance = Allowance::default();
        allowance.refused(at(0), None);
        allowance.refused(at(0), None);
        assert_eq!(full(&allowance, 0, 0), Some(1), "together they count once");
        allowance.refused(at(1), None);
        assert_eq!(full(&allowance, 1, 0), Some(3));
        allowance.refused(at(3), Some(Duration::ZERO));
        assert_eq!(full(&allowance, 3, 0), Some(7));
        allowance.refused(at(100), None);
        assert_eq!(
            full(&allowance, 100, 0),
            Some(101),
            "after calm it is short again"
        );
    }

    #[test]
    fn waits_are_read_in_whichever_form() {
        let read = |headers: &[(&str, &str)]| {
            retry_after(at(0), &mut headers.iter().copied()).map(|wait| wait.as_millis())
        };
        assert_eq!(read(&[("retry-after", "7")]), Some(7000));
        assert_eq!(read(&[("retry-after", " 1.5 ")]), Some(1500));
        assert_eq!(
            read(&[("retry-after", "2"), ("retry-after-ms", "1200")]),
            Some(1200)
        );
        let date = ("retry-after", "Wed, 25 Nov 2026 17:00:30 GMT");
        assert_eq!(read(&[date]), Some(30_000));
        let theirs = ("date", "Wed, 25 Nov 2026 17:00:20 GMT");
        assert_eq!(read(&[date, theirs]), Some(10_000));
        let past = ("retry-after", "Wed, 25 Nov 2026 16:00:30 GMT");
        assert_eq!(read(&[past]), Some(0));
        for odd in ["", "-1", "soon", "NaN", "1e9"] {
            assert_eq!(read(&[("retry-after", odd)]), None, "{odd}");
        }
        assert_eq!(read(&[("x-retry-after", "1")]), None);
    }

    proptest! {
        /// Whatever was heard and spent: the time that is named is enough, and not a moment too long.
        #[test]
        fn there_is_room_when_it_was_said(
            limit in 1_u64..10_000_000,
            left in 0_u64..10_000_000,
            reset in 0_u64..200_000,
            spends in prop::collection::vec((0_u64..100_000, 0_u64..1_000_000), 0..8),
            need in 0_u64..10_000_000,
        ) {
            let (limit, left, reset) = (limit.to_string(), left.to_string(), format!("{reset}ms"));
            let headers = [
                ("x-ratelimit-limit-tokens", limit.as_str()),
                ("x-ratelimit-remaining-tokens", left.as_str()),
                ("x-ratelimit-reset-tokens", reset.as_str()),
            ];
            let mut allowance = heard(LimitHeaders::OpenAi, &headers);
            let mut now = at(0);
            for (pause, tokens) in spends {
                now = now.plus(Duration::from_millis(pause));
                allowance.spend(now, tokens);
            }
            if let Some(until) = allowance.full_until(now, need) {
                prop_assert!(until > now);
                prop_assert_eq!(allowance.full_until(until, need), None);
                let before = Timestamp::from_micros(until.as_micros() - 1);
                prop_assert!(before == now || allowance.full_until(before, need).is_some());
            }
        }

        #[test]
        fn no_header_is_a_panic(name in "(x|anthropic)-ratelimit-[a-z-]{0,20}", value in ".{0,30}") {
            for style in [LimitHeaders::Anthropic, LimitHeaders::OpenAi] {
                let mut allowance = heard(style, &[(&name, &value)]);
                allowance.spend(at(1), u64::MAX);
                let _ = allowance.full_until(at(2), u64::MAX);
            }
            let _ = retry_after(at(0), &mut [("retry-after", value.as_str())].into_iter());
        }
    }
}
