//! The layer as a middleware of `reqwest-middleware`.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::sync::atomic::{AtomicBool, Ordering};

use cachewright::adapter::handle::Cachewright;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

use crate::support::origin::{MESSAGE, ODD, Origin, Protocol, SECRET, body, handle, json};

fn client(caches: &[&Cachewright]) -> ClientWithMiddleware {
    let inner = reqwest::Client::builder().no_proxy().build().unwrap();
    let builder = ClientBuilder::new(inner);
    let wrapped = caches
        .iter()
        .fold(builder, |builder, cache| builder.with(cache.middleware()));
    wrapped.build()
}

async fn send(client: &ClientWithMiddleware, url: String, body: String) -> reqwest::Response {
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("x-api-key", SECRET)
        .body(body);
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_prompt_is_marked_and_its_answer_watched() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = handle();
    let response = send(&client(&[&cache]), origin.url(), body()).await;
    assert_eq!(response.url().as_str(), origin.url());
    assert_eq!(response.text().await.unwrap(), MESSAGE);
    assert!(origin.next().await.body.len() > body().len());
    let records = cache.records();
    assert_eq!(records.len(), 1);
    assert!(records[0].complete);
    assert_eq!(records[0].usage.unwrap().output, Some(2));
}

#[tokio::test]
async fn odd_bodies_arrive_byte_for_byte() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let client = client(&[&handle()]);
    for odd in ODD {
        send(&client, origin.url(), odd.into()).await;
        assert_eq!(origin.next().await.body, odd);
    }
}

#[tokio::test]
async fn what_was_added_and_refused_is_taken_back_once() {
    let refuse = AtomicBool::new(true);
    let mut origin = Origin::start(Protocol::Http1, move || {
        match refuse.swap(false, Ordering::SeqCst) {
            true => json(422, "{}"),
            false => json(200, MESSAGE),
        }
    })
    .await;
    let cache = handle();
    let response = send(&client(&[&cache]), origin.url(), body()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), MESSAGE);
    assert!(origin.next().await.body.len() > body().len());
    assert_eq!(origin.next().await.body, body());
    assert_eq!(cache.records().len(), 1);
}

#[tokio::test]
async fn two_of_them_change_and_count_once() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let (outer, inner) = (handle(), handle());
    let alone = send(&client(&[&handle()]), origin.url(), body()).await;
    alone.text().await.unwrap();
    let both = send(&client(&[&outer, &inner]), origin.url(), body()).await;
    both.text().await.unwrap();
    assert_eq!(origin.next().await.body, origin.next().await.body);
    assert_eq!((outer.records().len(), inner.records().len()), (1, 0));
}
