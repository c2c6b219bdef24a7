//! Members of a body taken out, put in and replaced.

use bytes::Bytes;

use super::{Address, Envelope};
use crate::model::{Skip, Span};
use crate::wire::object::{Object, begin, elements_at};
use crate::wire::scan::{name, unescape};
use crate::wire::{Edit, splice};

/// What the version of each envelope's dialect is called (docs.aws.amazon.com/bedrock model-parameters-
/// anthropic-claude-messages-request-response, platform.claude.com claude-on-vertex-ai, 2026-08).
const BEDROCK: &str = "bedrock-2023-05-31";
const VERTEX: &str = "vertex-2023-10-16";

/// Members that `InvokeModel` says elsewhere or refuses: model and streaming stand in the path, and a
/// marker at the top is a 400 (platform.claude.com prompt-caching and claude-on-amazon-bedrock-legacy,
/// 2026-09).
const NOT_INVOKED: [&str; 3] = ["model", "stream", "cache_control"];

/// See [`Envelope::enclose`].
pub(super) fn enclose(
    envelope: Envelope,
    body: &Bytes,
    address: &Address<'_>,
) -> Result<Bytes, Skip> {
    let mut scan = begin(body)?;
    let object = Object::read(&mut scan, body, &mut |scan, _| scan.value().map(drop))?;
    scan.finish()?;
    let members = Members { body, object };
    let mut edits = Vec::new();
    let mut added = String::new();
    match envelope {
        Envelope::Plain => match members.value("model") {
            Some(value) => edits.push(Edit::new(value, quoted(address.model))),
            None => add(&mut added, "model", &quoted(address.model)),
        },
        Envelope::Invoke => {
            edits = members.without(&NOT_INVOKED);
            members.version(&mut added, BEDROCK);
            members.betas(address.betas, &mut added, &mut edits)?;
        }
        Envelope::RawPredict => {
            edits = members.without(&["model"]);
            members.version(&mut added, VERTEX);
        }
    }
    edits.extend(members.front(added, &edits));
    Ok(splice(body, &mut edits).into())
}

/// The body without a member that may stand in it; `None` where it has none, or is no object.
pub(super) fn without(body: &[u8], unwanted: &str) -> Option<Vec<u8>> {
    let mut scan = begin(body).ok()?;
    let object = Object::read(&mut scan, body, &mut |scan, _| scan.value().map(drop)).ok()?;
    let mut edits = Members { body, object }.without(&[unwanted]);
    (!edits.is_empty()).then(|| splice(body, &mut edits))
}

/// A text as JSON spells it.
pub(super) fn quoted(text: &str) -> String {
    // Strings are always written.
    serde_json::to_string(text).unwrap_or_default()
}

/// Appends a member with the comma behind it.
fn add(added: &mut String, name: &str, value: &str) {
    for part in ["\"", name, "\":", value, ","] {
        added.push_str(part);
    }
}

/// A body and its members.
struct Members<'a> {
    body: &'a [u8],
    object: Object,
}

