//! What is added beside markers: keys that steer requests to a warm machine, and options.

use super::{Meta, Wishes};
use crate::ledger::history::Nodes;
use crate::model::{Digest, Keyring, Member, Plan, Prompt, Regime, Timestamp};
use crate::provider::{Affinity, AffinityPer, Catalog, Endpoint, Model};
use crate::wire::{MarkerStyle, Remembered, member_value};

/// The member that tells where the provider writes.
pub(super) const OPTIONS: &str = "prompt_cache_options";

/// One request as far as steering it goes.
pub(super) struct Steering<'a> {
    pub(super) wishes: &'a Wishes<'a>,
    pub(super) keyring: &'a Keyring,
    pub(super) nodes: &'a dyn Nodes,
    pub(super) prompt: &'a Prompt,
    pub(super) model: &'a Model,
    pub(super) endpoint: &'a Endpoint,
    pub(super) affinity: Option<&'a Affinity>,
    /// Digest of everything with the same tools and system prompt.
    pub(super) service: Digest,
    pub(super) conversation: Digest,
    pub(super) now: Timestamp,
}

impl Steering<'_> {
    /// Members for the body and headers for its head.
    pub(super) fn apply(&self, plan: &mut Plan) -> Vec<(Box<str>, Box<str>)> {
        let affinity = self.affinity.filter(|affinity| {
            !affinity.automatic_only || self.model.limits.regime == Regime::Automatic
        });
        let key = affinity.map(|affinity| self.key(affinity));
        if let (
            Some(Affinity {
                field: Some(field), ..
            }),
            Some(key),
        ) = (affinity, &key)
        {
            plan.members
                .push(Member::new(field.clone(), format!("\"{key}\"")));
        }
        if plan.explicit_only && self.endpoint.marker == MarkerStyle::PromptCacheBreakpoint {
            let option = r#"{"mode":"explicit"}"#;
            plan.members.push(Member::new(OPTIONS, option));
        }
        // Both together are refused.
        let is_free = plan.members.iter().all(|member| &*member.name != OPTIONS);
        if is_free && self.wishes.day_retention && self.model.day_retention {
            plan.members
                .push(Member::new("prompt_cache_retention", "\"24h\""));
        }
        if self.wishes.stream_usage && self.prompt.stream && self.endpoint.name == "chat" {
            let option = r#"{"include_usage":true}"#;
            plan.members.push(Member::new("stream_options", option));
        }
        match (affinity, key) {
            (
                Some(Affinity {
                    header: Some(header),
                    ..
                }),
                Some(key),
            ) => {
                vec![(header.clone(), key.into())]
            }
            _ => Vec::new(),
        }
    }

    /// The key: one per conversation, or one per tools and system prompt, split where more requests
    /// come than one machine takes.
    fn key(&self, affinity: &Affinity) -> String {
        let keyring = self.keyring;
        let digest = match affinity.per {
            AffinityPer::Conversation => {
                keyring.scope(&[b"affinity", self.conversation.as_bytes()])
            }
            AffinityPer::Prefix => keyring.scope(&[b"affinity", self.service.as_bytes()]),
        };
        let mut key = digest.to_string();
        key.truncate(32);
        let (AffinityPer::Prefix, Some(most)) = (affinity.per, affinity.per_minute) else {
            return key;
        };
        let shards = self.shards(most);
        if shards > 1 {
            // A conversation stays on its shard; when shards double, half of them move.
            let [first, second, ..] = self.conversation.as_bytes();
            let place = u16::from_le_bytes([*first, *second]);
            key.push_str(&format!("-{}", u32::from(place) % shards));
        }
        key
    }

    /// Into how many keys the requests of a service are split: the next power of two above what
    /// their pace asks for.
    #[expect(
        clippy::float_arithmetic,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and a pace is never negative"
    )]
    fn shards(&self, most: u32) -> u32 {
        let mut pace = 0.0;
        self.nodes.learn(self.service, &mut |learned| {
            learned.pace.observe(self.now);
            pace = learned.pace.per_minute(self.now);
        });
        let wanted = (pace / f64::from(most.max(1))).ceil() as u32;
        wanted.clamp(1, 1 << 10).next_power_of_two()
    }
}

/// What steers a request, unless something of the caller's own does.
pub(super) fn wanted<'a>(
    endpoint: &'a Endpoint,
    meta: &Meta<'_>,
    body: &Remembered,
) -> Option<&'a Affinity> {
    let affinity = endpoint.affinity.as_ref()?;
    let mut others = affinity.unless.iter();
    let own = meta.steered || others.any(|name| member_value(body, name).is_some());
    (!own).then_some(affinity)
}

/// The model's id: as the path names it, or the body. Where both do and no row knows the path's, as
/// with the name of a deployment, the body's may say more.
pub(super) fn model_id<'a>(catalog: &Catalog, prompt: &'a Prompt, meta: &Meta<'a>) -> &'a str {
    let known = || catalog.model(meta.provider, meta.model).limits.known;
    if prompt.model.is_empty() || !meta.model.is_empty() && known() {
        meta.model
    } else {
        &prompt.model
    }
}
