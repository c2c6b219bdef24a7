//! Edits of the body's own members, alike in every dialect.

use super::earlier::Member;
use super::scan::{Scanner, name, offset};
use super::{Edit, Reading, Remembered};
use crate::model::{self, Skip, Span};

/// Members that must not stand in one body: both together are refused
/// (developers.openai.com prompt-caching, 2026-09-23).
const EXCLUDE: [[&str; 2]; 1] = [["prompt_cache_options", "prompt_cache_retention"]];

/// Edits that add these members behind the last one. Those whose name the body has already are
/// taken out of the list: the caller's own stand.
#[must_use]
pub fn add_members(body: &Remembered, members: &mut Vec<model::Member>) -> Vec<Edit> {
    let known = &body.index().members;
    let has = |wanted: &str| {
        let mut known = known.iter();
        known.any(|member| name(member.key.of(&body.body)) == wanted)
    };
    members.retain(|wanted| {
        let excluded = EXCLUDE.iter().any(|pair| match pair {
            [one, other] if **one == *wanted.name => has(other),
            [one, other] if **other == *wanted.name => has(one),
            _ => false,
        });
        !excluded && !has(&wanted.name)
    });
    let Some(last) = known.iter().map(|member| member.value.end).max() else {
        members.clear();
        return Vec::new();
    };
    members
        .iter()
        .map(|member| Edit::insert(last, format!(",\"{}\":{}", member.name, member.value)))
        .collect()
}

/// The bytes of a member's value.
#[must_use]
pub fn member_value<'a>(body: &'a Remembered, wanted: &str) -> Option<&'a [u8]> {
    let mut known = body.index().members.iter();
    let found = known.find(|member| name(member.key.of(&body.body)) == wanted)?;
    Some(found.value.of(&body.body))
}

/// Edits that take these members out, each with one comma.
#[must_use]
pub fn remove_members(body: &Remembered, unwanted: &[&str]) -> Vec<Edit> {
    let known = body.index().members.as_slice();
    let goes = |member: &Member| unwanted.contains(&name(member.key.of(&body.body)).as_ref());
    let leading = known.iter().take_while(|member| goes(member)).count();
    let mut edits = Vec::new();
    if let (Some(first), true) = (known.first(), leading > 0) {
        let end = match known.get(leading) {
            Some(next) => next.key.start,
            None => known.last().map_or(0, |last| last.value.end),
        };
        edits.push(Edit::new(Span::new(first.key.start, end), ""));
    }
    // Any other goes with the comma before it.
    for pair in known.windows(2).skip(leading.saturating_sub(1)) {
        if let [before, member] = pair
            && goes(member)
        {
            edits.push(Edit::new(Span::new(before.value.end, member.value.end), ""));
        }
    }
    edits
}

/// Markers that the body orders a gateway to add: one by Vercel's `providerOptions.gateway.caching`
/// (vercel.com/docs/ai-gateway automatic-caching, 2026-07-28).
#[must_use]
pub fn ordered_markers(body: &[u8], reading: &Reading) -> usize {
    let value = |object: &[u8], wanted: &str| -> Option<Span> {
        let mut scan = Scanner::new(object);
        scan.open(b'{').ok()?;
        while let Some(key) = scan.next_key().ok()? {
            let value = scan.value().ok()?;
            if name(key.of(object)) == wanted {
                return Some(value);
            }
        }
        None
    };
    let mut members = reading.index.members.iter();
    let options = members.find(|member| name(member.key.of(body)) == "providerOptions");
    let caching = options.and_then(|member| {
        let options = member.value.of(body);
        let gateway = value(options, "gateway")?.of(options);
        Some(value(gateway, "caching")?.of(gateway))
    });
    usize::from(caching == Some(br#""auto""#))
}

/// The body with `messages` as its last member, as Vertex AI wants it; `None` when it is.
///
/// # Errors
/// The reason for which the body is not understood.
pub fn messages_last(body: &[u8]) -> Result<Option<Vec<u8>>, Skip> {
    let mut scan = Scanner::new(body);
    scan.check_text(body.len())?;
    scan.open(b'{')?;
    let mut members: Vec<(Span, Span)> = Vec::new();
    while let Some(key) = scan.next_key()? {
        let value = scan.value()?;
        members.push((key, Span::new(key.start, value.end)));
    }
    scan.finish()?;
    let is_messages = |key: &Span| name(key.of(body)) == "messages";
    let Some(at) = members.iter().position(|(key, _)| is_messages(key)) else {
        return Ok(None);
    };
    let (Some((_, messages)), Some((_, last))) = (members.get(at), members.last()) else {
        return Ok(None);
    };
    if messages == last {
        return Ok(None);
    }
    // What stands behind it moves before it; the bytes of each member and of every gap stay.
    let Some((_, next)) = members.get(at + 1) else {
        return Ok(None);
    };
    let gap = Span::new(messages.end, next.start);
    let behind = Span::new(next.start, last.end);
    let mut out = Vec::with_capacity(body.len());
    for span in [
        Span::new(0, messages.start),
        behind,
        gap,
        *messages,
        Span::new(last.end, offset(body.len())),
    ] {
        out.extend_from_slice(span.of(body));
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_move_behind_all_others() {
        let moved = |body: &str| {
            let moved = messages_last(body.as_bytes()).expect("understood");
            moved.map(|body| String::from_utf8(body).expect("UTF-8"))
        };
        assert_eq!(
            moved(r#"{ "a":1, "messages":[{}] , "system":"s","b":2 }"#).as_deref(),
            Some(r#"{ "a":1, "system":"s","b":2 , "messages":[{}] }"#)
        );
        assert_eq!(moved(r#"{"a":1,"messages":[]}"#), None);
        assert_eq!(moved(r#"{"a":1}"#), None);
        assert_eq!(messages_last(b"{\"a\":"), Err(Skip::NotJson));
    }
}