impl Members<'_> {
    fn is(&self, key: Span, wanted: &str) -> bool {
        name(key.of(self.body)) == wanted
    }

    /// Where the value of a member stands, even if it is null.
    fn value(&self, wanted: &str) -> Option<Span> {
        let mut members = self.object.members.iter();
        let found = members.find(|member| self.is(member.key, wanted))?;
        Some(found.value)
    }

    /// Edits that take these members out, each with one comma.
    fn without(&self, unwanted: &[&str]) -> Vec<Edit> {
        let mut edits = Vec::new();
        // Where the last member that stays ends, and where one that goes began with none before it.
        let (mut stays, mut leading) = (None, None);
        for member in &self.object.members {
            let goes = unwanted.iter().any(|wanted| self.is(member.key, wanted));
            match (goes, stays) {
                (true, Some(end)) => {
                    edits.push(Edit::new(Span::new(end, member.value.end), ""));
                    stays = Some(member.value.end);
                }
                (true, None) => {
                    leading = leading.or(Some(member.key.start));
                }
                (false, _) => {
                    if let Some(start) = leading.take() {
                        edits.push(Edit::new(Span::new(start, member.key.start), ""));
                    }
                    stays = Some(member.value.end);
                }
            }
        }
        if let (Some(start), Some(last)) = (leading, self.object.members.last()) {
            edits.push(Edit::new(Span::new(start, last.value.end), ""));
        }
        edits
    }

    fn version(&self, added: &mut String, version: &str) {
        if self.value("anthropic_version").is_none() {
            add(added, "anthropic_version", &quoted(version));
        }
    }

    /// Puts beta headers into the body's own list, behind those that stand there.
    fn betas(&self, betas: &str, added: &mut String, edits: &mut Vec<Edit>) -> Result<(), Skip> {
        const MEMBER: &str = "anthropic_beta";
        let own = self.value(MEMBER);
        let mut known: Vec<String> = Vec::new();
        let literal = own.map_or(&b"null"[..], |own| own.of(self.body));
        match (literal.first(), own) {
            (Some(b'['), Some(own)) => {
                let each = elements_at(self.body, own).into_iter();
                known
                    .extend(each.filter_map(|one| Some(unescape(one.of(self.body))?.into_owned())));
            }
            (Some(b'"'), _) => known.extend(list(&unescape(literal).unwrap_or_default())),
            _ if literal == b"null" => {}
            _ => return Err(Skip::NotARequest),
        }
        let before = known.len();
        for beta in list(betas) {
            if !known.contains(&beta) {
                known.push(beta);
            }
        }
        let texts = |of: &[String]| {
            of.iter()
                .map(|beta| quoted(beta))
                .collect::<Vec<_>>()
                .join(",")
        };
        let more = texts(known.get(before..).unwrap_or_default());
        match own {
            // The brackets are the last byte of the list; nothing else in it is touched.
            Some(own) if literal.starts_with(b"[") && !more.is_empty() => {
                let comma = if elements_at(self.body, own).is_empty() {
                    ""
                } else {
                    ","
                };
                let end = own.end.saturating_sub(1);
                edits.push(Edit::insert(end, format!("{comma}{more}")));
            }
            Some(own) if !literal.starts_with(b"[") && !known.is_empty() => {
                edits.push(Edit::new(own, format!("[{}]", texts(&known))));
            }
            None if !more.is_empty() => add(added, MEMBER, &format!("[{more}]")),
            _ => {}
        }
        Ok(())
    }

    /// The edit that puts members before all others; those that go are told from what is taken out.
    fn front(&self, mut added: String, edits: &[Edit]) -> Option<Edit> {
        if added.is_empty() {
            return None;
        }
        let members = &self.object.members;
        let first = members.first().map_or(0, |first| first.key.start);
        let last = members.last().map_or(0, |last| last.value.end);
        let all = Span::new(first, last);
        if members.is_empty() || edits.iter().any(|edit| edit.span == all) {
            added.pop();
        }
        Some(Edit::insert(
            self.object.span.start.saturating_add(1),
            added,
        ))
    }
}

