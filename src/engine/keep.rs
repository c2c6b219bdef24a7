//! Keeping idle prefixes warm: whether a ping that is due still pays, and what came of it.

use std::time::Duration;

use super::expected::{Expected, Mark, to_f64};
use super::pauses::Pauses;
use super::{Engine, Memory, Meta};
use crate::economy::{GOES_ON, Returns, Stake, Stream, Watch};
use crate::ledger::{PING, Record};
use crate::model::{
    Digest, KeepAlive, Limits, Money, PriceTier, Rates, Timestamp, Tokens, Ttl, Usage, Vigil,
};
use crate::provider::Model;

/// For how long nothing is pinged where a ping wrote what it should have read.
const BROKEN_FOR: Duration = Duration::from_secs(3_600);

/// What came of a ping.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pinged {
    /// When it was sent.
    pub at: Timestamp,
    /// The status of the answer; zero when there was none.
    pub status: u16,
    /// What it read and wrote; `None` when nothing was reported.
    pub usage: Option<Usage>,
}

impl Pinged {
    /// A ping sent at `at`, with its answer's status and usage.
    #[must_use]
    pub const fn new(at: Timestamp, status: u16, usage: Option<Usage>) -> Self {
        Self { at, status, usage }
    }

    /// Whether it did what it was sent for: it read more than it wrote.
    fn kept(&self) -> bool {
        let usage = self.usage.unwrap_or_default();
        let read = usage.read.unwrap_or(0);
        (200..300).contains(&self.status) && read > usage.written().unwrap_or(0)
    }

    /// Whether it wrote what it should have read: somebody is mistaken about the cache.
    fn wrote(&self) -> bool {
        let usage = self.usage.unwrap_or_default();
        let written = usage.written().unwrap_or(0);
        written > 0 && written > usage.read.unwrap_or(0)
    }
}

impl Engine {
    /// Whether a ping that is due should be sent: nobody used the conversation since, the chance
    /// that it returns still pays for it, and the budgets allow it.
    #[must_use]
    pub fn still_pays(&self, now: Timestamp, meta: &Meta<'_>, vigil: &Vigil) -> bool {
        let Some(budget) = self.settings.on(meta.route).keep_alive else {
            return false;
        };
        if now >= vigil.expires {
            return false;
        }
        let Some(idle) = self.idle(meta, vigil) else {
            return false;
        };
        idle.affords(now, vigil.price, &budget) && idle.may() && idle.watch(now).pings > 0
    }

    /// Takes in what came of a ping: the row that books it, and when the next one is due.
    #[must_use]
    pub fn pinged(
        &self,
        now: Timestamp,
        meta: &Meta<'_>,
        vigil: &Vigil,
        what: &Pinged,
    ) -> (Record, Option<Vigil>) {
        let model = self.catalog.model(meta.provider, &vigil.model);
        let tier = tier(&model, meta, vigil.tokens);
        let cost = what
            .usage
            .and_then(|usage| usage.cost.or_else(|| Some(tier?.cost(&usage))));
        let record = Record {
            at: what.at,
            first_byte: Some(now).filter(|_| what.status != 0),
            ended: now,
            provider: meta.provider.into(),
            route: meta.route.into(),
            tenant: meta.tenant.into(),
            scope: Some(meta.digest(&self.settings.keyring)),
            lineage: Some(vigil.conversation),
            model: vigil.model.clone(),
            model_known: model.limits.known,
            status: what.status,
            complete: what.status != 0,
            usage: what.usage,
            cost,
            // Nobody would have asked for it.
            cost_without_caching: cost.map(|_| Money::ZERO),
            errand: true,
            errand_kind: PING,
            ..Record::default()
        };
        let Some(mut idle) = self.idle(meta, vigil) else {
            self.spend(now, meta, vigil, cost);
            return (record, None);
        };
        idle.pay(now, cost);
        idle.judge(what.usage.as_ref());
        if what.wrote() {
            idle.trip(now);
        }
        let next = what.kept().then(|| idle.renewed(what.at)).flatten();
        (record, next)
    }

