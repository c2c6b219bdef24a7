//! A conversation's pauses: noted when they end, counted when they begin.

use super::{Memory, Meta};
use std::time::Duration;

use crate::economy::{Asked, Bout, Input, Odds, Paid, Returns, Standing, Stream, Watch};
use crate::model::{BlockKind, Digest, Keyring, Prompt, Rates, Role, Timestamp, Tokens, Ttl};

/// How far apart pings are with five minutes.
pub(super) const STEP: Duration = Duration::from_secs(280);

/// For how long one hour is not asked for where it was not granted.
const UNGRANTED_FOR: Duration = Duration::from_secs(24 * 3_600);

/// Where the pauses of one conversation are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses {
    pub(super) conversation: Digest,
    /// What is learned of pauses, from wide to narrow: of all of them, of the route's and tenant's,
    /// of the service's.
    pub(super) keys: [Digest; 3],
    /// The service, as a digest.
    pub(super) service: Digest,
    /// Whose money pings cost.
    pub(super) account: Digest,
}

impl Pauses {
    pub(super) fn of(
        keyring: &Keyring,
        meta: &Meta<'_>,
        [conversation, service]: [Digest; 2],
    ) -> Self {
        let [route, tenant] = [meta.route, meta.tenant].map(str::as_bytes);
        let account = meta.digest(keyring);
        Self {
            conversation,
            keys: [
                keyring.scope(&[b"pauses"]),
                keyring.scope(&[b"pauses of", tenant, route]),
                keyring.scope(&[b"pauses", service.as_bytes()]),
            ],
            service,
            account: keyring.scope(&[b"pings", account.as_bytes()]),
        }
    }

    /// Takes in a request: the pause that it ended is settled.
    pub(super) fn note(&self, memory: &dyn Memory, asked: &Asked) -> (Stream, Bout) {
        let mut stream = memory.stream(&self.conversation).unwrap_or_default();
        let was_answered = stream.answered().is_some();
        let mut bout = Bout::default();
        bout.planned = stream.planned;
        bout.tokens = asked.tokens;
        bout.shared = asked.shared;
        if let Some((signs, gap)) = stream.request(asked) {
            bout.gap = Some(gap);
            for key in self.keys.iter().filter(|_| was_answered) {
                memory.learn_returns(*key, &mut |returns| returns.end(&signs, gap));
            }
        }
        stream.planned = 0;
        (stream, bout)
    }

    /// Lets one hour and five minutes meet in the pause that has ended.
    #[expect(clippy::float_arithmetic, reason = "expectations, never money")]
    pub(super) fn judge(
        &self,
        memory: &dyn Memory,
        stream: &mut Stream,
        (bout, rates): (&Bout, &Rates),
    ) {
        let score = bout.score(rates, STEP);
        let before = stream.net;
        stream.net += score.saved - score.premium;
        let (now, net) = (stream.last(), [before, stream.net]);
        memory.learn_returns(self.route(), &mut |returns| {
            if let Some(duel) = returns.duel_mut(stream.kind) {
                duel.take(now, &score, net, paid(stream));
            }
        });
    }

    /// How one hour stands in conversations like this one.
    pub(super) fn standing(&self, memory: &dyn Memory, stream: &Stream, prior: f64) -> Standing {
        let mut standing = Standing::default();
        memory.returns(&self.route(), &mut |returns| {
            standing = returns.duel(stream.kind).standing(stream.last(), prior);
        });
        standing
    }

    /// Whether one hour was asked for and five minutes were billed, not long ago.
    pub(super) fn is_ungranted(&self, memory: &dyn Memory, now: Timestamp) -> bool {
        let mut until = None;
        memory.returns(&self.account, &mut |returns| {
            until = returns.ungranted_until
        });
        until.is_some_and(|until| now < until)
    }

    /// One hour was asked for, and five minutes were billed.
    pub(super) fn ungranted(&self, memory: &dyn Memory, now: Timestamp) {
        let until = Some(now.plus(UNGRANTED_FOR));
        memory.learn_returns(self.account, &mut |returns| returns.ungranted_until = until);
    }

    /// What pings are expected to cost with five minutes in the pause that begins.
    #[expect(clippy::float_arithmetic, reason = "expectations, never money")]
    pub(super) fn plan(
        &self,
        memory: &dyn Memory,
        stream: &mut Stream,
        (watch, price): (&Watch, f64),
    ) {
        stream.planned = watch.pings;
        let cost = watch.sent * price;
        stream.net += cost;
        memory.learn_returns(self.route(), &mut |returns| {
            if let Some(duel) = returns.duel_mut(stream.kind) {
                duel.pings(cost, paid(stream));
            }
        });
    }

    /// The key of the route's and tenant's pauses.
    const fn route(&self) -> Digest {
        let [_, route, _] = self.keys;
        route
    }

    /// A pause begins: its conversation was answered.
    pub(super) fn begin(&self, memory: &dyn Memory, stream: &Stream) {
        let signs = stream.signs();
        for key in self.keys {
            memory.learn_returns(key, &mut |returns| returns.begin(&signs));
        }
    }

    /// How the pause that goes on now should end.
    pub(super) fn odds(&self, memory: &dyn Memory, stream: &Stream) -> Odds {
        let signs = stream.signs();
        let [everywhere, route, service] = &self.keys;
        let mut odds = None;
        memory.returns(everywhere, &mut |everywhere| {
            memory.returns(route, &mut |route| {
                memory.returns(service, &mut |service| {
                    odds = Some(Returns::odds(&[everywhere, route, service], &signs));
                });
            });
        });
        odds.unwrap_or_else(|| Returns::odds(&[], &signs))
    }
}

/// What a conversation is written with in earnest.
fn paid(stream: &Stream) -> Paid {
    match stream.class {
        Some(Ttl::OneHour) => Paid::OneHour,
        _ => Paid::FiveMinutes,
    }
}

/// What a request adds to its stream; the one before had its first `shared` blocks as well.
pub(super) fn asked(
    now: Timestamp,
    prompt: &Prompt,
    prefix_tokens: &[Tokens],
    shared: usize,
) -> Asked {
    let tokens = prefix_tokens.last().copied().unwrap_or(0);
    let known = shared.checked_sub(1).and_then(|at| prefix_tokens.get(at));
    Asked::new(now, input(prompt), tokens, known.copied().unwrap_or(0))
}

/// What the request ends with: results of tools, also where words stand beside them.
fn input(prompt: &Prompt) -> Input {
    let last = prompt.blocks.iter().rev();
    let last = last.take_while(|block| block.role != Role::Assistant);
    let mut input = Input::Other;
    for block in last.take(64) {
        match block.kind {
            BlockKind::ToolResult => return Input::ToolResult,
            BlockKind::Text => input = Input::Text,
            _ => {}
        }
    }
    input
}
