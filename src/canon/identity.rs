//! What two spellings of JSON have in common: names of tools, texts of blocks, equal members.

use std::borrow::Cow;

use super::json::{Node, member_range};
use crate::model::Span;

/// The name of a tool definition, without escapes: its own `name`, or that of what is wrapped in
/// `function` or `toolSpec`.
#[must_use]
pub fn tool_name(tool: &[u8]) -> Option<Vec<u8>> {
    let wrapped = [&b"function"[..], b"toolSpec"].into_iter();
    let own = member(tool, b"name");
    let name = own.or_else(|| {
        wrapped
            .filter_map(|key| member(tool, key))
            .find_map(|inside| member(inside, b"name"))
    })?;
    Node::parse(name)?.text().map(Cow::into_owned)
}

/// Where the text of a block stands in its JSON value, quotes left out: that of a bare string, or
/// of an object's `text`.
#[must_use]
pub fn text_span(block: &[u8]) -> Option<Span> {
    let range = if block.first() == Some(&b'"') {
        0..block.len()
    } else {
        member_range(block, b"text")?
    };
    let start = u32::try_from(range.start).ok()?;
    let end = u32::try_from(range.end).ok()?;
    let quoted = block.get(range)?.first() == Some(&b'"');
    (quoted && end >= start + 2).then(|| Span::new(start + 1, end - 1))
}

/// Whether two JSON values are the same but for the order of their keys and for whitespace.
#[must_use]
pub fn same_but_for_order(one: &[u8], other: &[u8]) -> bool {
    let sorted = |value: &[u8]| {
        let mut node = Node::parse(value)?;
        node.sort();
        let mut out = Vec::with_capacity(value.len());
        node.write(&mut out);
        Some(out)
    };
    let one = sorted(one);
    one.is_some() && one == sorted(other)
}

fn member<'a>(object: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    object.get(member_range(object, key)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_named_in_every_dialect() {
        for tool in [
            r#"{"name":"a\u0062","input_schema":{"name":"x"}}"#,
            r#"{"type":"function","function":{"name":"ab"}}"#,
            r#"{"toolSpec": {"description": "d", "name": "ab"}}"#,
        ] {
            assert_eq!(tool_name(tool.as_bytes()).as_deref(), Some(&b"ab"[..]));
        }
        assert_eq!(tool_name(br#"{"type":"web_search"}"#), None);
    }

    #[test]
    fn texts_stand_where_they_stand() {
        for block in [r#""hi""#, r#"{"type":"text","text": "hi"}"#] {
            let span = text_span(block.as_bytes()).unwrap();
            assert_eq!(span.of(block.as_bytes()), b"hi");
        }
        assert_eq!(text_span(br#"{"type":"image"}"#), None);
    }

    #[test]
    fn order_of_keys_is_no_difference_but_of_items_it_is() {
        assert!(same_but_for_order(
            br#"{"a":1,"b":{"c":2,"d":3}}"#,
            br#"{"b":{"d":3, "c":2},"a":1}"#
        ));
        assert!(!same_but_for_order(b"[1,2]", b"[2,1]"));
        assert!(!same_but_for_order(br#"{"a":1}"#, br#"{"a":1.0}"#));
        assert!(!same_but_for_order(b"{", b"{"));
    }
}