    /// The conversation, if nobody used it since the vigil began.
    fn idle(&self, meta: &Meta<'_>, vigil: &Vigil) -> Option<Idle<'_>> {
        let pauses = self.pauses(meta, vigil);
        let stream = self.memory.stream(&vigil.conversation)?;
        if stream.answered().is_none() || stream.pings != vigil.pings {
            return None;
        }
        let model = self.catalog.model(meta.provider, &vigil.model);
        let idle = Idle {
            memory: &*self.memory,
            behaviour: meta.behaviour(&self.settings.keyring, &model.name),
            budget: self.settings.on(meta.route).keep_alive?,
            tier: tier(&model, meta, vigil.tokens),
            limits: model.limits,
            model: vigil.model.clone(),
            prefix: vigil.prefix,
            tokens: vigil.tokens,
            stream,
            pauses,
        };
        // A vigil that a later request or ping has outdated.
        let ends = idle.shortest().map(|(_, ends)| ends);
        (ends == Some(vigil.expires)).then_some(idle)
    }

    fn pauses(&self, meta: &Meta<'_>, vigil: &Vigil) -> Pauses {
        let keyring = &self.settings.keyring;
        let ids = [vigil.conversation, vigil.service];
        Pauses::of(keyring, meta, ids, vigil.session)
    }

    /// A ping was paid for whose conversation has gone on or is forgotten.
    fn spend(&self, now: Timestamp, meta: &Meta<'_>, vigil: &Vigil, cost: Option<Money>) {
        let pauses = self.pauses(meta, vigil);
        let cost = cost.unwrap_or_default();
        self.memory
            .learn_returns(pauses.account, &mut |returns| returns.pay(now, cost));
    }
}

/// A conversation that nobody uses right now.
pub(super) struct Idle<'a> {
    pub(super) memory: &'a dyn Memory,
    /// The key of what is known of this provider's cache.
    pub(super) behaviour: Digest,
    pub(super) budget: KeepAlive,
    pub(super) tier: Option<PriceTier>,
    pub(super) limits: Limits,
    pub(super) model: Box<str>,
    /// The prefix that is kept, and its tokens.
    pub(super) prefix: Digest,
    pub(super) tokens: Tokens,
    pub(super) stream: Stream,
    pub(super) pauses: Pauses,
}

impl Idle<'_> {
    /// When the prefix is worth a ping, if it is: after its last request, or after a ping.
    pub(super) fn vigil(&self, now: Timestamp) -> Option<Vigil> {
        let (ttl, expires) = self.shortest()?;
        if expires <= now || self.is_over(expires) {
            return None;
        }
        let due = before(expires, margin(ttl)).max(now);
        let watch = self.watch(due);
        let price = self.tier.map(|tier| tier.read.times(self.tokens));
        if watch.pings == 0 || !self.affords(now, price, &self.budget) || !self.may() {
            return None;
        }
        Some(Vigil {
            conversation: self.pauses.conversation,
            prefix: self.prefix,
            ttl,
            due,
            expires,
            tokens: self.tokens,
            pings: self.stream.pings,
            price,
            worst: self.tier.map(|tier| self.written(&tier)),
            spent: self.stream.spent,
            chance: watch.chance,
            threshold: watch.threshold,
            planned: watch.pings,
            service: self.pauses.service,
            session: self.pauses.session,
            model: self.model.clone(),
        })
    }

    /// What it costs to write all of the prefix again.
    fn written(&self, tier: &PriceTier) -> Money {
        let hour = self.stream.hour.min(self.tokens);
        let rest = tier.write(self.limits.ttl).times(self.tokens - hour);
        tier.write(Ttl::OneHour).times(hour) + rest
    }

    /// The class and the end of what expires first of what is still alive.
    fn shortest(&self) -> Option<(Ttl, Timestamp)> {
        let [hour, rest] = self.stream.ends;
        let short = self.limits.ttl;
        if self.tokens > self.stream.hour {
            Some((short, rest))
        } else if self.stream.hour > 0 {
            Some((Ttl::OneHour, hour))
        } else {
            None
        }
    }

    /// Whether the deadline, or the end signal of the caller, has come by then.
    fn is_over(&self, then: Timestamp) -> bool {
        then.since(self.stream.last()) > self.budget.deadline
    }

    /// How many pings are worth planning for from then on.
    fn watch(&self, then: Timestamp) -> Watch {
        let odds = self.pauses.odds(self.memory, &self.stream, then);
        self.stake(then)
            .map_or_else(Watch::default, |stake| stake.watch(&odds))
    }

    #[expect(clippy::float_arithmetic, reason = "an expectation, never money")]
    fn stake(&self, then: Timestamp) -> Option<Stake> {
        let (ttl, expires) = self.shortest()?;
        let rates = self.rates();
        let lost = self.tokens.saturating_sub(match ttl {
            Ttl::OneHour => 0,
            Ttl::FiveMinutes | Ttl::HalfHour => self.stream.hour,
        });
        let lives = self.limits.lives.of(ttl);
        let margin = margin(ttl).min(expires.since(then));
        let step = lives.saturating_sub(margin);
        Some(Stake {
            loss: to_f64(lost) * (rates.write(ttl) - rates.read) * GOES_ON * rates.finds(step),
            tokens: self.tokens,
            age: then.since(self.stream.last()),
            step,
            margin,
            rates,
        })
    }

    /// Whether pings have earned what they cost in conversations like this one.
    fn may(&self) -> bool {
        self.pauses
            .pings_lead(self.memory, &self.stream, &self.rates())
    }

    /// The prices, where the provider's cache is as it was seen to be.
    fn rates(&self) -> Rates {
        let rates = self.tier.as_ref().map_or(Rates::USUAL, Rates::of);
        effective(
            self.memory,
            &self.behaviour,
            (&rates, self.stream.last(), self.tokens),
        )
    }

    /// Whether the budgets allow one more ping.
    fn affords(&self, now: Timestamp, price: Option<Money>, budget: &KeepAlive) -> bool {
        let price = price.unwrap_or_default();
        let mut day = Money::ZERO;
        let mut broken = false;
        self.memory.returns(&self.pauses.account, &mut |returns| {
            day = returns.paid_on(now);
            broken = returns.broken_until.is_some_and(|until| now < until);
        });
        !broken
            && price <= budget.per_ping
            && self.stream.spent + price <= budget.per_session
            && day + price <= budget.per_day
    }

    fn pay(&mut self, now: Timestamp, cost: Option<Money>) {
        let cost = cost.unwrap_or_default();
        self.stream.spent += cost;
        self.stream.pings = self.stream.pings.saturating_add(1);
        self.store();
        self.memory
            .learn_returns(self.pauses.account, &mut |returns| returns.pay(now, cost));
    }

    /// A ping has cost something.
    #[expect(clippy::float_arithmetic, reason = "an expectation, never money")]
    fn judge(&self, usage: Option<&Usage>) {
        let rates = self.rates();
        let usage = usage.copied().unwrap_or_default();
        let part = |tokens: Option<u64>, rate: f64| to_f64(tokens.unwrap_or(0)) * rate;
        let cost = part(usage.plain, 1.0)
            + part(usage.read, rates.read)
            + part(usage.write_5m, rates.write_5m)
            + part(usage.write_1h, rates.write_1h);
        self.pauses.pinged(self.memory, &self.stream, cost);
    }

    /// A ping wrote: nothing is pinged for a while.
    fn trip(&self, now: Timestamp) {
        let until = Some(now.plus(BROKEN_FOR));
        let trip = &mut |returns: &mut Returns| returns.broken_until = until;
        self.memory.learn_returns(self.pauses.account, trip);
    }

    /// A ping was sent at `at` and read the prefix: when the next one is due.
    fn renewed(&mut self, at: Timestamp) -> Option<Vigil> {
        self.stream.ends = ends(at, &self.limits);
        self.store();
        self.vigil(at)
    }

    fn store(&self) {
        self.memory
            .put_stream(self.pauses.conversation, self.stream);
    }
}

