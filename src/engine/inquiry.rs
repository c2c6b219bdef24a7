//! Asks the provider why a prefix was not read, where it answers that and the user wants it.

use super::steer::OPTIONS;
use super::trail::{Outline, Turn};
use super::{Conversation, Memory};
use crate::model::{Digest, Member, Plan, Regime, Timestamp};
use crate::provider::{Endpoint, Model};

/// One request as far as asking goes.
pub(super) struct Question<'a> {
    pub(super) memory: &'a dyn Memory,
    pub(super) endpoint: &'a Endpoint,
    pub(super) model: &'a Model,
    pub(super) turn: &'a Conversation,
    /// The request before this one in its conversation.
    pub(super) earlier: Option<&'a Conversation>,
    /// Everything outside the body that separates caches.
    pub(super) account: Digest,
    /// The key of the conversation's trail.
    pub(super) trail: Digest,
    /// The key of what was learned about the scope.
    pub(super) scope: Digest,
    pub(super) now: Timestamp,
}

impl Question<'_> {
    /// Adds the member that asks; whether it did.
    pub(super) fn ask(&self, plan: &mut Plan) -> bool {
        let Some(inquiry) = &self.endpoint.inquiry else {
            return false;
        };
        let takes = !inquiry.exact_only || self.model.limits.regime == Regime::Exact;
        if !takes || self.is_refused() {
            return false;
        }
        let id = match self.previous() {
            // An id is never more than letters, digits and a few signs.
            Some(id)
                if id
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') =>
            {
                format!("\"{id}\"")
            }
            _ if inquiry.always => "null".to_owned(),
            _ => return false,
        };
        let asked = format!("\"{}\":{id}}}", inquiry.id);
        // Both together are refused.
        if *inquiry.member == *OPTIONS && plan.members.iter().any(is_retention) {
            return false;
        }
        let mut members = plan.members.iter_mut();
        match members.find(|member| member.name == inquiry.member) {
            Some(member) => {
                let open = member.value.strip_suffix('}').unwrap_or_default();
                member.value = format!("{open},{asked}").into();
            }
            None => {
                let value = format!("{{{asked}");
                plan.members
                    .push(Member::new(inquiry.member.clone(), value));
            }
        }
        true
    }

    fn is_refused(&self) -> bool {
        let mut until = None;
        self.memory
            .learned(&self.scope, &mut |learned| until = learned.unasked_until);
        until.is_some_and(|until| self.now < until)
    }

    /// The id of the answer to the request before this one, under whatever model.
    fn previous(&self) -> Option<Box<str>> {
        let before = self
            .earlier
            .map(|earlier| Outline::of(earlier, self.account, &self.model.name));
        let is_before = |turn: &Turn| {
            turn.outline.account == self.account
                && (before.as_ref() == Some(&turn.outline)
                    || turn.outline.goes_on_in(&self.turn.remembered.prompt))
        };
        let mut id = None;
        self.memory.look_back(&self.trail, &mut |trail| {
            let mut turns = trail.turns().iter();
            let before = turns.find(|turn| is_before(turn));
            id = before.and_then(|turn| turn.response.clone());
        });
        id
    }
}

fn is_retention(member: &Member) -> bool {
    &*member.name == "prompt_cache_retention"
}
