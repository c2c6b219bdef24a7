//! Amazon's event stream (`application/vnd.amazon.eventstream`): frames from chunks with arbitrary
//! borders, holding back at most one frame.
//!
//! A frame is its length, the length of its headers, a checksum of these two, the headers, the
//! payload and a checksum of it all (smithy.io, event stream specification, 2026-11). The first
//! checksum tells a stream of frames from anything else; the last is for those who take frames apart.

use crc32fast::hash as crc32;

/// A frame longer than this is given up, not buffered.
const MAX_FRAME: usize = 1 << 20;

/// Both lengths and their checksum.
const PRELUDE: usize = 12;

/// The checksum at the end of a frame.
const TRAILER: usize = 4;

/// One frame: what its headers name, and its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub(super) message: &'a str,
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub(super) name: &'a str,
    /// `:error-message`.
    pub(super) text: &'a str,
    pub(super) payload: &'a [u8],
    /// All of its bytes.
    whole: &'a [u8],
}

impl Frame<'_> {
    /// Whether the checksum of it all is right.
    pub(super) fn is_sound(&self) -> bool {
        let rest = self.whole.split_last_chunk::<TRAILER>();
        rest.is_some_and(|(bytes, sum)| crc32(bytes) == u32::from_be_bytes(*sum))
    }
}

/// Splits a stream into its frames.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The beginning of a frame whose end has not arrived.
    partial: Vec<u8>,
    state: State,
    too_long: TooLong,
}

/// What becomes of a frame that is too long to be kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TooLong {
    /// It is passed over.
    #[default]
    Missed,
    /// The stream ends before it.
    Fatal,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Framed,
    /// So many bytes of a frame that is too long are still to come.
    Skipping(usize),
    /// What came is no stream of frames.
    Broken,
}

impl Frames {
    /// For those who must see every frame: the stream is broken where one is too long.
    pub(super) fn every() -> Self {
        Self {
            too_long: TooLong::Fatal,
            ..Self::default()
        }
    }

    /// Takes in a chunk; `on_frame` sees each frame that it completes.
    pub(super) fn feed(&mut self, chunk: &[u8], on_frame: &mut dyn FnMut(Frame<'_>)) {
        let mut rest = chunk;
        while !rest.is_empty() {
            rest = match self.state {
                State::Broken => return,
                State::Skipping(left) => {
                    let (_, after) = rest.split_at(left.min(rest.len()));
                    self.state = match left - (rest.len() - after.len()) {
                        0 => State::Framed,
                        left => State::Skipping(left),
                    };
                    after
                }
                State::Framed if self.partial.is_empty() => self.whole(rest, on_frame),
                State::Framed => self.complete(rest, on_frame),
            };
        }
    }

    /// Whether what came is no stream of frames.
    pub(super) fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Whether a frame began whose end has not come.
    pub(super) const fn is_within(&self) -> bool {
        !self.partial.is_empty()
    }

    /// Reads a frame at the start of `rest`, or begins to keep it; returns what follows.
    fn whole<'c>(&mut self, rest: &'c [u8], on_frame: &mut dyn FnMut(Frame<'_>)) -> &'c [u8] {
        match self.length(rest) {
            Some(length) if length <= rest.len() => {
                let (frame, after) = rest.split_at(length);
                self.take(frame, on_frame);
                after
            }
            Some(_) => {
                self.partial.extend_from_slice(rest);
                &[]
            }
            // Too long, or broken, unless only the prelude is not complete.
            None if self.state == State::Framed => {
                self.partial.extend_from_slice(rest);
                &[]
            }
            None => rest,
        }
    }

    /// Completes the frame that was begun, as far as `rest` goes; returns what follows.
    fn complete<'c>(&mut self, rest: &'c [u8], on_frame: &mut dyn FnMut(Frame<'_>)) -> &'c [u8] {
        let mut held = std::mem::take(&mut self.partial);
        let wanted = match self.length(&held) {
            Some(length) => length,
            None => PRELUDE,
        };
        let missing = wanted.saturating_sub(held.len()).min(rest.len());
        let (more, after) = rest.split_at(missing);
        held.extend_from_slice(more);
        match self.length(&held) {
            Some(length) if length == held.len() => {
                self.take(&held, on_frame);
                held.clear();
            }
            None if self.state != State::Framed => {
                // The beginning that was kept counts to what is skipped.
                if let State::Skipping(left) = &mut self.state {
                    *left = left.saturating_sub(held.len());
                }
                held = Vec::new();
            }
            Some(_) | None => {}
        }
        self.partial = held;
        after
    }

    /// The length of the frame that begins here. `None` when its prelude is not complete, or no
    /// prelude at all, or that of a frame too long: the state says which.
    fn length(&mut self, frame: &[u8]) -> Option<usize> {
        let (prelude, _) = frame.split_first_chunk::<PRELUDE>()?;
        let [total, headers, sum] = words(prelude);
        let (total, headers) = (total as usize, headers as usize);
        let sound = crc32(prelude.get(..8).unwrap_or_default()) == sum
            && headers
                .checked_add(PRELUDE + TRAILER)
                .is_some_and(|least| least <= total);
        if !sound {
            self.state = State::Broken;
            return None;
        }
        if total > MAX_FRAME {
            self.state = match self.too_long {
                TooLong::Missed => State::Skipping(total),
                TooLong::Fatal => State::Broken,
            };
            return None;
        }
        Some(total)
    }

    fn take(&mut self, frame: &[u8], on_frame: &mut dyn FnMut(Frame<'_>)) {
        match parse(frame) {
            Some(frame) => on_frame(frame),
            None => self.state = State::Broken,
        }
    }
}

fn words(prelude: &[u8; PRELUDE]) -> [u32; 3] {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *prelude;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_be_bytes)
}

fn parse(whole: &[u8]) -> Option<Frame<'_>> {
    let (prelude, rest) = whole.split_first_chunk::<PRELUDE>()?;
    let [_, headers, _] = words(prelude);
    let (mut headers, rest) = rest.split_at_checked(headers as usize)?;
    let payload = rest.get(..rest.len().checked_sub(TRAILER)?)?;
    let mut frame = Frame {
        payload,
        whole,
        ..Frame::default()
    };
    while !headers.is_empty() {
        let (name, value, after) = header(headers)?;
        headers = after;
        match name {
            b":message-type" => frame.message = value,
            b":event-type" | b":exception-type" | b":error-code" => frame.name = value,
            b":error-message" => frame.text = value,
            _ => {}
        }
    }
    Some(frame)
}

/// The first header: its name, its value if it is a string, and what follows.
fn header(bytes: &[u8]) -> Option<(&[u8], &str, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let length = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (value, after) = rest.split_at_checked(length)?;
            let text = std::str::from_utf8(value).ok().filter(|_| *kind == 7);
            return Some((name, text.unwrap_or_default(), after));
        }
        _ => return None,
    };
    let (_, after) = rest.split_at_checked(length)?;
    Some((name, "", after))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of the specification's own test suite (`payload_one_str_header`).
    const KNOWN: &[u8] =
        b"\x00\x00\x00\x3d\x00\x00\x00\x20\x07\xfd\x83\x96\x0ccontent-type\x07\x00\x10\
        application/json{'foo':'bar'}\x8d\x9c\x08\xb1";

    fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
        let word = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
        let mut out = word(PRELUDE + headers.len() + payload.len() + TRAILER).to_vec();
        out.extend(word(headers.len()));
        out.extend(crc32(&out).to_be_bytes());
        out.extend([headers, payload].concat());
        out.extend(crc32(&out).to_be_bytes());
        out
    }

    fn string(name: &str, value: &str) -> Vec<u8> {
        let mut out = vec![u8::try_from(name.len()).unwrap()];
        out.extend(name.as_bytes());
        out.push(7);
        out.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        out.extend(value.as_bytes());
        out
    }

    fn names(stream: &[u8], step: usize) -> (Vec<String>, Frames) {
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for chunk in stream.chunks(step) {
            frames.feed(chunk, &mut |frame| {
                let payload = frame.payload.len();
                seen.push(format!("{} {} {payload}", frame.message, frame.name));
            });
        }
        (seen, frames)
    }

    #[test]
    fn checksums_are_those_of_the_specification() {
        let known = parse(KNOWN).unwrap();
        assert_eq!(known.payload, b"{'foo':'bar'}");
        assert!(known.is_sound());
        let mut damaged = KNOWN.to_vec();
        damaged[50] ^= 1;
        assert!(!parse(&damaged).unwrap().is_sound());
        let header = b"\x0ccontent-type\x07\x00\x10application/json";
        assert_eq!(frame(header, b"{'foo':'bar'}"), KNOWN);
    }

    #[test]
    fn every_border_gives_the_same_frames() {
        let mut headers = string(":message-type", "event");
        // One header of each other type, in between.
        for (kind, value) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 4),
            (5, 8),
            (8, 8),
            (9, 16),
        ] {
            headers.extend([1, b'x', kind]);
            headers.extend(vec![0xff; value]);
        }
        headers.extend([1, b'b', 6, 0, 2, 0xff, 0xfe]);
        headers.extend(string(":event-type", "metadata"));
        let stream = [
            frame(&headers, b"{}"),
            KNOWN.to_vec(),
            frame(&string(":exception-type", "x"), b""),
            frame(b"", b""),
        ]
        .concat();
        for step in 1..=stream.len() {
            let (seen, frames) = names(&stream, step);
            assert_eq!(seen, ["event metadata 2", "  13", " x 0", "  0"], "{step}");
            assert_eq!(frames.state, State::Framed);
            assert!(frames.partial.is_empty());
        }
    }

    #[test]
    fn a_frame_too_long_is_passed_over_without_being_kept() {
        let long = frame(&string(":event-type", "long"), &vec![b'x'; MAX_FRAME]);
        let short = frame(&string(":event-type", "short"), b"");
        let stream = [&short[..], &long, &short].concat();
        for step in [1, 1000, 70_000, stream.len()] {
            let (seen, frames) = names(&stream, step);
            assert_eq!(seen, [" short 0", " short 0"], "{step}");
            assert!(frames.partial.capacity() < 200_000, "{step}");
        }
    }

    #[test]
    fn garbage_ends_the_watching() {
        let good = frame(&string(":event-type", "good"), b"");
        for garbage in [
            &b"HTTP/1.1 200 OK\r\n\r\n{}"[..],
            &[0; 40],
            &[0xff; 40],
            // Headers longer than the frame, a header cut short, an unknown type of header.
            &{
                let mut out = [0, 0, 0, 16, 0, 0, 0, 1].to_vec();
                out.extend(crc32(&out).to_be_bytes());
                out.extend([0; 4]);
                out
            },
            &frame(&[200, b'x'], b""),
            &frame(&[1, b'x', 10], b""),
            &frame(&[1, b'x', 7, 0], b""),
        ] {
            let stream = [&good[..], garbage, &good].concat();
            for step in 1..=stream.len() {
                let (seen, frames) = names(&stream, step);
                assert_eq!(seen, [" good 0"], "{step} {garbage:?}");
                assert_eq!(frames.state, State::Broken);
            }
        }
    }
}
