//! The request's way: read, reshape if asked, look up, plan, splice.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;

use super::chain::{Before, agreeing, chain};
use super::estimate::{Estimate, Uncounted};
use super::expected::{Expected, Mark};
use super::holdout;
use super::lineage::{Lineage, Search};
use super::numbers::Numbers;
use super::reading::{Known, recall_and_read};
use super::reshape::{Spelled, reshape};
use super::steer::{self, Steering, model_id};
use super::survey::Seen;
use super::{Conversation, Engine, Exchange, Meta, Placed, Prepared, Wishes};
use crate::ledger::history::Calibration;
use crate::model::{
    Arm, Digest, Markers, Member, Mode, Outlook, Plan, Prompt, Skip, Timestamp, Ttl,
};
use crate::plan::{Rates, plan};
use crate::provider::{Endpoint, Model, Provider};
use crate::wire::{
    Edit, Remembered, add_members, messages_last, ordered_markers, splice_into, spliced_len,
};

pub(super) mod ahead;
mod beside;

pub(super) fn prepare(engine: &Engine, now: Timestamp, meta: &Meta<'_>, body: &Bytes) -> Prepared {
    match Draft::read(engine, now, meta, body) {
        Ok(draft) => draft.finish(body),
        Err(why) => ahead::passed_on(engine, now, meta, why),
    }
}

/// A request that was read and is being worked on.
pub(super) struct Draft<'a> {
    pub(super) engine: &'a Engine,
    pub(super) now: Timestamp,
    pub(super) meta: &'a Meta<'a>,
    pub(super) wishes: Wishes<'a>,
    pub(super) arm: Option<Arm>,
    pub(super) provider: &'a Provider,
    pub(super) endpoint: &'a Endpoint,
    /// The body that markers go into (the caller's, or the one spelled canonically), its prompt
    /// and its prefixes.
    pub(super) turn: Arc<Conversation>,
    /// Everything outside the body that separates caches.
    pub(super) account: Digest,
    /// The conversation, and the request before this one in it.
    pub(super) known: Known,
    pub(super) spelled: Spelled,
    pub(super) model: Model,
    pub(super) before: Option<Before>,
    /// Tokens of each prefix, until they are taken, where nothing but these is known of the blocks: there
    /// is no body then.
    pub(super) traced: Option<Vec<u64>>,
}

impl<'a> Draft<'a> {
    fn read(
        engine: &'a Engine,
        now: Timestamp,
        meta: &'a Meta<'a>,
        body: &Bytes,
    ) -> Result<Self, Skip> {
        if body.len() > engine.settings.max_body {
            return Err(Skip::TooLarge);
        }
        let provider = engine.catalog.provider(meta.provider);
        let provider = provider.ok_or(Skip::UnknownEndpoint)?;
        let endpoint = provider.endpoint(meta.dialect);
        let endpoint = endpoint.ok_or(Skip::UnknownEndpoint)?;
        let account = meta.digest(&engine.settings.keyring);
        let (wishes, arm) = holdout::sorted(engine, meta, endpoint, body)?;
        let ordered = match (wishes.mode, provider.messages_last) {
            (Mode::Place | Mode::Reshape, true) => messages_last(body)?.map(Bytes::from),
            (Mode::Observe, _) | (_, false) => None,
        };
        let body = ordered.as_ref().unwrap_or(body);
        let spelled = match wishes.mode {
            Mode::Reshape => reshape(engine, meta, &wishes, endpoint.dialect, body)?,
            Mode::Observe | Mode::Place => Spelled::untouched(body),
        };
        let body = spelled.body.clone();
        let (mut reading, mut known) = recall_and_read(engine, endpoint.dialect, account, &body)?;
        reading.prompt.reserved = ordered_markers(&body, &reading);
        spelled.keep_from_marking(&mut reading.prompt);
        let id = model_id(&engine.catalog, &reading.prompt, meta);
        let model = endpoint.limit(engine.catalog.model(meta.provider, id));
        let keyring = &engine.settings.keyring;
        let root = keyring.scope(&[account.as_bytes(), id.as_bytes()]);
        let prompt = &reading.prompt;
        known.earlier = known.earlier.filter(|earlier| earlier.root == root);
        let earlier = known.earlier.as_deref();
        let earlier = earlier.map(|one| (agreeing(prompt, &one.remembered.prompt), one));
        let (chain, before) = chain(keyring, prompt, earlier);
        let remembered = Arc::new(Remembered::new(body, reading));
        let turn = Arc::new(Conversation::new(remembered, root, chain));
        Ok(Self {
            engine,
            now,
            meta,
            wishes,
            arm,
            provider,
            endpoint,
            turn,
            account,
            known,
            spelled,
            model,
            before,
            traced: None,
        })
    }

