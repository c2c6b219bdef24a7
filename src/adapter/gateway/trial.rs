//! What is held while an attempt is under way, and told or given back exactly once: the backend's
//! pass, the room in the caps, and what the exchange will teach.

use std::fmt;
use std::sync::Arc;

use super::call::Asked;
use super::desk::{Desk, Plan};
use crate::adapter::handle::Attempted;
use crate::adapter::keep::{Fund, Grant};
use crate::adapter::running::shielded;
use crate::ledger::{Record, may_be_billed};
use crate::model::{Timestamp, Usage};
use crate::route::{
    self, Admission, Allowance, Failure, FailureKind, Health, Pass, Reservation, Spent, Who, Worst,
};

/// What an exchange of a route teaches, once it is booked.
pub(super) struct Lesson {
    pub(super) desk: Arc<Desk>,
    pub(super) plan: Arc<Plan>,
    pub(super) asked: Arc<Asked>,
    /// Place of the offer in its route, in this plan.
    pub(super) offer: usize,
}

impl Lesson {
    /// Takes in what the exchange left warm.
    pub(super) fn learn(&self, record: &Record) {
        let (Some(usage), Some(route)) = (record.usage, self.plan.route(&self.asked.route)) else {
            return;
        };
        let lesson = route::Lesson {
            ask: self.asked.ask(),
            offer: self.offer,
            at: record.at,
            usage,
            shared: shared(record, &usage),
        };
        self.desk.learn(&self.plan, (route, &lesson));
    }
}

/// Tokens of tools and system prompt, at the scale of the provider's own count.
fn shared(record: &Record, usage: &Usage) -> u64 {
    let [tools, system, _] = record.sections;
    let estimated = u128::from(tools.saturating_add(system));
    let input = u128::from(usage.input().unwrap_or(record.estimated_input));
    let scaled = (estimated * input).checked_div(u128::from(record.estimated_input));
    scaled.map_or(0, |tokens| u64::try_from(tokens).unwrap_or(u64::MAX))
}

/// Room that was taken for one attempt.
pub(super) struct Room {
    desk: Arc<Desk>,
    reservation: Option<Reservation>,
    worst: Worst,
}

impl Room {
    pub(super) const fn of(desk: Arc<Desk>, reservation: Reservation, worst: Worst) -> Self {
        Self {
            desk,
            reservation: Some(reservation),
            worst,
        }
    }

    /// Puts what was spent in the place of what was reserved; where the provider said that it
    /// served nothing, or was never reached, gives it back.
    pub(super) fn settle(mut self, record: &Record, attempted: &Attempted) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        // The ledger knows more than the status where it has read the body and has a price.
        let is_billed = match record.skip {
            None if self.worst.money.is_some() => record.presumed.is_some(),
            None | Some(_) => attempted.is_reached() && may_be_billed(record.status),
        };
        if record.usage.is_none() && !is_billed {
            self.desk.purse.release(self.desk.now(), reservation);
            return;
        }
        // As the ledger presumes it; without a figure there, as it was reserved.
        let money = record.presumed.or(self.worst.money);
        let tokens = match record.estimated_input {
            0 => self.worst.tokens,
            tokens => tokens.min(self.worst.tokens),
        };
        let spent = Spent {
            usage: record.usage,
            money: record.cost,
            presumed: is_billed.then(|| Worst::new(money, tokens)),
        };
        self.desk.purse.settle(self.desk.now(), reservation, &spent);
    }
}

impl Room {
    /// Settles what was reserved for a ping: what it cost, or all of it where that is not known and it
    /// may have been billed.
    fn settle_ping(mut self, record: &Record) {
        let Some(reservation) = self.reservation.take() else {
            return;
        };
        let (purse, now) = (&self.desk.purse, self.desk.now());
        if record.usage.is_none() && !may_be_billed(record.status) {
            return purse.release(now, reservation);
        }
        let spent = Spent {
            usage: record.usage,
            money: record.cost,
            presumed: record.usage.is_none().then_some(self.worst),
        };
        purse.settle(now, reservation, &spent);
    }
}

/// Takes room in the caps for each ping that will repeat an attempt of this call at this backend. Nothing
/// is sent where there is none, or before the caps' file covers it: a ping waits for nobody.
pub(super) fn fund(desk: &Arc<Desk>, asked: &Arc<Asked>, backend: &str) -> Fund {
    let (desk, asked, backend) = (Arc::downgrade(desk), Arc::clone(asked), Box::from(backend));
    Fund::new(move |vigil| {
        let desk = desk.upgrade()?;
        let who = Who {
            route: &asked.route,
            tenant: &asked.tenant,
            backend: &backend,
        };
        let (room, written) = desk
            .take(&who, &Worst::new(vigil.worst, vigil.tokens))
            .ok()?;
        let covered = written.is_done();
        let settle: Grant = Box::new(move |record| room.settle_ping(record));
        covered.then_some(settle)
    })
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.desk.purse.release(self.desk.now(), reservation);
        }
    }
}

/// Why a backend is not asked now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// It is left alone until then.
    Broken(Timestamp),
    /// Its rate limit leaves no room until then.
    Limited(Timestamp),
}

/// One attempt at a backend, which learns what came of it exactly once.
pub(super) struct Trial {
    desk: Arc<Desk>,
    backend: Box<str>,
    pass: Option<Pass>,
}

impl Trial {
    pub(super) fn of(desk: Arc<Desk>, backend: &str, pass: Option<Pass>) -> Self {
        Self {
            desk,
            backend: backend.into(),
            pass,
        }
    }

