//! Answers taken out of their envelope while they stream.

use super::enclose::without;
use super::{Envelope, Fault};
use crate::wire::frames::{Frame, Frames};
use crate::wire::object::Object;
use crate::wire::scan::span;
use crate::wire::watch::Chunk;

/// What Bedrock adds to the last event: figures that the events before it have given.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// Turns the body of a streamed answer back into the events of the dialect, chunk by chunk.
///
/// What a frame holds is handed on byte for byte, but for Bedrock's own figures in the last event.
/// An exception becomes the dialect's `error` event, and so does a stream that is broken; nothing
/// follows it. At most one frame is held back.
#[derive(Debug)]
pub struct Opened {
    frames: Frames,
    /// Whether the one error was told, after which nothing is.
    failed: bool,
}

impl Opened {
    /// Of an answer in this envelope; `None` where it needs no turning.
    #[must_use]
    pub fn of(envelope: Envelope) -> Option<Self> {
        matches!(envelope, Envelope::Invoke).then(|| Self {
            frames: Frames::every(),
            failed: false,
        })
    }

    /// Takes in a chunk, and appends what it completes.
    pub fn feed(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.failed {
            return;
        }
        let failed = &mut self.failed;
        self.frames.feed(chunk, &mut |frame| {
            if !*failed {
                *failed = open(frame, out).is_none();
            }
        });
        if !self.failed && self.frames.is_broken() {
            self.broken(out);
        }
    }

    /// Takes in the end of the stream: one that ends within a frame is broken.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.failed && self.frames.is_within() {
            self.broken(out);
        }
    }

    /// Whether an error ended what is handed on.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.failed
    }

    fn broken(&mut self, out: &mut Vec<u8>) {
        self.failed = true;
        error(&garbled(), out);
    }
}

fn garbled() -> Fault {
    Fault::own("api_error", "", "The provider's stream broke off")
}

/// Appends what a frame says; `None` where that is an error.
fn open(frame: Frame<'_>, out: &mut Vec<u8>) -> Option<()> {
    if !frame.is_sound() {
        error(&garbled(), out);
        return None;
    }
    match (frame.message, frame.name) {
        ("exception" | "error", name) => {
            let mut fault = Fault::read(frame.payload, Some(name));
            if fault.message.is_empty() {
                fault.message = frame.text.into();
            }
            error(&fault, out);
            None
        }
        (_, "chunk") => {
            let event = Chunk::open(frame.payload).and_then(|data| event(&data, out));
            if event.is_none() {
                error(&garbled(), out);
            }
            event
        }
        // Kinds of frames that are still to be invented say nothing that the dialect has a word for.
        _ => Some(()),
    }
}

/// Appends one event of the dialect; `None` where the data is none.
fn event(data: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let kind = Object::at(data, span(0, data.len()))?.text(data, "type")?;
    let shorter = match kind.as_str() {
        "message_stop" => without(data, METRICS),
        _ => None,
    };
    write(&kind, shorter.as_deref().unwrap_or(data), out);
    Some(())
}

fn error(fault: &Fault, out: &mut Vec<u8>) {
    if let Some(data) = fault.told("messages", 0, b"") {
        write("error", &data, out);
    }
}