    pub(super) fn finish(mut self, original: &Bytes) -> Prepared {
        let keys = self.keys();
        let estimate = self.estimate(keys);
        let (rates, (pauses, kept), (mut outlook, seen, choice, led)) =
            self.weigh(keys, estimate.prefix_tokens);
        let (mut plan, mut edits) = self.place(keys, &rates, &outlook);
        let headers = self.steer(keys, &mut plan, &outlook);
        let asked = self.ask(keys, &mut plan);
        let vault = self.vault(keys, &outlook);
        let rented = vault
            .as_ref()
            .map(|vault| vault.open(&mut plan, &mut edits));
        let errand = vault.and_then(|vault| vault.errand());
        edits.extend(add_members(&self.turn.remembered, &mut plan.members));
        // The caller may have said otherwise.
        let ordered = |member: &Member| &*member.name == steer::OPTIONS;
        plan.explicit_only &= self.traced.is_some() || plan.members.iter().any(ordered);
        let body = self.edited(original, &mut edits);
        let marks = self.marks(&plan, &outlook);
        let announced = self.announce(keys, &marks, &outlook);
        let numbers = Numbers::of(&rates, &outlook, &plan, (choice, led));
        let expected = Expected {
            keys,
            lineage: self.lineage(&marks, seen, &outlook),
            marks,
            tail: self.tail(),
            estimated: estimate.sections,
            prefix_tokens: mem::take(&mut outlook.prefix_tokens),
            uncounted: estimate.uncounted,
            turn: (self.known.conversation, Arc::clone(&self.turn)),
            pauses,
            kept,
            choice,
            placed: plan.breakpoints.len(),
            changed: body.is_some(),
            asked: asked && self.is_asked(&plan),
            rented,
            excerpts: self.wishes.excerpts,
            reshaped: self.spelled.rules.names(),
            arm: self.arm,
        };
        Prepared {
            body,
            skip: None,
            exchange: Exchange::sent(
                self.engine,
                self.now,
                self.meta,
                self.model,
                (expected, announced),
            ),
            headers,
            errand,
            placed: Some(Placed {
                turn: self.turn,
                plan,
                dialect: self.endpoint.dialect,
            }),
            changes: self.spelled.changes,
            numbers: Some(numbers),
        }
    }

    /// The requests before this one; they learn of it as well.
    fn lineage(&self, marks: &[Mark], seen: Seen, outlook: &Outlook) -> Lineage {
        let search = Search {
            memory: &*self.engine.memory,
            keyring: &self.engine.settings.keyring,
            turn: &self.turn,
            account: self.account,
            model: &self.model.name,
            route: self.meta.route,
            opening: self.known.opening,
            earlier: self.known.earlier.as_ref(),
            seen,
            limits: &self.model.limits,
            outlook,
            now: self.now,
        };
        search.run(marks)
    }

    pub(super) fn prefix(&self, block: usize) -> Option<Digest> {
        self.turn.prefix(&self.engine.settings.keyring, block)
    }

