//! The last requests as they arrived, for tests that look at what was really sent, and to whom.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::model::Usage;

/// One request.
#[derive(Debug)]
struct Kept {
    number: u64,
    /// The provider it was taken for; `None` where none was meant.
    provider: Option<Box<str>>,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    /// What the provider billed for it; `None` where it served nothing.
    bill: Option<Usage>,
}

/// The last requests, oldest first.
#[derive(Debug, Default)]
pub(super) struct Keep(VecDeque<Kept>);

/// A request before it is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived<'a> {
    /// The request's number, by which it is billed.
    pub(super) number: u64,
    /// The provider it is taken for.
    pub(super) provider: Option<&'a str>,
    pub(super) parts: &'a Parts,
    pub(super) body: &'a Bytes,
}

impl Keep {
    /// Adds a request and drops the oldest beyond `most`.
    pub(super) fn add(&mut self, arrived: Arrived<'_>, most: usize) {
        let parts = arrived.parts;
        let headers = parts.headers.iter();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.0.push_back(Kept {
            number: arrived.number,
            provider: arrived.provider.map(Into::into),
            method: parts.method.to_string(),
            path: parts
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            headers: headers
                .map(|(name, value)| (name.to_string(), lossy(value.as_bytes())))
                .collect(),
            body: arrived.body.clone(),
            bill: None,
        });
        while self.0.len() > most {
            self.0.pop_front();
        }
    }

    /// Notes what was billed for a request that is still kept.
    pub(super) fn bill(&mut self, number: u64, usage: Usage) {
        let kept = self.0.iter_mut().find(|kept| kept.number == number);
        if let Some(kept) = kept {
            kept.bill = Some(usage);
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// All of them; a body that is no UTF-8 is in Base64.
    pub(super) fn to_json(&self) -> Value {
        let requests = self.0.iter().map(|kept| {
            let (name, body) = match str::from_utf8(&kept.body) {
                Ok(text) => ("body", text.to_owned()),
                Err(_) => ("body_base64", STANDARD.encode(&kept.body)),
            };
            json!({"provider": kept.provider, "method": kept.method, "path": kept.path,
                   "headers": kept.headers, name: body, "billed": kept.bill.map(billed)})
        });
        requests.collect()
    }
}

fn billed(usage: Usage) -> Value {
    let cost = usage.cost.map(|cost| cost.as_pico().to_string());
    json!({"input": usage.input(), "read": usage.read, "written": usage.written(),
           "output": usage.output, "picodollars": cost})
}
