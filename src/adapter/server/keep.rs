//! The last requests as they arrived, for tests that look at what was really sent.

use std::collections::VecDeque;

use axum::body::Bytes;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// One request.
#[derive(Debug)]
struct Kept {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// The last requests, oldest first.
#[derive(Debug, Default)]
pub(super) struct Keep(VecDeque<Kept>);

impl Keep {
    /// Adds a request and drops the oldest beyond `most`.
    pub(super) fn add(&mut self, parts: &Parts, body: Bytes, most: usize) {
        let headers = parts.headers.iter();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.0.push_back(Kept {
            method: parts.method.to_string(),
            path: parts
                .uri
                .path_and_query()
                .map_or_else(String::new, ToString::to_string),
            headers: headers
                .map(|(name, value)| (name.to_string(), lossy(value.as_bytes())))
                .collect(),
            body,
        });
        while self.0.len() > most {
            self.0.pop_front();
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
            json!({"method": kept.method, "path": kept.path, "headers": kept.headers, name: body})
        });
        requests.collect()
    }
}