    /// What is sent instead of the caller's body; `None` where it is that.
    fn edited(&self, original: &Bytes, edits: &mut [Edit]) -> Option<Bytes> {
        if edits.is_empty() {
            return Some(self.body().clone()).filter(|body| body != original);
        }
        let memory = &self.engine.memory;
        let mut out = memory.buffer(spliced_len(self.body(), edits));
        splice_into(&mut out, self.body(), edits);
        Some(memory.lend(out))
    }

    fn body(&self) -> &Bytes {
        &self.turn.remembered.body
    }

    pub(super) fn prompt(&self) -> &Prompt {
        &self.turn.remembered.prompt
    }

    /// The prefix on which the request ends, as far as it can carry a marker.
    fn tail(&self) -> Option<Digest> {
        let at = self.prompt().markable_before(self.prompt().blocks.len())?;
        self.prefix(at)
    }

    fn estimate(&mut self, keys: [Digest; 2]) -> Estimate {
        if let Some(prefix_tokens) = self.traced.as_mut().map(mem::take) {
            return Estimate::exact(self.prompt(), prefix_tokens);
        }
        let mut calibration = Calibration::default();
        let [scope, _] = keys;
        let memory = &self.engine.memory;
        memory.learned(&scope, &mut |learned| calibration = learned.calibration);
        let counter = self.engine.settings.counter.as_deref();
        let mut estimate = Estimate::of(self.prompt(), &self.model, &calibration, counter);
        if let Some(counter) = &self.engine.settings.counter {
            estimate.uncounted = Uncounted::new(counter, self.prompt(), self.body(), &self.model);
        }
        estimate
    }

    /// Whether this class can be asked for here; no class at all always can.
    pub(super) fn sells(&self, ttl: Option<Ttl>) -> bool {
        ttl.is_none_or(|ttl| self.provider.ttls.contains(&ttl))
    }

    /// Whether nothing may be added: by the user's word, or because the provider refused it.
    fn is_observed(&self, [scope, _]: [Digest; 2]) -> bool {
        let mut refused = None;
        let memory = &self.engine.memory;
        memory.learned(&scope, &mut |learned| refused = learned.refused_until);
        self.wishes.mode == Mode::Observe || refused.is_some_and(|until| self.now < until)
    }

    fn steer(
        &self,
        keys: [Digest; 2],
        plan: &mut Plan,
        outlook: &Outlook,
    ) -> Vec<(Box<str>, Box<str>)> {
        if self.is_observed(keys) || self.traced.is_some() {
            return Vec::new();
        }
        let [_, service] = keys;
        let steering = Steering {
            wishes: &self.wishes,
            keyring: &self.engine.settings.keyring,
            nodes: &*self.engine.memory,
            prompt: self.prompt(),
            model: &self.model,
            endpoint: self.endpoint,
            affinity: steer::wanted(self.endpoint, self.meta, &self.turn.remembered),
            service,
            conversation: self.known.conversation,
            hour: self.lifetime().filter(|_| outlook.asks_for_the_hour()),
            now: self.now,
        };
        steering.apply(plan)
    }

    fn place(&self, keys: [Digest; 2], rates: &Rates, outlook: &Outlook) -> (Plan, Vec<Edit>) {
        if self.is_observed(keys) {
            return (Plan::default(), Vec::new());
        }
        let dialect = self.endpoint.dialect;
        let limits = &self.model.limits;
        if self.wishes.markers == Markers::Keep {
            let plan = plan(self.prompt(), limits, rates, outlook);
            let edits = match self.traced {
                Some(_) => Vec::new(),
                None => dialect.mark(self.body(), self.prompt(), &plan),
            };
            return (plan, edits);
        }
        let mut bare = self.prompt().clone();
        bare.auto_marker = None;
        bare.blocks.iter_mut().for_each(|block| block.marker = None);
        let plan = plan(&bare, limits, rates, outlook);
        let mut edits = dialect.unmark(self.prompt());
        edits.extend(dialect.mark(self.body(), &bare, &plan));
        (plan, edits)
    }
}
