//! Descriptions of tools, wherever they stand in a definition.

use super::retell::retell;
use super::{Editor, Rule, Rules};
use crate::canon::json::Node;
use crate::model::{Change, Section, Span};

impl Editor<'_> {
    /// Rounds clocks in descriptions, and moves lines away from them.
    pub(super) fn tools(&mut self) {
        let rules = self
            .rules()
            .without(Rule::DropNonce)
            .without(Rule::SplitVolatile);
        if rules.and(Rules::TEXT) == Rules::NONE {
            return;
        }
        for at in 0..self.prompt.end_of(Section::Tools) {
            let Some(block) = self.prompt.blocks.get(at) else {
                continue;
            };
            let Some(tool) = Node::parse(block.span.of(self.body)) else {
                continue;
            };
            let name = name(&tool);
            let mut texts = Vec::new();
            descriptions(&tool, &mut texts);
            let mut acted = Rules::NONE;
            for raw in texts {
                acted = acted.or(self.description(raw, rules, name));
            }
            if acted != Rules::NONE {
                let what = match acted.has(Rule::MoveVolatile) {
                    true => "lines of descriptions moved to the end",
                    false => "times in descriptions rounded",
                };
                let pointer = (self.wording.pointer)(at);
                self.reshaped.changes.push(Change::new(pointer, what));
                self.reshaped.rules = self.reshaped.rules.or(acted);
            }
        }
    }

    /// What the rules did to one description, given as its string literal within the body.
    fn description(&mut self, raw: &[u8], rules: Rules, name: &[u8]) -> Rules {
        let content = raw
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""));
        let Some((content, span)) = content.and_then(|text| Some((text, place(self.body, text)?)))
        else {
            return Rules::NONE;
        };
        let retold = retell(content, rules, self.wording);
        if retold.rules == Rules::NONE {
            return Rules::NONE;
        }
        let lines = retold.moved.iter();
        let named = lines.map(|line| [b"Of the tool ", name, b": ", line].concat());
        self.moved.extend(named);
        self.reshaped.replacements.push((span, retold.text));
        retold.rules
    }
}

/// The tool's name as it is spelled, without quotes; of OpenAI's older dialect, that of its function.
fn name<'a>(tool: &Node<'a>) -> &'a [u8] {
    let inner = [b"function".as_slice(), b"toolSpec"];
    let inner = inner.into_iter().find_map(|key| tool.member(key));
    let name = tool.member(b"name").or_else(|| inner?.member(b"name"));
    match name {
        Some(Node::Scalar(raw)) => raw
            .strip_prefix(b"\"")
            .and_then(|rest| rest.strip_suffix(b"\""))
            .unwrap_or_default(),
        _ => &[],
    }
}

fn descriptions<'a>(node: &Node<'a>, out: &mut Vec<&'a [u8]>) {
    match node {
        Node::Scalar(_) => {}
        Node::Array(items) => items.iter().for_each(|item| descriptions(item, out)),
        Node::Object(members) => {
            for member in members {
                match &member.value {
                    Node::Scalar(raw) if *member.key == *b"description" => out.push(raw),
                    Node::Scalar(_) => {}
                    value @ (Node::Array(_) | Node::Object(_)) => descriptions(value, out),
                }
            }
        }
    }
}

/// Where a part of the body stands in it.
fn place(body: &[u8], part: &[u8]) -> Option<Span> {
    let start = part.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let span = Span::new(
        u32::try_from(start).ok()?,
        u32::try_from(start + part.len()).ok()?,
    );
    (span.of(body) == part).then_some(span)
}
