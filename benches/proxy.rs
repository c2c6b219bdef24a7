//! What the proxy adds: latency on one connection, throughput on sixteen, the first byte of a
//! stream, and its memory. Direct and proxied requests alternate within one run; the upstream is
//! the simulator, which answers every request with the same small message and streams with pauses.
//! Latency has two baselines besides: a relay that copies bytes between two sockets, and the proxy
//! where it passes on what is no prompt.
//!
//! `cargo bench --bench proxy`; `-- --quick` takes fewer samples.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::float_arithmetic, reason = "ratios of durations")]
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// The targets for one connection, in microseconds.
const SIZES: [(usize, f64); 3] = [(10_000, 100.0), (100_000, 250.0), (1_000_000, 1500.0)];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let samples = if args.iter().any(|arg| arg == "--quick") {
        100
    } else {
        1000
    };
    let constant = started(&["sim", "--listen", "127.0.0.1:0", "--constant"]);
    let paced = ["sim", "--listen", "127.0.0.1:0", "--between-chunks-ms", "3"];
    let paced = started(&paced);
    let (proxy, proxied) = proxy_to(constant.1);
    let ways = [constant.1, proxied];
    let relayed = relay_to(constant.1);
    let (_streaming, streamed) = proxy_to(paced.1);
    runtime(1).block_on(async {
        println!("body bytes  direct µs  relayed µs  passed on µs  proxied µs  added µs  target µs");
        for (size, target) in SIZES {
            let ways = [constant.1, relayed, proxied, proxied];
            let [plain, hop, passed, through] = latency(ways, size, samples).await;
            println!(
                "{size:>10} {plain:>10.0} {hop:>11.0} {passed:>13.0} {through:>11.0} {:>9.0} {target:>10.0}",
                through - plain
            );
        }
        println!("\nbody bytes  direct/s  proxied/s  ratio (16 connections, target 0.35)");
        for (size, _) in SIZES {
            let [plain, through] = throughput(ways, size, samples).await;
            println!("{size:>10} {plain:>9.0} {through:>10.0} {:>6.2}", through / plain);
        }
        let [plain, through] = first_byte([paced.1, streamed], samples).await;
        println!(
            "\nfirst byte of a stream: direct {plain:.0} µs, proxied {through:.0} µs (target: 1000 more)"
        );
    });
    println!(
        "resident memory of the proxy: {:.1} MB, peak {:.1} MB (target 60)",
        memory(&proxy.0, "VmRSS:"),
        memory(&proxy.0, "VmHWM:")
    );
}

/// Ends with the bench.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a command that serves and says where on its first line.
fn started(arguments: &[&str]) -> (Ended, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
    // The ledger is written as it is by default, and is none of the user's.
    let state = concat!(env!("CARGO_TARGET_TMPDIR"), "/state");
    let command = command
        .args(arguments)
        .env("XDG_STATE_HOME", state)
        .env_remove("CACHEWRIGHT_LEDGER")
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    let address = line.trim().trim_start_matches("http://").parse().unwrap();
    (Ended(child), address)
}

/// The proxy before this simulator.
fn proxy_to(upstream: SocketAddr) -> (Ended, SocketAddr) {
    let name = format!(
        "cachewright-bench-{}-{}.toml",
        std::process::id(),
        upstream.port()
    );
    let settings = std::env::temp_dir().join(name);
    let text = format!("[upstreams.anthropic]\nbase_url = \"http://{upstream}\"\n");
    std::fs::write(&settings, text).unwrap();
    let path = settings.display().to_string();
    let proxy = started(&["proxy", "--port", "0", "--grace", "0s", "--config", &path]);
    std::fs::remove_file(&settings).unwrap();
    proxy
}

/// A relay before this address that looks at nothing: what a second hop costs by itself.
fn relay_to(upstream: SocketAddr) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let relay = async move {
        let listener = TcpListener::from_std(listener).unwrap();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(upstream).await.unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                // Either side may hang up.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    };
    std::thread::spawn(move || runtime(1).block_on(relay));
    address
}

fn runtime(threads: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap()
}

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let (sender, connection) = handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(body: Bytes) -> Request<Full<Bytes>> {
    let head = Request::post("/v1/messages")
        .header("host", "api.anthropic.com")
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .header("x-api-key", "sk-bench");
    head.body(Full::new(body)).unwrap()
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, body: Bytes) {
    sender.ready().await.unwrap();
    let response = sender.send_request(request(body)).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
}

