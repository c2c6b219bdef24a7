//! One request as a line.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Sent;
use crate::ledger::Record;
use crate::model::{Timestamp, Usage};

/// One request that waits to be written.
pub(super) struct Entry {
    body: Bytes,
    named: Box<str>,
    at: Timestamp,
    first_byte: Option<Timestamp>,
    ended: Timestamp,
    session: Option<String>,
    tenant: Box<str>,
    route: Box<str>,
    provider: Box<str>,
    dialect: Box<str>,
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Line<'a> {
    t: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte: Option<f64>,
    end: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tenant: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    route: &'a str,
    provider: &'a str,
    dialect: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Reported>,
    request: &'a RawValue,
}

/// Usage as the neutral format has it.
#[derive(Serialize)]
struct Reported {
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
    cache_creation: Classes,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
}

#[derive(Serialize)]
struct Classes {
    #[serde(skip_serializing_if = "Option::is_none")]
    ephemeral_5m_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ephemeral_30m_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ephemeral_1h_input_tokens: Option<u64>,
}

impl Entry {
    pub(super) fn new(sent: Sent, record: &Record, ended: Timestamp) -> Self {
        Self {
            body: sent.body,
            named: sent.named,
            at: record.at,
            first_byte: record.first_byte,
            ended: ended.max(record.at),
            session: record.lineage.map(|lineage| lineage.to_string()),
            tenant: record.tenant.clone(),
            route: record.route.clone(),
            provider: record.provider.clone(),
            dialect: record.dialect.clone(),
            usage: record.usage,
        }
    }

    /// Bytes of its body.
    pub(super) fn size(&self) -> u64 {
        self.body.len() as u64
    }

    /// The line with its end; `None` where the body is no JSON.
    pub(super) fn line(&self) -> Option<Vec<u8>> {
        // Within JSON, a line can only break where whitespace does not count.
        let mut body = self.body.to_vec();
        for byte in &mut body {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        let line = Line {
            t: self.at.as_secs_f64(),
            first_byte: self.first_byte.map(Timestamp::as_secs_f64),
            end: self.ended.as_secs_f64(),
            session: self.session.as_deref(),
            tenant: &self.tenant,
            route: &self.route,
            provider: &self.provider,
            dialect: &self.dialect,
            model: &self.named,
            usage: self.usage.map(reported),
            request: serde_json::from_slice(&body).ok()?,
        };
        let mut out = serde_json::to_vec(&line).ok()?;
        out.push(b'\n');
        Some(out)
    }
}

const fn reported(usage: Usage) -> Reported {
    Reported {
        input_tokens: usage.plain,
        cache_read_input_tokens: usage.read,
        cache_creation: Classes {
            ephemeral_5m_input_tokens: usage.write_5m,
            ephemeral_30m_input_tokens: usage.write_30m,
            ephemeral_1h_input_tokens: usage.write_1h,
        },
        output_tokens: usage.output,
    }
}
