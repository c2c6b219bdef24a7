//! What is asked of the provider beside a request: why it missed, and to keep a prefix for rent.

use super::Draft;
use crate::engine::inquiry::Question;
use crate::engine::lineage;
use crate::engine::vault::Vault;
use crate::model::{Digest, Outlook, Plan, Section};

impl Draft<'_> {
    /// Asks for the provider's own diagnostics; whether it did.
    pub(super) fn ask(&self, keys: [Digest; 2], plan: &mut Plan) -> bool {
        if !self.wishes.provider_diagnostics || self.is_observed(keys) {
            return false;
        }
        let keyring = &self.engine.settings.keyring;
        let [scope, _] = keys;
        let question = Question {
            memory: &*self.engine.memory,
            endpoint: self.endpoint,
            model: &self.model,
            turn: &self.turn,
            earlier: self.known.earlier.as_deref(),
            account: self.account,
            trail: lineage::conversation(keyring, self.known.opening),
            scope,
            now: self.now,
        };
        question.ask(plan)
    }

    /// Whether the member that asks is still there: the caller's own stands over it.
    pub(super) fn is_asked(&self, plan: &Plan) -> bool {
        let inquiry = self.endpoint.inquiry.as_ref();
        let mut members = plan.members.iter();
        inquiry.is_some_and(|inquiry| members.any(|member| member.name == inquiry.member))
    }

    pub(super) fn vault(&self, keys: [Digest; 2], outlook: &Outlook) -> Option<Vault<'_>> {
        if self.is_observed(keys) {
            return None;
        }
        let [_, service] = keys;
        let end = self.prompt().end_of(Section::System).checked_sub(1)?;
        let vault = Vault {
            engine: self.engine,
            body: &self.turn.remembered,
            model: &self.model,
            meta: self.meta,
            service,
            tokens: outlook.tokens_to(end),
            now: self.now,
        };
        vault.fits().then_some(vault)
    }
}
