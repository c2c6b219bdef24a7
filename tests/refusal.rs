//! What the provider refuses of ours is sent again as the caller wrote it, once, and remembered.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use cachewright::adapter::handle::Cachewright;
use cachewright::ledger::Record;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower::Service;

use crate::support::origin::{MESSAGE, Origin, Protocol, SECRET, body, handle, json};

const REFUSAL: &str = r#"{"type":"error","error":{"type":"invalid_request_error"}}"#;

/// Answers the first `refusals` requests with this status, all others with a message.
async fn origin(status: u16, refusals: usize) -> Origin {
    let seen = AtomicUsize::new(0);
    Origin::start(Protocol::Http1, move || {
        if seen.fetch_add(1, Ordering::SeqCst) < refusals {
            json(status, REFUSAL)
        } else {
            json(200, MESSAGE)
        }
    })
    .await
}

#[derive(Clone, Copy, Debug)]
enum Wrapped {
    Hyper,
    Reqwest,
}

const BOTH: [Wrapped; 2] = [Wrapped::Hyper, Wrapped::Reqwest];

/// Sends one request through a wrapped client and returns status and body of the answer.
async fn send(wrapped: Wrapped, cache: &Cachewright, url: &str, body: &str) -> (u16, Bytes) {
    match wrapped {
        Wrapped::Hyper => {
            let client = Client::builder(TokioExecutor::new()).build_http();
            let request = http::Request::post(url)
                .header("content-type", "application/json")
                .header("content-length", body.len())
                .header("x-api-key", SECRET)
                .body(Full::new(Bytes::from(body.to_owned())))
                .unwrap();
            let response = cache.wrap(client).call(request).await.unwrap();
            let status = response.status().as_u16();
            (
                status,
                response.into_body().collect().await.unwrap().to_bytes(),
            )
        }
        Wrapped::Reqwest => {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let request = client
                .post(url)
                .header("content-type", "application/json")
                .header("content-length", body.len())
                .header("x-api-key", SECRET)
                .body(body.to_owned());
            let response = cache.wrap(client).send(request).await.unwrap();
            (response.status().as_u16(), response.bytes().await.unwrap())
        }
    }
}

fn only(cache: &Cachewright) -> Record {
    let records = cache.records();
    assert_eq!(records.len(), 1, "one call, one exchange");
    records.into_iter().next().unwrap()
}

#[tokio::test]
async fn a_refused_marker_is_our_fault_and_not_the_callers() {
    for wrapped in BOTH {
        for status in [400, 403, 422] {
            let mut origin = origin(status, 1).await;
            let cache = handle();
            let answer = send(wrapped, &cache, &origin.url(), &body()).await;
            assert_eq!(answer, (200, MESSAGE.into()), "{wrapped:?} {status}");
            let first = origin.next().await;
            assert!(first.body.len() > body().len());
            let second = origin.next().await;
            assert_eq!(second.body, body(), "{wrapped:?} {status}");
            assert_eq!(second.declared_length(), Some(body().len()));
            let record = only(&cache);
            assert!(record.resent && record.status == 200);
            assert_eq!(record.breakpoints_placed, 0);
            assert!(record.usage.is_some());
        }
    }
}

#[tokio::test]
async fn what_was_refused_is_not_sent_again() {
    for wrapped in BOTH {
        let mut origin = origin(400, 1).await;
        let cache = handle();
        send(wrapped, &cache, &origin.url(), &body()).await;
        origin.next().await;
        origin.next().await;
        let answer = send(wrapped, &cache, &origin.url(), &body()).await;
        assert_eq!(answer.0, 200);
        assert_eq!(origin.next().await.body, body(), "{wrapped:?}");
        assert!(!cache.records().last().unwrap().resent);
    }
}

#[tokio::test]
async fn a_fault_of_the_callers_own_is_shown_to_the_caller() {
    for wrapped in BOTH {
        let mut origin = origin(400, usize::MAX).await;
        let cache = handle();
        let answer = send(wrapped, &cache, &origin.url(), &body()).await;
        assert_eq!(answer, (400, REFUSAL.into()), "{wrapped:?}");
        assert!(origin.next().await.body.len() > body().len());
        assert_eq!(origin.next().await.body, body());
        assert_eq!(only(&cache).status, 400);
        // Nothing was learned from it: the next request is marked as ever.
        send(wrapped, &cache, &origin.url(), &body()).await;
        assert!(origin.next().await.body.len() > body().len());
    }
}

#[tokio::test]
async fn a_request_that_was_not_changed_is_not_repeated() {
    for wrapped in BOTH {
        let mut origin = origin(400, 1).await;
        let cache = handle();
        let answer = send(wrapped, &cache, &origin.url(), "{\"odd\": true}").await;
        assert_eq!(answer.0, 400, "{wrapped:?}");
        origin.next().await;
        assert!(origin.received.try_recv().is_err());
        assert!(!only(&cache).resent);
    }
}

#[tokio::test]
async fn other_errors_pass_at_once() {
    for wrapped in BOTH {
        for status in [401, 404, 429, 500, 529] {
            let mut origin = origin(status, usize::MAX).await;
            let cache = handle();
            let answer = send(wrapped, &cache, &origin.url(), &body()).await;
            assert_eq!(answer.0, status);
            origin.next().await;
            assert!(origin.received.try_recv().is_err(), "{wrapped:?} {status}");
        }
    }
}

/// An old deployment of Azure's does not know the key: once it is told so, it gets none.
#[tokio::test]
async fn a_deployment_that_knows_no_key_gets_none() {
    const CHAT: &str = r#"{"object":"chat.completion","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":1}}"#;
    const OLD: &str = "/openai/deployments/old/chat/completions?api-version=2024-02-01";
    const NEW: &str = "/openai/deployments/new/chat/completions?api-version=2026-08-01";
    let body = r#"{ "messages":[{"role":"user","content":"hi"}], "temperature":1.0 }"#;
    for wrapped in BOTH {
        let seen = AtomicUsize::new(0);
        let mut origin = Origin::start(Protocol::Http1, move || {
            match seen.fetch_add(1, Ordering::SeqCst) {
                0 => json(400, r#"{"error":{"message":"Unrecognized request argument supplied: prompt_cache_key"}}"#),
                _ => json(200, CHAT),
            }
        })
        .await;
        let cache = Cachewright::builder().assume("azure").build().unwrap();
        let old = format!("{}{OLD}", origin.base);
        assert_eq!(send(wrapped, &cache, &old, body).await, (200, CHAT.into()));
        let asked = String::from_utf8(origin.next().await.body.to_vec()).unwrap();
        assert!(asked.contains(r#","prompt_cache_key":""#), "{wrapped:?}");
        assert_eq!(origin.next().await.body, body);
        assert!(only(&cache).resent);
        // Remembered, for this deployment.
        assert_eq!(send(wrapped, &cache, &old, body).await.0, 200);
        assert_eq!(origin.next().await.body, body, "{wrapped:?}");
        let new = format!("{}{NEW}", origin.base);
        assert_eq!(send(wrapped, &cache, &new, body).await.0, 200);
        assert_ne!(origin.next().await.body, body, "{wrapped:?}");
    }
}
