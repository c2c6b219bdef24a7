//! What a gateway says of a response's price, beside its usage.

use memchr::memmem;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::inclusive::dollars;
use crate::model::{Money, Usage};

/// The members that carry it, at the top of a body or in a message (vercel.com/docs/ai-gateway
/// provider-filtering-and-ordering, 2026-04-03: a decimal string; its place in Chat Completions as
/// clients read it, 2026-10).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    #[serde(deserialize_with = "metadata")]
    provider_metadata: Option<Money>,
    #[serde(rename = "providerMetadata", deserialize_with = "metadata")]
    metadata: Option<Money>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    gateway: Gateway,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Gateway {
    #[serde(deserialize_with = "dollars")]
    cost: Option<Money>,
}

/// The price in an object that holds `provider_metadata`.
pub(super) fn within<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Money>, D::Error> {
    let said: Option<Said> = lenient(from)?;
    Ok(said.and_then(|said| said.provider_metadata.or(said.metadata)))
}

/// The price in `provider_metadata` itself. Nothing is debited where the caller's own key pays the
/// provider, so zero is no price.
pub(super) fn metadata<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Money>, D::Error> {
    let metadata: Option<Metadata> = lenient(from)?;
    let cost = metadata.and_then(|metadata| metadata.gateway.cost);
    Ok(cost.filter(|cost| *cost > Money::ZERO))
}

/// A member of an unexpected form counts as absent rather than hiding the others.
fn lenient<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let raw = <Option<&'de RawValue>>::deserialize(from)?;
    let raw = raw.filter(|raw| memmem::find(raw.get().as_bytes(), b"\"gateway\"").is_some());
    Ok(raw.and_then(|raw| serde_json::from_str(raw.get()).ok()))
}

/// Adds a price to what was reported so far, where the usage names none itself.
pub(super) fn add(usage: &mut Option<Usage>, cost: Option<Money>) {
    if let Some(cost) = cost {
        let usage = usage.get_or_insert_default();
        usage.cost = usage.cost.or(Some(cost));
    }
}