/// These prices at `now` for a prefix of so many tokens, where the cache is as it was seen to be.
pub(super) fn effective(
    memory: &dyn Memory,
    behaviour: &Digest,
    (rates, now, tokens): (&Rates, Timestamp, Tokens),
) -> Rates {
    let mut effective = *rates;
    memory.behaviour(behaviour, &mut |known| {
        effective = known.effective(now, rates, tokens);
    });
    effective
}

/// When what was used at `at` expires: the part with one hour, and the part behind it.
pub(super) fn ends(at: Timestamp, limits: &Limits) -> [Timestamp; 2] {
    [Ttl::OneHour, limits.ttl].map(|ttl| at.plus(limits.lives.of(ttl)))
}

/// How long before the end of an entry a ping is sent: time to arrive in, and for the provider to
/// begin. Pings after 280 s kept what pings after 240 s kept, for less (`economics.md` §6.3).
fn margin(ttl: Ttl) -> Duration {
    match ttl {
        Ttl::FiveMinutes => Duration::from_secs(20),
        Ttl::HalfHour | Ttl::OneHour => Duration::from_secs(120),
    }
}

fn before(end: Timestamp, margin: Duration) -> Timestamp {
    let micros = i64::try_from(margin.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(end.as_micros().saturating_sub(micros))
}

/// The prices of a ping at this endpoint.
pub(super) fn tier(model: &Model, meta: &Meta<'_>, tokens: Tokens) -> Option<PriceTier> {
    let percent = if meta.regional {
        model.regional_percent
    } else {
        0
    };
    let prices = model.prices?.dearer_by(percent);
    Some(*prices.tier(tokens))
}

/// The deepest prefix that the provider should hold after this request, and the tokens of the part
/// that it keeps for an hour, by the classes that were granted.
pub(super) fn held(memory: &dyn Memory, expected: &Expected) -> Option<(Digest, Tokens, Tokens)> {
    let deepest = expected.marks.iter().max_by_key(|mark| mark.tokens)?;
    let granted = |mark: &&Mark| {
        let entry = memory.node(&mark.prefix).and_then(|node| node.entry);
        entry.map_or(mark.ttl, |entry| entry.ttl)
    };
    let marks = expected.marks.iter();
    let hour = marks.filter(|mark| granted(mark) == Ttl::OneHour);
    let hour = hour.map(|mark| mark.tokens).max().unwrap_or(0);
    Some((deepest.prefix, deepest.tokens, hour))
}
