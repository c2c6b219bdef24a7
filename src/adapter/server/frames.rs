//! Frames of `application/vnd.amazon.eventstream` (smithy.io, event stream encoding, 2026-08).
//!
//! A frame is its own length, the length of its headers, a checksum of both, the headers, the
//! payload, and a checksum of everything before it; all numbers are big-endian.

use axum::body::Bytes;
use crc32fast::hash as crc32;

/// Lengths and their checksum.
const PRELUDE: usize = 12;

/// The checksum at the end.
const TRAILER: usize = 4;

/// The type number of a header whose value is a string.
const STRING: u8 = 7;

/// One frame with these headers, all strings, and this payload.
pub(super) fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(name.as_bytes());
        head.push(STRING);
        head.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let whole = PRELUDE + head.len() + payload.len() + TRAILER;
    let mut frame = Vec::with_capacity(whole);
    for length in [whole, head.len()] {
        frame.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
    frame.extend(crc32(&frame).to_be_bytes());
    frame.extend(head);
    frame.extend_from_slice(payload);
    frame.extend(crc32(&frame).to_be_bytes());
    frame.into()
}

/// One event of this type with a JSON payload.
pub(super) fn event(kind: &str, payload: &[u8]) -> Bytes {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    frame(&headers, payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The empty message and the one with a JSON header of the encoding's published vectors.
    #[test]
    fn the_empty_frame_is_the_published_one() {
        let empty = [
            0, 0, 0, 0x10, 0, 0, 0, 0, 0x05, 0xC2, 0x48, 0xEB, 0x7D, 0x98, 0xC8, 0xFF,
        ];
        assert_eq!(frame(&[], b"").as_ref(), empty);
        let payload = b"{'foo':'bar'}";
        let bytes = frame(&[("content-type", "application/json")], payload);
        assert_eq!(bytes.len(), 0x3D);
        let prelude = [0, 0, 0, 0x3D, 0, 0, 0, 0x20, 0x07, 0xFD, 0x83, 0x96];
        assert_eq!(bytes.get(..12), Some(prelude.as_slice()));
        let trailer = [0x8D, 0x9C, 0x08, 0xB1];
        assert_eq!(bytes.get(0x39..), Some(trailer.as_slice()));
    }
}
