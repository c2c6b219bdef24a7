//! Tells markers that were put into a body from every other change, byte by byte and without any
//! code of the crate.

#![expect(
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

/// The markers that may be put in, and what a bare string is wrapped in to carry one.
const MARKERS: [&str; 2] = [
    r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#,
    r#","cache_control":{"type":"ephemeral"}"#,
];
const OPEN: &str = r#"[{"type":"text","text":"#;
const CLOSE: &str = "}]";

/// How many markers `sent` has more than `original`, which it repeats byte for byte but for them
/// and for the wrapping of bare strings that carry one; or the position in `original` at which
/// the two part otherwise.
pub(crate) fn added_markers(sent: &[u8], original: &[u8]) -> Result<usize, usize> {
    let (mut at, mut place) = (0, 0);
    let (mut wrapped, mut added) = (false, 0);
    loop {
        let same = agreement(&sent[at..], &original[place..]);
        (at, place) = (at + same, place + same);
        if at == sent.len() && place == original.len() {
            return if wrapped { Err(place) } else { Ok(added) };
        }
        if !wrapped && sent[at..].starts_with(OPEN.as_bytes()) && original.get(place) == Some(&b'"')
        {
            (at, wrapped) = (at + OPEN.len(), true);
            continue;
        }
        // What was put in may begin like the member that followed: both start with `,"c`.
        let found = (0..=same.min(MARKERS[1].len())).find_map(|back| {
            let rest = &sent[at - back..];
            let marker = MARKERS.iter().find(|it| rest.starts_with(it.as_bytes()))?;
            Some((at - back + marker.len(), place - back))
        });
        let Some((behind, next)) = found else {
            return Err(place);
        };
        (at, place, added) = (behind, next, added + 1);
        // A marker is the last member of its object.
        if wrapped && sent[at..].starts_with(CLOSE.as_bytes()) {
            (at, wrapped) = (at + CLOSE.len(), false);
        } else if wrapped || sent.get(at) != Some(&b'}') {
            return Err(place);
        }
    }
}

/// How many leading bytes agree. Compared in blocks first, since bodies are long.
fn agreement(left: &[u8], right: &[u8]) -> usize {
    let mut same = 0;
    for size in [4096, 64, 1] {
        let pairs = left[same..]
            .chunks_exact(size)
            .zip(right[same..].chunks_exact(size));
        same += pairs.take_while(|(left, right)| left == right).count() * size;
    }
    same
}

#[test]
fn markers_are_told_from_changes() {
    let original = r#"{"a":[{"x":1},"s"],"role":"user","content":"q","cache":2}"#;
    let marked = r#"{"a":[{"x":1,"cache_control":{"type":"ephemeral"}},"s"],"role":"user","content":[{"type":"text","text":"q","cache_control":{"type":"ephemeral","ttl":"1h"}}],"cache":2}"#;
    let added = |sent: &str| added_markers(sent.as_bytes(), original.as_bytes());
    assert_eq!(added(original), Ok(0));
    assert_eq!(added(marked), Ok(2));
    for (piece, with) in [
        ("\"q\"", "\"r\""),
        ("}}],", "}}, 1],"),
        ("\"1h\"", "\"5m\""),
        ("}]", "}"),
        ("{\"x\":1,", "{"),
        (":2}", ":2} "),
        (":2}", ":2"),
        ("\"s\"", "{\"x\":1}"),
        ("\"s\"", "[{\"type\":\"text\",\"text\":\"s\"}]"),
    ] {
        let changed = marked.replacen(piece, with, 1);
        assert_ne!(changed, marked);
        assert!(added(&changed).is_err(), "{changed}");
    }
    assert!(added_markers(original.as_bytes(), marked.as_bytes()).is_err());
    let long = format!("{original}{}", "y".repeat(9000));
    let cut = &long.as_bytes()[..long.len() - 1];
    assert_eq!(added_markers(cut, long.as_bytes()), Err(cut.len()));
}