    /// The same, whose first byte says nothing of how fast the backend is.
    pub(super) fn unmeasured(mut self) -> Self {
        self.pass = self.pass.take().map(Pass::unmeasured);
        self
    }

    /// It was answered; its first byte is here.
    pub(super) fn answered(&mut self) {
        self.change(|(health, _), now, pass| health.answered(now, pass));
    }

    /// It failed, before its first byte or after it.
    pub(super) fn failed(mut self, failure: &Failure) {
        let broken = self.change(|(health, limits), now, pass| {
            if failure.kind == FailureKind::RateLimited {
                limits.refused(now, failure.retry_after);
            }
            health.failed(now, pass, failure);
        });
        if let (Some(Admission::Broken(until)), Some(watch)) = (broken, self.desk.watch()) {
            shielded(|| watch.broken(&self.backend, until, failure));
        }
        // Dropping it has nothing more to tell.
        self.pass = None;
    }

    /// Changes what is known of the backend; returns its new admission where that has changed.
    fn change(
        &mut self,
        change: impl FnOnce((&mut Health, &mut Allowance), Timestamp, &mut Pass),
    ) -> Option<Admission> {
        let pass = self.pass.as_mut()?;
        let now = self.desk.now();
        let changed = self.desk.at(&self.backend, |state, at| {
            let health = state.health.get_mut(at)?;
            let limits = state.limits.get_mut(at)?;
            let before = health.admission(now);
            change((health, limits), now, pass);
            let after = health.admission(now);
            (before != after).then_some((before, after))
        });
        let (before, after) = changed.flatten()?;
        if let (Admission::Sound, Some(watch)) = (after, self.desk.watch())
            && before != Admission::Sound
        {
            shielded(|| watch.recovered(&self.backend));
        }
        Some(after)
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // After an answer this does nothing.
        self.change(|(health, _), now, pass| health.dropped(now, pass));
    }
}

impl fmt::Debug for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trial")
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::adapter::gateway::GatewayOptions;
    use crate::adapter::gateway::head::Purpose;
    use crate::adapter::handle::Cachewright;
    use crate::model::{Digest, Money, Needs, Ttl, Vigil};
    use crate::provider::Catalog;
    use crate::route::Amount;

    fn money(pico: i128) -> Money {
        Money::from_pico(pico)
    }

    fn desk() -> Arc<Desk> {
        let text = "[providers.inside]\nkind = \"anthropic\"\nkey = \"k\"\n[routes.app]\n\
            model = \"claude-opus-4.5\"\norder = [\"inside\"]\n[caps]\n\
            total = [\"0.0000000001 USD/day\"]\n";
        let options = GatewayOptions::config(("a.toml", text), &Catalog::builtin(), &|_| None);
        let cache = Cachewright::builder().build().expect("a handle");
        Arc::new(Desk::new(cache, options.expect("options")).expect("a desk"))
    }

    /// A ping of eleven picodollars, or of sixty where it writes; a day has a hundred.
    fn vigil() -> Vigil {
        Vigil {
            conversation: Digest::default(),
            prefix: Digest::default(),
            ttl: Ttl::FiveMinutes,
            due: Timestamp::default(),
            expires: Timestamp::default().plus(Duration::from_secs(20)),
            tokens: 9,
            pings: 0,
            price: Some(money(11)),
            worst: Some(money(60)),
            spent: Money::ZERO,
            chance: 1.0,
            threshold: 0.1,
            planned: 1,
            service: Digest::default(),
            session: None,
            model: "m".into(),
        }
    }

    fn asked() -> Arc<Asked> {
        Arc::new(Asked {
            route: "app".into(),
            tenant: "".into(),
            dialect: "messages",
            needs: Needs::default(),
            bytes: 9,
            media: 0,
            max_output: None,
            conversation: None,
            purpose: Purpose::Answer,
        })
    }

    fn record(status: u16, cost: Option<Money>) -> Record {
        Record {
            status,
            cost,
            usage: cost.map(|_| Usage::reported(0, 9, 0, 0, 0)),
            ..Record::default()
        }
    }

    /// What is spent, and what is reserved.
    fn level(desk: &Desk) -> [Amount; 2] {
        let levels = desk.purse.caps().levels(desk.now());
        let first = levels.first().expect("a cap");
        [first.spent, first.reserved]
    }

    #[test]
    fn a_ping_takes_room_or_is_not_sent_and_settles_what_it_cost() {
        let desk = desk();
        let fund = fund(&desk, &asked(), "inside");
        let dollars = |spent, reserved| [money(spent), money(reserved)].map(Amount::Money);
        let one = fund.take(&vigil()).expect("room for one");
        assert_eq!(level(&desk), dollars(0, 60));
        assert!(fund.take(&vigil()).is_none(), "and for no other");
        one(&record(200, Some(money(11))));
        assert_eq!(level(&desk), dollars(11, 0));
        // One that is not sent, or that the provider refused, gives it back.
        drop(fund.take(&vigil()));
        fund.take(&vigil()).expect("room")(&record(429, None));
        assert_eq!(level(&desk), dollars(11, 0));
        // Of one that was not answered nobody knows.
        fund.take(&vigil()).expect("room")(&record(0, None));
        assert_eq!(level(&desk), dollars(71, 0));
        assert!(fund.take(&vigil()).is_none());
        drop(desk);
        assert!(fund.take(&vigil()).is_none(), "it keeps nobody alive");
    }
}
