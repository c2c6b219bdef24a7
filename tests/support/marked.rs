//! Tells what we put into a body from every other change, byte by byte and without any
//! code of the crate.

#![expect(
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

/// What may be put in, and what may follow it.
const ADDITIONS: [(&str, &str); 8] = [
    // Members of a block: each is its last.
    (r#","cache_control":{"type":"ephemeral","ttl":"1h"}"#, "}"),
    (r#","cache_control":{"type":"ephemeral"}"#, "}"),
    (r#","prompt_cache_breakpoint":{"mode":"explicit"}"#, "}"),
    (r#","cachePoint":{"type":"default"}"#, "}"),
    // Blocks of their own.
    (r#",{"cachePoint":{"type":"default","ttl":"1h"}}"#, ",]"),
    (r#",{"cachePoint":{"type":"default"}}"#, ",]"),
    // Members of the body.
    (r#","prompt_cache_options":{"mode":"explicit"}"#, ",}"),
    (r#","stream_options":{"include_usage":true}"#, ",}"),
];

/// Members of the body whose value is a key of 32 digits, with a shard behind it where there are
/// several.
const KEYS: [&str; 2] = [r#","prompt_cache_key":""#, r#","session_id":""#];

/// What a bare string is wrapped in to carry a marker.
const WRAPS: [&str; 2] = [
    r#"[{"type":"text","text":"#,
    r#"[{"type":"input_text","text":"#,
];
const CLOSE: &str = "}]";

/// How many markers and members `sent` has more than `original`, which it repeats byte for byte but
/// for them and for the wrapping of bare strings that carry one; or the position in `original` at
/// which the two part otherwise.
pub(crate) fn additions(sent: &[u8], original: &[u8]) -> Result<usize, usize> {
    let (mut at, mut place) = (0, 0);
    let (mut wrapped, mut added) = (false, 0);
    loop {
        let same = agreement(&sent[at..], &original[place..]);
        (at, place) = (at + same, place + same);
        if at == sent.len() && place == original.len() {
            return if wrapped { Err(place) } else { Ok(added) };
        }
        let wrap = WRAPS
            .iter()
            .find(|wrap| sent[at..].starts_with(wrap.as_bytes()));
        if let (false, Some(wrap), Some(b'"')) = (wrapped, wrap, original.get(place)) {
            (at, wrapped) = (at + wrap.len(), true);
            continue;
        }
        // What was put in may begin like what followed: both may start with `,"c`.
        let found = (0..=same.min(ADDITIONS[0].0.len())).find_map(|back| {
            let (length, followers) = addition(&sent[at - back..])?;
            Some((at - back + length, place - back, followers))
        });
        let Some((behind, next, followers)) = found else {
            return Err(place);
        };
        (at, place, added) = (behind, next, added + 1);
        if wrapped && sent[at..].starts_with(CLOSE.as_bytes()) {
            (at, wrapped) = (at + CLOSE.len(), false);
        } else if wrapped || !sent.get(at).is_some_and(|it| followers.contains(it)) {
            return Err(place);
        }
    }
}

/// The length of what was put in here and what may follow it; nothing when it is none of ours.
fn addition(rest: &[u8]) -> Option<(usize, &'static [u8])> {
    let fixed = ADDITIONS
        .iter()
        .find(|(text, _)| rest.starts_with(text.as_bytes()));
    if let Some((text, followers)) = fixed {
        return Some((text.len(), followers.as_bytes()));
    }
    let key = KEYS.iter().find(|key| rest.starts_with(key.as_bytes()))?;
    let value = &rest[key.len()..];
    let end = value.iter().position(|byte| *byte == b'"')?;
    let digits = value[..end].split(|byte| *byte == b'-').next()?;
    let ours = digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit);
    ours.then_some((key.len() + end + 1, b",}"))
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
    let added = |sent: &str| additions(sent.as_bytes(), original.as_bytes());
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
    assert!(additions(original.as_bytes(), marked.as_bytes()).is_err());
    let long = format!("{original}{}", "y".repeat(9000));
    let cut = &long.as_bytes()[..long.len() - 1];
    assert_eq!(additions(cut, long.as_bytes()), Err(cut.len()));
}
