//! What a response of the Messages dialect says about tokens, and how its parts add up.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::{Money, Usage};
use crate::wire::gateway;
use crate::wire::inclusive::dollars;
use crate::wire::metrics::Metrics;

/// A message, an error body, or one event of a stream: the members that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Body {
    #[serde(rename = "type")]
    pub(super) kind: Option<Box<str>>,
    pub(super) id: Option<Box<str>>,
    pub(super) model: Option<Box<str>>,
    pub(super) stop_reason: Option<Box<str>>,
    pub(super) usage: Option<Counts>,
    /// The message that `message_start` opens.
    pub(super) message: Option<Box<Self>>,
    /// What `message_delta` changes in the message.
    pub(super) delta: Option<Box<Self>>,
    /// Anything at all, since gateways have their own ideas.
    pub(super) error: Option<Box<RawValue>>,
    /// What the provider says of the cache.
    pub(super) diagnostics: Option<Box<RawValue>>,
    /// What Bedrock adds to `message_stop`.
    #[serde(rename = "amazon-bedrock-invocationMetrics")]
    pub(super) metrics: Option<Metrics>,
    /// What a gateway says of the price.
    #[serde(deserialize_with = "gateway::metadata")]
    pub(super) provider_metadata: Option<Money>,
    #[serde(rename = "providerMetadata", deserialize_with = "gateway::metadata")]
    pub(super) metadata: Option<Money>,
}

/// The only member of an error that may be shown: its message can quote the prompt.
#[derive(Debug, Deserialize)]
struct Named {
    #[serde(rename = "type")]
    kind: Option<Box<str>>,
}

impl Body {
    /// The type's name of the error this body reports.
    pub(super) fn error(&self) -> Option<Box<str>> {
        let error = self.error.as_ref()?;
        let named: Option<Named> = serde_json::from_str(error.get()).ok();
        let name = named.and_then(|error| error.kind);
        Some(name.unwrap_or_else(|| "error".into()))
    }
}

/// A `usage` object as it is spelled.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_creation: Option<Split>,
    output_tokens: Option<u64>,
    iterations: Option<Vec<Self>>,
    /// OpenRouter's figure in US dollars.
    #[serde(deserialize_with = "dollars")]
    cost: Option<Money>,
}

/// Writes by lifetime class; `message_delta` has none.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Split {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

impl Counts {
    /// The usage so far, given what was reported before in the same response.
    ///
    /// Counts only grow within a response: `message_delta` is cumulative, and server tools add to
    /// what `message_start` said. With `iterations` the top level leaves out the compaction pass,
    /// so their sum stands for it (recorded 2026-08: top level 229 plain and no write, while the
    /// first iteration wrote 55,096).
    pub(super) fn after(&self, before: Option<Usage>) -> Usage {
        let before = before.unwrap_or_default();
        match self.iterations.as_deref() {
            None | Some([]) => self.own(before),
            Some(iterations) => {
                let each = iterations.iter().map(|counts| counts.own(Usage::default()));
                let mut all = each.fold(Usage::default(), sum);
                let total = all.written();
                if all.write_1h.is_none() {
                    all.write_5m = None;
                }
                all.cost = self.cost;
                grown(before, all, total)
            }
        }
    }

    fn own(&self, before: Usage) -> Usage {
        let split = self.cache_creation.unwrap_or_default();
        let own = Usage {
            plain: self.input_tokens,
            read: self.cache_read_input_tokens,
            write_5m: split.ephemeral_5m_input_tokens,
            write_30m: None,
            write_1h: split.ephemeral_1h_input_tokens,
            output: self.output_tokens,
            cost: self.cost,
        };
        grown(before, own, self.cache_creation_input_tokens)
    }
}

