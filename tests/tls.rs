//! The proxy before upstreams behind TLS, as a command that trusts what the system says.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cachewright::adapter::server::SimServer;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::serving::Serving;

/// Takes TLS off in front of `upstream`; says where, and tells the protocol of each connection.
async fn terminated(
    upstream: SocketAddr,
    protocol: &[u8],
    certified: &CertifiedKey<rcgen::KeyPair>,
) -> (SocketAddr, mpsc::UnboundedReceiver<Vec<u8>>) {
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let chain = vec![certified.cert.der().clone()];
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from(key))
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // Whoever does not trust the certificate leaves here.
            let Ok(mut inside) = acceptor.accept(socket).await else {
                continue;
            };
            let spoken = inside.get_ref().1.alpn_protocol();
            let _ = tell.send(spoken.unwrap_or_default().to_vec());
            let mut outside = TcpStream::connect(upstream).await.unwrap();
            tokio::spawn(async move {
                // Either side may end it.
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
            });
        }
    });
    (address, told)
}

/// The command as a proxy before that upstream, trusting these certificates and no others.
fn proxy(upstream: SocketAddr, dir: &Path, trusted: &str) -> Serving {
    let config = dir.join("cachewright.toml");
    let base = format!("https://localhost:{}", upstream.port());
    std::fs::write(
        &config,
        format!("[upstreams.anthropic]\nbase_url = \"{base}\"\n"),
    )
    .unwrap();
    let roots = dir.join("roots.pem");
    std::fs::write(&roots, trusted).unwrap();
    let args = ["proxy", "--port", "0", "--config", config.to_str().unwrap()];
    Serving::start(&args, |command| {
        command
            .env("SSL_CERT_FILE", roots)
            .env_remove("SSL_CERT_DIR");
    })
}

async fn asked(proxy: &Serving, question: &str) -> (u16, Value) {
    let body = json!({
        "model": "claude-sonnet-4-5", "max_tokens": 9,
        "system": "Every shelf has a number. ".repeat(600),
        "messages": [{"role": "user", "content": question}],
    });
    let request = reqwest::Client::new().post(format!("{}/v1/messages", proxy.url));
    let request = request.header("x-api-key", "k").json(&body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_behind_tls_is_spoken_to_as_it_likes() {
    let certified = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    for protocol in [&b"h2"[..], b"http/1.1"] {
        let sim = SimServer::default();
        let sim = sim
            .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let (upstream, mut told) = terminated(sim.address(), protocol, &certified).await;
        let dir = tempfile::tempdir().unwrap();
        let proxy = proxy(upstream, dir.path(), &certified.cert.pem());
        let mut read = Vec::new();
        for question in ["Which shelf?", "Which number?"] {
            let (status, answer) = asked(&proxy, question).await;
            assert_eq!(status, 200, "{answer}");
            read.push(answer["usage"]["cache_read_input_tokens"].as_u64().unwrap());
        }
        assert!(read == [0, read[1]] && read[1] > 1024, "{read:?}");
        assert_eq!(told.recv().await.unwrap(), protocol);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_nobody_vouches_for_gets_nothing() {
    let certified = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let another = generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let sim = SimServer::default();
    let sim = sim
        .bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let (upstream, mut told) = terminated(sim.address(), b"http/1.1", &certified).await;
    let dir = tempfile::tempdir().unwrap();
    let proxy = proxy(upstream, dir.path(), &another.cert.pem());
    let (status, answer) = asked(&proxy, "Which shelf?").await;
    assert_eq!(status, 502, "{answer}");
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(said.contains("certificate"), "{said}");
    assert!(told.try_recv().is_err());
}