/// Median microseconds of a request on one connection, by each way; the body is the next turn of one
/// growing conversation each time, as agents send them, and by the third way no prompt.
async fn latency(ways: [SocketAddr; 4], size: usize, samples: usize) -> [f64; 4] {
    let mut senders = Vec::new();
    for way in ways {
        senders.push(connect(way).await);
    }
    let mut times = [const { Vec::new() }; 4];
    for number in 0..samples {
        let body = body(size, number);
        let unread = unread(&body);
        let bodies = [&body, &body, &unread, &body];
        for ((sender, times), body) in senders.iter_mut().zip(&mut times).zip(bodies) {
            let start = Instant::now();
            exchange(sender, body.clone()).await;
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    times.map(median)
}

/// Requests per second on sixteen connections, both ways in alternating slices.
async fn throughput(ways: [SocketAddr; 2], size: usize, samples: usize) -> [f64; 2] {
    let each = (samples * 10_000 / size).clamp(4, samples / 5);
    let bodies: Vec<Bytes> = (0..16).map(|number| body(size, number)).collect();
    let mut rates = [Vec::new(), Vec::new()];
    for _slice in 0..5 {
        for (way, rates) in ways.into_iter().zip(&mut rates) {
            let mut senders = Vec::new();
            for body in &bodies {
                senders.push((connect(way).await, body.clone()));
            }
            let start = Instant::now();
            let clients = senders.into_iter().map(|(mut sender, body)| {
                tokio::spawn(async move {
                    for _ in 0..each {
                        exchange(&mut sender, body.clone()).await;
                    }
                })
            });
            for client in clients.collect::<Vec<_>>() {
                client.await.unwrap();
            }
            rates.push(each as f64 * 16.0 / start.elapsed().as_secs_f64());
        }
    }
    rates.map(median)
}

/// Median microseconds until a stream's first byte, both ways.
async fn first_byte(ways: [SocketAddr; 2], samples: usize) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    let mut senders = Vec::new();
    for way in ways {
        senders.push(connect(way).await);
    }
    for number in 0..samples / 4 {
        let body = streamed(&body(10_000, number));
        for (sender, times) in senders.iter_mut().zip(&mut times) {
            sender.ready().await.unwrap();
            let start = Instant::now();
            let sent = sender.send_request(request(body.clone())).await;
            let mut answer = sent.unwrap().into_body();
            answer.frame().await.unwrap().unwrap();
            times.push(start.elapsed().as_secs_f64() * 1e6);
            while answer.frame().await.is_some() {}
        }
    }
    times.map(median)
}

/// The same bytes as no request that anybody knows.
fn unread(body: &[u8]) -> Bytes {
    [b"[", body, b"]"].concat().into()
}

/// The same request, to be answered by a stream.
fn streamed(body: &[u8]) -> Bytes {
    let rest = std::str::from_utf8(body)
        .unwrap()
        .strip_prefix('{')
        .unwrap();
    format!("{{\"stream\":true,{rest}").into()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A coding agent's request of about `size` bytes; its last turn tells which it is.
fn body(size: usize, number: usize) -> Bytes {
    let mut text = String::from(
        r#"{"model":"claude-sonnet-4-5","max_tokens":4096,"system":"You are a coding agent.","tools":["#,
    );
    for at in 0..6 {
        let comma = if at == 0 { "" } else { "," };
        write!(text, r#"{comma}{{"name":"tool_{at}","description":"Reads and edits files in the repository.","input_schema":{{"type":"object","properties":{{"path":{{"type":"string"}},"limit":{{"type":"integer"}}}},"required":["path"]}}}}"#).unwrap();
    }
    text.push_str(r#"],"messages":[{"role":"user","content":"Fix the failing test."}"#);
    let mut turn = 0;
    while text.len() + 2200 < size {
        let code = format!("    let value_{turn} = read(&path)?;\\n    assert_eq!(value_{turn}, expected[{turn}], \\\"line {turn}\\\");\\n").repeat(16);
        write!(text, r#",{{"role":"assistant","content":[{{"type":"text","text":"Reading."}},{{"type":"tool_use","id":"toolu_{turn:05}","name":"tool_1","input":{{"path":"src/file_{turn}.rs"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_{turn:05}","content":"{code}"}}]}}"#).unwrap();
        turn += 1;
    }
    write!(text, r#",{{"role":"assistant","content":"Next."}},{{"role":"user","content":"Go on with step {number}."}}]}}"#).unwrap();
    text.into()
}

/// Megabytes, as the kernel counts them.
fn memory(child: &Child, name: &str) -> f64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    number.unwrap_or(f64::NAN) / 1024.0
}
