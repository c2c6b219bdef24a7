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
    /// The member that asks for one hour, where that is wanted.
    pub(super) hour: Option<&'a str>,
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
        if let Some(member) = self.hour {
            plan.members.push(Member::new(member, r#"{"ttl":"1h"}"#));
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
            let (head, _) = self.conversation.as_bytes().split_at(8);
            let place = head.try_into().map_or(0, u64::from_le_bytes);
            key.push_str(&format!("-{}", shard(place, shards)));
        }
        key
    }

    /// Into how many keys the requests of a service are split: the fewest that leave each as far below
    /// the limit as a minute's chance may take it above the mean, √most.
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
        let most = f64::from(most.max(1));
        if pace <= most {
            return 1;
        }
        let each = (most - most.sqrt()).max(1.0);
        ((pace / each).ceil() as u32).clamp(1, 1 << 10)
    }
}

/// The shard of a conversation, by a jump hash (Lamping and Veach, 2014): with one shard more, only
/// those move that go there, so that a pace that swings costs little.
fn shard(mut place: u64, shards: u32) -> u32 {
    let (mut shard, mut next) = (0, 0_u64);
    while next < u64::from(shards) {
        shard = next;
        place = place
            .wrapping_mul(2_862_933_555_777_941_757)
            .wrapping_add(1);
        next = ((shard + 1) << 31) / ((place >> 33) + 1);
    }
    u32::try_from(shard).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_more_moves_only_those_that_go_there() {
        let places = (0..4_000_u64).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        for shards in 1..40 {
            let mut sizes = vec![0_u32; shards as usize];
            for place in places.clone() {
                let now = shard(place, shards);
                sizes[now as usize] += 1;
                let then = shard(place, shards + 1);
                assert!(then == now || then == shards, "{place}: {now} {then}");
            }
            let mean = 4_000 / shards;
            let even = sizes.iter().all(|size| size.abs_diff(mean) < mean / 2);
            assert!(even, "{shards}: {sizes:?}");
        }
    }
}
