//! A response body that arrives in chunks, at its own pace, and can break off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::Frame;
use tokio::sync::mpsc;

use super::faults::{Drip, What};

/// How fast a body comes, and what goes wrong on the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) between: Duration,
    pub(super) fault: Option<What>,
}

#[derive(Debug)]
struct Chunks(mpsc::Receiver<io::Result<Bytes>>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let next = self.0.poll_recv(context);
        next.map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// A body of these chunks.
pub(super) fn body(chunks: Vec<Bytes>, mut pace: Pace) -> Body {
    // One chunk of room: the client's reading holds the writing back.
    let (sender, receiver) = mpsc::channel(1);
    let chunks = match pace.fault {
        Some(What::Drip(Drip { pause, bytes })) => {
            pace.between = pause;
            drops(chunks, bytes)
        }
        _ => chunks,
    };
    tokio::spawn(send(chunks, pace, sender));
    Body::new(Chunks(receiver))
}

/// The same bytes in drops of this size.
fn drops(chunks: Vec<Bytes>, size: Option<usize>) -> Vec<Bytes> {
    let Some(size) = size.filter(|size| *size > 0) else {
        return chunks;
    };
    let mut rest = Bytes::from(chunks.concat());
    let mut drops = Vec::with_capacity(rest.len() / size + 1);
    while !rest.is_empty() {
        drops.push(rest.split_to(size.min(rest.len())));
    }
    drops
}

async fn send(chunks: Vec<Bytes>, pace: Pace, sender: mpsc::Sender<io::Result<Bytes>>) {
    let mut left = match pace.fault {
        Some(What::Cut(bytes)) => bytes,
        _ => usize::MAX,
    };
    for (index, mut chunk) in chunks.into_iter().enumerate() {
        match (index, pace.fault) {
            (0, _) => {}
            (1, Some(What::Stall(stall))) => tokio::time::sleep(stall).await,
            _ => tokio::time::sleep(pace.between).await,
        }
        chunk.truncate(left);
        left -= chunk.len();
        // A client that went away ends the answer.
        if sender.send(Ok(chunk)).await.is_err() {
            return;
        }
        if left == 0 {
            // Without a moment's pause the error would overtake the bytes before it.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let error = io::Error::new(io::ErrorKind::ConnectionReset, "cut on purpose");
            let _ = sender.send(Err(error)).await;
            return;
        }
    }
}