/// `later` on top of `before`, `written` being the total of both write classes if it was reported.
fn grown(before: Usage, later: Usage, written: Option<u64>) -> Usage {
    let mut usage = larger(before, later);
    // A total without a split, or beyond it, is the provider's default class: five minutes.
    if let Some(total) = written {
        let rest = total.saturating_sub(usage.write_1h.unwrap_or(0));
        usage.write_5m = usage.write_5m.max(Some(rest));
    }
    usage
}

/// The larger count of each kind; one that was reported beats one that was not.
fn larger(left: Usage, right: Usage) -> Usage {
    each(left, right, Option::max)
}

fn sum(left: Usage, right: Usage) -> Usage {
    each(left, right, |left, right| match (left, right) {
        (Some(left), Some(right)) => Some(left.saturating_add(right)),
        (left, right) => left.or(right),
    })
}

fn each(left: Usage, right: Usage, join: fn(Option<u64>, Option<u64>) -> Option<u64>) -> Usage {
    Usage {
        plain: join(left.plain, right.plain),
        read: join(left.read, right.read),
        write_5m: join(left.write_5m, right.write_5m),
        write_30m: join(left.write_30m, right.write_30m),
        write_1h: join(left.write_1h, right.write_1h),
        output: join(left.output, right.output),
        cost: left.cost.max(right.cost),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(json: &str, before: Option<Usage>) -> Usage {
        serde_json::from_str::<Counts>(json).unwrap().after(before)
    }

    #[test]
    fn what_is_not_reported_is_not_zero() {
        assert_eq!(after("{}", None), Usage::default());
        let usage = after(r#"{"input_tokens":0,"cache_read_input_tokens":null}"#, None);
        assert_eq!(
            (usage.plain, usage.read, usage.written()),
            (Some(0), None, None)
        );
        let usage = after(
            r#"{"cache_creation":{"ephemeral_1h_input_tokens":0}}"#,
            None,
        );
        assert_eq!((usage.write_5m, usage.write_1h), (None, Some(0)));
    }

    #[test]
    fn the_split_falls_back_to_five_minutes_and_is_never_lost() {
        let usage = after(r#"{"cache_creation_input_tokens":7}"#, None);
        assert_eq!((usage.write_5m, usage.write_1h), (Some(7), None));
        let start = after(
            r#"{"input_tokens":3,"cache_creation_input_tokens":30,"cache_read_input_tokens":5,
                "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}}"#,
            None,
        );
        assert_eq!((start.write_5m, start.write_1h), (Some(10), Some(20)));
        let delta = |total: u64| {
            let json = format!(
                r#"{{"cache_creation_input_tokens":{total},"input_tokens":9,"output_tokens":4}}"#
            );
            after(&json, Some(start))
        };
        assert_eq!(delta(30), Usage::reported(9, 5, 10, 20, 4));
        assert_eq!(delta(42), Usage::reported(9, 5, 22, 20, 4));
        assert_eq!(delta(0), Usage::reported(9, 5, 10, 20, 4));
        let unsplit = r#"{"iterations":[{"cache_creation_input_tokens":25},{"cache_creation_input_tokens":6}]}"#;
        let usage = after(unsplit, Some(start));
        assert_eq!((usage.write_5m, usage.write_1h), (Some(11), Some(20)));
    }

    #[test]
    fn iterations_stand_for_the_top_level() {
        let json = r#"{"input_tokens":229,"cache_creation_input_tokens":0,"output_tokens":5,"iterations":[
            {"cache_creation":{"ephemeral_1h_input_tokens":0,"ephemeral_5m_input_tokens":55096},
             "cache_creation_input_tokens":55096,"cache_read_input_tokens":0,"input_tokens":100,"output_tokens":131},
            {"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"input_tokens":229,"output_tokens":5}]}"#;
        assert_eq!(after(json, None), Usage::reported(329, 0, 55_096, 0, 136));
        assert_eq!(
            after(r#"{"input_tokens":1,"iterations":[]}"#, None).plain,
            Some(1)
        );
    }
}
