//! The layer over reqwest, on real sockets: a drop-in for the client.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::time::Duration;

use cachewright::adapter::handle::Cachewright;
use cachewright::adapter::tower::PromptCache;
use cachewright::model::Skip;
use reqwest::{Body, Client, Request, Response};
use tower::{Service, ServiceExt, service_fn};

use crate::support::origin::{MESSAGE, ODD, Origin, Protocol, SECRET, body, handle, json};

const PROTOCOLS: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

fn client(protocol: Protocol) -> Client {
    let builder = Client::builder().no_proxy();
    match protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Http2 => builder.http2_prior_knowledge(),
    }
    .build()
    .unwrap()
}

fn post(url: &str, body: impl Into<Body>) -> Request {
    Client::new()
        .post(url)
        .header("content-type", "application/json")
        .header("x-api-key", SECRET)
        .body(body)
        .build()
        .unwrap()
}

/// Compiles only while types and errors are reqwest's own.
fn drop_in<S>(service: S) -> S
where
    S: Service<Request, Response = Response, Error = reqwest::Error> + Clone,
{
    service
}

#[tokio::test]
async fn a_wrapped_client_is_a_drop_in() {
    for protocol in PROTOCOLS {
        let mut origin = Origin::of_messages(protocol).await;
        let cache = handle();
        let service = drop_in(cache.wrap(client(protocol)));
        let response = service.execute(post(&origin.url(), body())).await.unwrap();
        assert_eq!(response.url().as_str(), origin.url());
        assert_eq!(response.content_length(), Some(MESSAGE.len() as u64));
        assert_eq!(response.headers()["content-type"], "application/json");
        assert!(response.remote_addr().is_some());
        assert_eq!(response.text().await.unwrap(), MESSAGE);
        let received = origin.next().await;
        assert_eq!(received.headers["x-api-key"], SECRET);
        assert!(received.body.len() > body().len());
        let records = cache.records();
        assert_eq!(records.len(), 1);
        assert!(records[0].complete);
        assert_eq!(records[0].usage.unwrap().output, Some(2));
    }
}

#[tokio::test]
async fn odd_bodies_arrive_byte_for_byte() {
    for protocol in PROTOCOLS {
        let mut origin = Origin::of_messages(protocol).await;
        let cache = handle();
        let service = cache.wrap(client(protocol));
        for odd in ODD {
            service.execute(post(&origin.url(), odd)).await.unwrap();
            assert_eq!(origin.next().await.body, odd, "{protocol:?}");
        }
        assert_eq!(cache.records().len(), ODD.len());
    }
}

#[tokio::test]
async fn a_length_set_by_the_caller_is_corrected() {
    let text = body();
    for protocol in PROTOCOLS {
        let mut origin = Origin::of_messages(protocol).await;
        let service = handle().wrap(client(protocol));
        let mut request = post(&origin.url(), text.clone());
        request
            .headers_mut()
            .insert("content-length", text.len().into());
        service.execute(request).await.unwrap();
        let received = origin.next().await;
        assert!(received.body.len() > text.len());
        assert_eq!(
            received.declared_length(),
            Some(received.body.len()),
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_passes_unread_and_says_so() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = handle();
    let service = cache.wrap(client(Protocol::Http1));
    let chunks = ["{\"messages\"", ":[]}"].map(Ok::<_, std::io::Error>);
    let stream = Body::wrap_stream(futures_util::stream::iter(chunks));
    service.execute(post(&origin.url(), stream)).await.unwrap();
    assert_eq!(origin.next().await.body, "{\"messages\":[]}");
    assert_eq!(cache.records()[0].skip, Some(Skip::NotBuffered));
}

#[tokio::test]
async fn wrapping_twice_changes_and_counts_once() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let (plain, outer, inner) = (handle(), handle(), handle());
    let text = body();
    let single = plain.wrap(client(Protocol::Http1));
    single
        .execute(post(&origin.url(), text.clone()))
        .await
        .unwrap();
    let double = outer.wrap(inner.wrap(client(Protocol::Http1)));
    // Also where the body does not change, and where it cannot be seen.
    let chunks = ["{}"].map(Ok::<_, std::io::Error>);
    let stream = Body::wrap_stream(futures_util::stream::iter(chunks));
    for body in [text.clone().into(), Body::from("{}"), stream] {
        let call = double.clone().oneshot(post(&origin.url(), body));
        call.await.unwrap().text().await.unwrap();
    }
    assert_eq!(origin.next().await.body, origin.next().await.body);
    assert_eq!((outer.records().len(), inner.records().len()), (3, 0));
}

#[tokio::test]
async fn requests_beside_each_other_are_not_taken_for_one() {
    let origin = Origin::of_messages(Protocol::Http1).await;
    let cache = handle();
    let service = cache.wrap(client(Protocol::Http1));
    let request = post(&origin.url(), body());
    let calls = (0..12).map(|_| service.execute(request.try_clone().unwrap()));
    for answer in futures_util::future::join_all(calls).await {
        answer.unwrap().bytes().await.unwrap();
    }
    assert_eq!(cache.records().len(), 12);
}

#[tokio::test]
async fn a_retry_inside_can_clone_and_keeps_the_timeout() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = handle();
    let sender = client(Protocol::Http1);
    let retrying = service_fn(move |request: Request| {
        let sender = sender.clone();
        assert_eq!(request.timeout(), Some(&Duration::from_secs(77)));
        async move {
            sender.execute(request.try_clone().unwrap()).await?;
            sender.execute(request).await
        }
    });
    let mut request = post(&origin.url(), body());
    *request.timeout_mut() = Some(Duration::from_secs(77));
    let call = cache.wrap(retrying).oneshot(request);
    call.await.unwrap().text().await.unwrap();
    assert_eq!(origin.next().await.body, origin.next().await.body);
    assert_eq!(cache.records().len(), 1);
}

