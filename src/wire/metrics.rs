//! What Bedrock's runtime adds to the last event of a stream, whatever model wrote it.

use serde::Deserialize;

use crate::model::Usage;

/// `amazon-bedrock-invocationMetrics` (docs.aws.amazon.com/bedrock, InvokeModelWithResponseStream,
/// 2026-11). Tokens; the cache counters are named by clients and are not always there.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metrics {
    input_token_count: Option<u64>,
    output_token_count: Option<u64>,
    cache_read_input_token_count: Option<u64>,
    cache_write_input_token_count: Option<u64>,
}

impl Metrics {
    /// The usage, for a stream that reported none in its own words.
    pub(super) fn usage(&self) -> Usage {
        Usage {
            plain: self.input_token_count,
            read: self.cache_read_input_token_count,
            write_5m: self.cache_write_input_token_count,
            output: self.output_token_count,
            ..Usage::default()
        }
    }
}