/// The parts of a comma-separated list.
fn list(text: &str) -> impl Iterator<Item = String> + '_ {
    let parts = text.split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    use super::*;

    fn enclosed(envelope: Envelope, body: &str, betas: &str) -> Result<String, Skip> {
        let address = Address {
            model: "m-\"1\"",
            betas,
        };
        let body = Bytes::copy_from_slice(body.as_bytes());
        let enclosed = envelope.enclose(&body, &address)?;
        Ok(String::from_utf8(enclosed.to_vec()).expect("UTF-8"))
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn only_named_members_change() {
        use Envelope::{Invoke, Plain, RawPredict};
        for (envelope, body, betas, wanted) in [
            (
                Plain,
                r#"{ "model" : "a" , "x":1 }"#,
                "b",
                r#"{ "model" : "m-\"1\"" , "x":1 }"#,
            ),
            (Plain, r#"{"x": 1}"#, "", r#"{"model":"m-\"1\"","x": 1}"#),
            (Plain, "{ }", "", r#"{"model":"m-\"1\"" }"#),
            (
                Plain,
                r#"{"mod\u0065l":null}"#,
                "",
                r#"{"mod\u0065l":"m-\"1\""}"#,
            ),
            (
                RawPredict,
                r#"{"model":"a","stream":true,"messages":[]}"#,
                "b",
                r#"{"anthropic_version":"vertex-2023-10-16","stream":true,"messages":[]}"#,
            ),
            (
                RawPredict,
                r#"{"anthropic_version":"own", "model":"a"}"#,
                "",
                r#"{"anthropic_version":"own"}"#,
            ),
            (
                RawPredict,
                r#" {"model":"a"} "#,
                "",
                r#" {"anthropic_version":"vertex-2023-10-16"} "#,
            ),
            (
                Invoke,
                r#"{"model":"a","stream":true}"#,
                "",
                r#"{"anthropic_version":"bedrock-2023-05-31"}"#,
            ),
            (
                Invoke,
                r#"{"model":"a", "max_tokens":1 , "stream":false ,"cache_control":{"type":"ephemeral"}, "z":[1] }"#,
                "",
                r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":1, "z":[1] }"#,
            ),
            (
                Invoke,
                r#"{"x":1,"model":"a"}"#,
                " one, two,,one",
                r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["one","two"],"x":1}"#,
            ),
            (
                Invoke,
                r#"{"anthropic_version":"v","anthropic_beta":[ "two" ]}"#,
                "one,two",
                r#"{"anthropic_version":"v","anthropic_beta":[ "two" ,"one"]}"#,
            ),
            (
                Invoke,
                r#"{"anthropic_version":"v","anthropic_beta":[]}"#,
                "one",
                r#"{"anthropic_version":"v","anthropic_beta":["one"]}"#,
            ),
            (
                Invoke,
                r#"{"anthropic_version":"v","anthropic_beta":["two"]}"#,
                "two",
                r#"{"anthropic_version":"v","anthropic_beta":["two"]}"#,
            ),
            (
                Invoke,
                r#"{"anthropic_version":"v","anthropic_beta":"two"}"#,
                "one",
                r#"{"anthropic_version":"v","anthropic_beta":["two","one"]}"#,
            ),
            (
                Invoke,
                r#"{"anthropic_version":"v","anthropic_beta":null}"#,
                "one",
                r#"{"anthropic_version":"v","anthropic_beta":["one"]}"#,
            ),
        ] {
            assert_eq!(
                enclosed(envelope, body, betas).as_deref(),
                Ok(wanted),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_not_enclosed() {
        for (body, why) in [
            ("", Skip::NotJson),
            ("{\"model\":\"a\"", Skip::NotJson),
            ("{\"a\":\"\u{1}\"}", Skip::NotJson),
            ("[]", Skip::NotARequest),
            ("\"x\"", Skip::NotARequest),
            (r#"{"model":"a","mod\u0065l":"b"}"#, Skip::DuplicateKey),
            (r#"{"anthropic_beta":7}"#, Skip::NotARequest),
        ] {
            assert_eq!(enclosed(Envelope::Invoke, body, "x"), Err(why), "{body}");
        }
    }

    fn members(body: &str) -> Vec<(String, String)> {
        // A map would lose the order; the raw text of each member stays as it is spelled.
        let map: BTreeMap<String, &RawValue> = serde_json::from_str(body).expect("JSON");
        let mut found: Vec<_> = map
            .into_iter()
            .map(|(name, value)| (name, value.get().to_owned()))
            .collect();
        found.sort_by_key(|(name, _)| body.find(&format!("\"{name}\"")));
        found
    }

    proptest! {
        /// Every member but those of the envelope stays, with its spelling and in its order.
        #[test]
        fn everything_else_survives(
            order in prop::collection::vec(prop::sample::select(vec![
                ("model", "\"claude\""), ("stream", "true"), ("stream ", "1"), ("messages", "[ {\"role\":\"user\"} ]"),
                ("system", "\"s, \\\"model\\\":1\""), ("cache_control", "{ }"), ("tools", "[]"),
                ("anthropic_version", "\"own\""), ("max_tokens", "1.0"), ("metadata", "{\"model\": 2}"),
            ]), 0..8),
            blanks in prop::collection::vec(prop::sample::select(vec!["", " ", "\n\t"]), 9..10),
            envelope in prop::sample::select(vec![Envelope::Plain, Envelope::Invoke, Envelope::RawPredict]),
        ) {
            let mut seen = Vec::new();
            let mut body = String::from("{");
            for ((name, value), blank) in order.iter().zip(&blanks) {
                if seen.contains(name) { continue; }
                if !seen.is_empty() { body.push(','); }
                seen.push(*name);
                body.push_str(&format!("{blank}\"{name}\"{blank}:{blank}{value}{blank}"));
            }
            body.push('}');
            let out = enclosed(envelope, &body, "").expect("enclosed");
            let about: &[&str] = match envelope {
                Envelope::Plain => &["model"],
                Envelope::Invoke => &["model", "stream", "cache_control"],
                Envelope::RawPredict => &["model"],
            };
            let rest = |body: &str| {
                let mut members = members(body);
                members.retain(|(name, _)| !about.contains(&name.as_str()) && name != "anthropic_version");
                members
            };
            prop_assert_eq!(rest(&out), rest(&body));
            let find = |body: &str, name: &str| members(body).into_iter().find(|(found, _)| found == name);
            match envelope {
                Envelope::Plain => {
                    prop_assert_eq!(find(&out, "model").expect("named").1, "\"m-\\\"1\\\"\"");
                    if let Some((_, own)) = find(&body, "model") {
                        // Byte for byte around the one value.
                        prop_assert_eq!(out.replacen("\"m-\\\"1\\\"\"", &own, 1), body.clone());
                    }
                }
                Envelope::Invoke | Envelope::RawPredict => {
                    prop_assert!(about.iter().all(|name| find(&out, name).is_none()));
                    let version = find(&out, "anthropic_version").expect("named").1;
                    match find(&body, "anthropic_version") {
                        Some((_, own)) => prop_assert_eq!(version, own),
                        None => prop_assert_eq!(out.find("\"anthropic_version\""), Some(1)),
                    }
                }
            }
            // The order of what stays.
            let last = |body: &str| members(body).last().cloned();
            if let Some((name, _)) = last(&body) && !about.contains(&name.as_str()) {
                prop_assert_eq!(last(&out), last(&body));
            }
        }
    }
}