#[tokio::test]
async fn retries_outside_are_spelled_alike() {
    let mut origin = Origin::start(Protocol::Http1, || json(529, "{}")).await;
    let cache = handle();
    let service = cache.wrap(client(Protocol::Http1));
    let request = post(&origin.url(), body());
    for _ in 0..2 {
        let again = request.try_clone().unwrap();
        let response = service.execute(again).await.unwrap();
        assert_eq!(response.status(), 529);
    }
    assert_eq!(origin.next().await.body, origin.next().await.body);
    assert_eq!(cache.records().len(), 2);
}

#[tokio::test]
async fn a_refused_connection_keeps_its_error_and_leaves_one_record() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let cache = handle();
    let service: PromptCache<Client> = cache.wrap(client(Protocol::Http1));
    let url = format!("http://127.0.0.1:{port}/v1/messages");
    let error = service.execute(post(&url, body())).await.unwrap_err();
    assert!(error.is_connect());
    let records = cache.records();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].status, 0);
}

#[tokio::test]
async fn an_encoded_response_passes_untouched_and_unread() {
    let mut origin = Origin::start(Protocol::Http1, || {
        let mut answer = json(200, "\u{1f}\u{8b}not really gzip");
        answer
            .headers_mut()
            .insert("content-encoding", "gzip".parse().unwrap());
        answer
    })
    .await;
    let cache = handle();
    // Another crate of the build may have taught reqwest to decode by itself.
    let plain = ::reqwest::Client::builder().no_gzip().build().unwrap();
    let service = cache.wrap(plain);
    let response = service.execute(post(&origin.url(), body())).await.unwrap();
    assert_eq!(
        response.bytes().await.unwrap(),
        "\u{1f}\u{8b}not really gzip"
    );
    origin.next().await;
    assert_eq!(cache.records()[0].usage, None);
}

#[tokio::test]
async fn labels_do_not_reach_the_provider() {
    let mut origin = Origin::of_messages(Protocol::Http1).await;
    let cache = handle();
    let service = cache.wrap(client(Protocol::Http1));
    let mut request = post(&origin.url(), body());
    request
        .headers_mut()
        .insert("x-cachewright-tenant", "t".parse().unwrap());
    request
        .headers_mut()
        .insert("x-cachewright-route", "r".parse().unwrap());
    request
        .headers_mut()
        .insert("x-cachewright-session", "s".parse().unwrap());
    service.execute(request).await.unwrap();
    let received = origin.next().await;
    assert_eq!(received.path, "/v1/messages");
    assert!(
        received
            .headers
            .keys()
            .all(|name| !name.as_str().contains("cachewright"))
    );
    let records = cache.records();
    assert_eq!((&*records[0].tenant, &*records[0].route), ("t", "r"));
}

/// A key of ours would go before the session that the caller names in the head.
#[tokio::test]
async fn a_session_in_the_head_is_left_to_steer() {
    for (own, ours) in [(None, true), (Some("x-session-id"), false)] {
        let mut origin = Origin::of_messages(Protocol::Http1).await;
        let cache = Cachewright::builder().assume("openrouter").build().unwrap();
        let mut request = Client::new()
            .post(format!("{}/api/v1/chat/completions", origin.base))
            .header("content-type", "application/json")
            .body(r#"{"model":"anthropic/claude-sonnet-4.5","messages":[{"role":"user","content":"hi"}]}"#);
        if let Some(name) = own {
            request = request.header(name, "mine");
        }
        cache
            .wrap(client(Protocol::Http1))
            .send(request)
            .await
            .unwrap();
        let body = origin.next().await.body;
        let body = std::str::from_utf8(&body).unwrap();
        assert_eq!(body.contains("session_id"), ours, "{own:?}");
    }
}