fn write(kind: &str, data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.replace(['\n', '\r'], "").as_bytes());
    // A line end can stand between members only, where any blank means the same.
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"\ndata: ");
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use crc32fast::hash as crc32;

    use super::*;

    fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
        let mut head = Vec::new();
        for (name, value) in headers {
            head.push(u8::try_from(name.len()).unwrap());
            head.extend(name.as_bytes());
            head.push(7);
            head.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            head.extend(value.as_bytes());
        }
        let word = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
        let mut out = word(16 + head.len() + payload.len()).to_vec();
        out.extend(word(head.len()));
        out.extend(crc32(&out).to_be_bytes());
        out.extend([&head[..], payload].concat());
        out.extend(crc32(&out).to_be_bytes());
        out
    }

    fn chunk(data: &str) -> Vec<u8> {
        let payload = format!(r#"{{"bytes":"{}","p":"abcdef"}}"#, STANDARD.encode(data));
        let headers = [
            (":event-type", "chunk"),
            (":content-type", "application/json"),
            (":message-type", "event"),
        ];
        frame(&headers, payload.as_bytes())
    }

    fn opened(stream: &[u8], step: usize) -> String {
        let mut opened = Opened::of(Envelope::Invoke).unwrap();
        let mut out = Vec::new();
        for piece in stream.chunks(step) {
            opened.feed(piece, &mut out);
        }
        opened.finish(&mut out);
        opened.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    const START: &str =
        r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":1}}}"#;

    #[test]
    fn frames_become_events_whatever_their_borders() {
        let stop =
            r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}"#;
        let data = [
            START,
            r#"{ "delta" : {"text":"né\n"} , "type":"content_block_delta"}"#,
            "{\"type\":\"ping\",\n\"x\":1}",
            stop,
        ];
        let other = frame(
            &[
                (":message-type", "event"),
                (":event-type", "initial-response"),
            ],
            b"{}",
        );
        let mut stream: Vec<u8> = data.iter().flat_map(|data| chunk(data)).collect();
        stream.extend(other);
        let wanted = format!(
            "event: message_start\ndata: {START}\n\nevent: content_block_delta\ndata: {}\n\n\
             event: ping\ndata: {{\"type\":\"ping\",\ndata: \"x\":1}}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n",
            data[1]
        );
        for step in 1..stream.len() {
            assert_eq!(opened(&stream, step), wanted, "{step}");
        }
        assert!(
            Opened::of(Envelope::Plain).is_none() && Opened::of(Envelope::RawPredict).is_none()
        );
    }

    #[test]
    fn an_exception_is_the_last_event() {
        let start = chunk(START);
        let begun = format!("event: message_start\ndata: {START}\n\n");
        for (end, kind, message) in [
            (
                frame(
                    &[
                        (":message-type", "exception"),
                        (":exception-type", "throttlingException"),
                    ],
                    br#"{"message":"Too many"}"#,
                ),
                "rate_limit_error",
                "Too many",
            ),
            (
                frame(
                    &[
                        (":message-type", "error"),
                        (":error-code", "InternalFailure"),
                        (":error-message", "Oh"),
                    ],
                    b"",
                ),
                "api_error",
                "Oh",
            ),
        ] {
            let stream = [&start[..], &end, &start].concat();
            let wanted = format!(
                "{begun}event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"{message}\"}}}}\n\n"
            );
            for step in [1, 7, stream.len()] {
                assert_eq!(opened(&stream, step), wanted);
            }
        }
    }

    #[test]
    fn what_is_broken_is_told_once() {
        let start = chunk(START);
        let mut damaged = chunk(START);
        let at = damaged.len() - 20;
        damaged[at] ^= 1;
        let long = frame(
            &[(":message-type", "event"), (":event-type", "chunk")],
            &vec![b'x'; 1 << 20],
        );
        let payload = |payload: &[u8]| {
            frame(
                &[(":message-type", "event"), (":event-type", "chunk")],
                payload,
            )
        };
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"The provider's stream broke off\"}}\n\n";
        let wanted = format!("event: message_start\ndata: {START}\n\n{error}");
        for (broken, steps) in [
            (
                b"HTTP/1.1 500 Internal Server Error\r\n\r\n".to_vec(),
                [1, 5, 4000],
            ),
            (damaged, [1, 5, 4000]),
            (long, [900, 70_000, 1 << 21]),
            (payload(b"{}"), [1, 5, 4000]),
            (payload(br#"{"bytes":"!"}"#), [1, 5, 4000]),
            // No JSON, no type, cut.
            (chunk("{\"type\":\"x\""), [1, 5, 4000]),
            (chunk("{\"kind\":\"x\"}"), [1, 5, 4000]),
        ] {
            for step in steps {
                let stream = [&start[..], &broken, &start].concat();
                assert_eq!(opened(&stream, step), wanted, "{step}");
            }
        }
        // An end within a frame, even within its first bytes.
        for end in [3, 40, start.len() - 1] {
            let stream = [&start[..], &start[..end]].concat();
            assert_eq!(opened(&stream, 11), wanted, "{end}");
        }
        assert_eq!(
            opened(&start, 11),
            format!("event: message_start\ndata: {START}\n\n")
        );
        assert_eq!(opened(b"", 1), "");
    }

    #[test]
    fn a_type_cannot_forge_an_event() {
        let forged = chunk("{\"type\":\"a\\n\\ndata: x\"}");
        assert_eq!(
            opened(&forged, 9),
            "event: adata: x\ndata: {\"type\":\"a\\n\\ndata: x\"}\n\n"
        );
    }
}
