//! A conversation's pauses: noted when they end, counted when they begin.

use std::time::Duration;

use super::expected::to_f64;
use super::kept::Kept;
use super::prepare::Draft;
use super::{Memory, Meta};
use crate::economy::{Asked, Bout, Duel, Input, Kind, Odds, Returns, Signs, Stream, Watch};
use crate::model::{BlockKind, Digest, Keyring, Prompt, Rates, Role, Section, Timestamp, Tokens};

/// How far apart pings are with five minutes.
pub(super) const STEP: Duration = Duration::from_secs(280);

/// How many long sessions one hour is trusted with before anything was seen, and how many tokens such
/// a session has at least, on average.
const TRUST: f64 = 20.0;
const LONG: f64 = 40_000.0;

/// Below how many tokens no ping is sent on trust.
const SHORT: Tokens = 20_000;

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
    /// The session, where somebody names it: the conversation that it was last in is kept there.
    pub(super) session: Option<Digest>,
}

impl Pauses {
    pub(super) fn of(
        keyring: &Keyring,
        meta: &Meta<'_>,
        [conversation, service]: [Digest; 2],
        session: Option<Digest>,
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
            session,
        }
    }

    /// Takes in a request: the pause that it ended is settled.
    pub(super) fn note(&self, memory: &dyn Memory, asked: &Asked) -> (Stream, Bout) {
        let mut stream = memory.stream(&self.conversation).unwrap_or_default();
        let was_answered = stream.answered().is_some();
        let mut bout = Bout {
            gap: None,
            tokens: asked.tokens,
            shared: asked.shared,
            planned: stream.planned,
            pings: stream.pings,
            kept: stream.lives(asked.at),
        };
        let latest = self.latest(memory);
        let overtaken = latest.and_then(|latest| stream.overtaken(&latest));
        let before = stream.last();
        if let Some((mut signs, gap)) = stream.request(asked) {
            bout.gap = Some(gap);
            signs.overtaken = overtaken;
            for key in self.keys.iter().filter(|_| was_answered) {
                memory.learn_returns(*key, &mut |returns| returns.end(&signs, gap, asked.at));
            }
        }
        stream.planned = 0;
        let other = latest.filter(|latest| latest.last() != before);
        if let Some(other) = other {
            self.overtake(memory, &other, &stream);
        }
        self.follow(memory, &stream);
        (stream, bout)
    }

    /// The conversation that the session was last in.
    fn latest(&self, memory: &dyn Memory) -> Option<Stream> {
        self.session.and_then(|session| memory.stream(&session))
    }

    /// The session goes on in this conversation.
    fn follow(&self, memory: &dyn Memory, stream: &Stream) {
        if let Some(session) = self.session {
            memory.put_stream(session, *stream);
        }
    }

    /// The session has gone on in `stream`: the pause of the `other` conversation is another one now.
    fn overtake(&self, memory: &dyn Memory, other: &Stream, stream: &Stream) {
        let now = stream.last();
        let mut signs = other.signs();
        let Some(overtaken) = other
            .overtaken(stream)
            .filter(|_| other.answered().is_some())
        else {
            return;
        };
        for key in self.keys {
            memory.learn_returns(key, &mut |returns| {
                returns.withdraw(&signs, now.since(other.last()), now);
            });
        }
        signs.overtaken = Some(overtaken);
        for key in self.keys {
            memory.learn_returns(key, &mut |returns| returns.begin(&signs, now));
        }
    }

    /// What is known of the pause of this conversation.
    fn signs(&self, memory: &dyn Memory, stream: &Stream) -> Signs {
        let latest = self.latest(memory);
        let mut signs = stream.signs();
        signs.overtaken = latest.and_then(|latest| stream.overtaken(&latest));
        signs
    }

    /// Lets one hour and five minutes meet in the pause that has ended.
    pub(super) fn judge(
        &self,
        memory: &dyn Memory,
        stream: &Stream,
        (bout, rates): (&Bout, &Rates),
    ) {
        let score = bout.score(rates, STEP);
        let class = stream.class.unwrap_or_default();
        memory.learn_returns(self.route(), &mut |returns| {
            if let Some(duel) = returns.duel_mut(stream.kind) {
                duel.take(stream.last(), &score, class);
            }
        });
    }

    /// How one hour and pings stand in conversations like this one.
    pub(super) fn duel(&self, memory: &dyn Memory, stream: &Stream) -> Duel {
        let mut duel = Duel::default();
        memory.returns(&self.route(), &mut |returns| {
            duel = returns.duel(stream.kind)
        });
        duel
    }

    /// Whether pings have earned what they cost in conversations like this one, or may yet.
    #[expect(clippy::float_arithmetic, reason = "expectations, never money")]
    pub(super) fn pings_lead(&self, memory: &dyn Memory, stream: &Stream, rates: &Rates) -> bool {
        let duel = self.duel(memory, stream);
        let stake = rates.read * to_f64(stream.signs().tokens);
        duel.may_ping(stake, trust_in_pings(stake, stream, rates))
    }

    /// A ping has cost so much, in tokens of plain input.
    pub(super) fn pinged(&self, memory: &dyn Memory, stream: &Stream, cost: f64) {
        memory.learn_returns(self.route(), &mut |returns| {
            if let Some(duel) = returns.duel_mut(stream.kind) {
                duel.ping(cost);
            }
        });
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

    /// One hour was granted: it need not be waited for any longer.
    pub(super) fn granted(&self, memory: &dyn Memory, now: Timestamp) {
        if self.is_ungranted(memory, now) {
            let lift = &mut |returns: &mut Returns| returns.ungranted_until = None;
            memory.learn_returns(self.account, lift);
        }
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
        memory.learn_returns(self.route(), &mut |returns| {
            if let Some(duel) = returns.duel_mut(stream.kind) {
                duel.plan(cost);
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
        let signs = self.signs(memory, stream);
        let now = stream.answered().unwrap_or_else(|| stream.last());
        if signs.overtaken.is_none() {
            self.follow(memory, stream);
        }
        for key in self.keys {
            memory.learn_returns(key, &mut |returns| returns.begin(&signs, now));
        }
    }

    /// How the pause that goes on at `now` should end.
    pub(super) fn odds(&self, memory: &dyn Memory, stream: &Stream, now: Timestamp) -> Odds {
        let signs = self.signs(memory, stream);
        let [everywhere, route, service] = &self.keys;
        let mut odds = None;
        memory.returns(everywhere, &mut |everywhere| {
            memory.returns(route, &mut |route| {
                memory.returns(service, &mut |service| {
                    odds = Some(Returns::odds(&[everywhere, route, service], &signs, now));
                });
            });
        });
        odds.unwrap_or_else(|| Returns::odds(&[], &signs, now))
    }
}

impl Draft<'_> {
    /// The session that the request belongs to, where the caller or the body names one.
    fn session(&self) -> Option<Digest> {
        let said = Some(self.meta.session.as_bytes()).filter(|name| !name.is_empty());
        let name = said.or_else(|| self.turn.remembered.session())?;
        let [account, tenant] = [self.account.as_bytes(), self.meta.tenant.as_bytes()];
        let keyring = &self.engine.settings.keyring;
        Some(keyring.scope(&[b"session", account, tenant, name]))
    }

    /// Takes the request in as the next one of its conversation.
    pub(super) fn note(
        &self,
        [_, service]: [Digest; 2],
        prefix_tokens: &[u64],
    ) -> (Pauses, (Stream, Bout), Option<Kept>) {
        let keyring = &self.engine.settings.keyring;
        let ids = [self.known.conversation, service];
        let pauses = Pauses::of(keyring, self.meta, ids, self.session());
        let shared = self.before.as_ref().map_or(0, |before| before.shared);
        let asked = asked(
            self.now,
            &self.turn.remembered.prompt,
            prefix_tokens,
            shared,
        );
        let kept = self.kept(&pauses.conversation);
        let (mut stream, bout) = pauses.note(&*self.engine.memory, &asked);
        if bout.gap.is_none() {
            stream.kind = Kind::of(
                asked.tokens,
                self.turn.remembered.prompt.end_of(Section::Tools),
            );
        }
        (pauses, (stream, bout), kept)
    }
}

/// What one hour may cost before anything was seen: a few long sessions of an agent's are written with
/// it on trust.
#[expect(clippy::float_arithmetic, reason = "expectations, never money")]
pub(super) fn trust_in_the_hour(stream: &Stream, rates: &Rates) -> f64 {
    if stream.kind.is_long_agent() {
        TRUST * (rates.write_1h - rates.write_5m) * LONG
    } else {
        0.0
    }
}

/// What pings may cost before anything was seen: nothing but in an agent's conversations that are not
/// short, and there two pings of this one, or more where it is a long session.
#[expect(clippy::float_arithmetic, reason = "expectations, never money")]
fn trust_in_pings(each: f64, stream: &Stream, rates: &Rates) -> f64 {
    let is_long = stream.signs().tokens >= SHORT;
    let few = if is_long && stream.kind.tools {
        2.0
    } else {
        0.0
    };
    (few * each).max(trust_in_the_hour(stream, rates))
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
        if block.kind == BlockKind::ToolResult {
            return Input::ToolResult;
        }
        if block.kind == BlockKind::Text {
            input = Input::Text;
        }
    }
    input
}
