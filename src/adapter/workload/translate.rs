//! A session's message pool as pieces of Anthropic Messages bodies.
//!
//! Sessions in that dialect are used as recorded. `OpenAI` chat messages and response items are
//! translated once per pool message, so that the same conversation can be replayed under
//! Anthropic's rules: strings and argument objects are spliced in as they were recorded, system
//! and leading developer messages go to `system`, and each item becomes one message.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::session::{Line, span};
use super::{input, items};

/// The dialects that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    Messages,
    Chat,
    Responses,
}

impl Dialect {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "anthropic.messages" => Some(Self::Messages),
            "openai.chat" => Some(Self::Chat),
            "openai.responses" => Some(Self::Responses),
            _ => None,
        }
    }
}

/// Whether sessions of this dialect can be read.
pub(super) fn knows(dialect: &str) -> bool {
    Dialect::parse(dialect).is_some()
}

/// The pieces of one session's bodies: one buffer and the places of the pieces in it.
#[derive(Debug)]
pub(super) struct Pool {
    /// The recorded line, followed by what had to be translated.
    text: Vec<u8>,
    made: Vec<u8>,
    /// The array of tools; empty when there are none.
    tools: Range<usize>,
    /// The session's own system blocks, without brackets.
    system: Range<usize>,
    items: Vec<Item>,
}

/// One pool message; an empty range is a form that it does not have.
#[derive(Clone, Debug, Default)]
struct Item {
    message: Range<usize>,
    /// As system blocks, for use while nothing but such messages came before.
    system: Range<usize>,
}

impl Pool {
    /// Finds or makes the pieces of a line whose text is `text`; `over` completes it.
    pub(super) fn read(text: &[u8], line: &Line<'_>) -> Result<Self, String> {
        let dialect = Dialect::parse(&line.dialect).unwrap_or(Dialect::Messages);
        let mut pool = Self {
            text: Vec::new(),
            made: Vec::new(),
            tools: 0..0,
            system: 0..0,
            items: Vec::with_capacity(line.msgs.len()),
        };
        let base = text.len();
        if let Some(tools) = line.tools {
            pool.tools = match dialect {
                Dialect::Messages => span(text, tools),
                Dialect::Chat | Dialect::Responses => pool.make(base, &tool_list(tools)?),
            };
        }
        if let Some(system) = line.system {
            pool.system = pool.make(base, &items::blocks(Some(system)));
        }
        for raw in &line.msgs {
            let item = match dialect {
                Dialect::Messages => pool.recorded(text, raw)?,
                Dialect::Chat => pool.translated(base, &items::chat(raw)?),
                Dialect::Responses => pool.translated(base, &items::response(raw)?),
            };
            pool.items.push(item);
        }
        Ok(pool)
    }

    /// Takes over the line's text, to which the pieces refer.
    pub(super) fn over(mut self, mut text: Vec<u8>) -> Self {
        text.append(&mut self.made);
        self.text = text;
        self
    }

    fn make(&mut self, base: usize, bytes: &str) -> Range<usize> {
        let start = base + self.made.len();
        self.made.extend_from_slice(bytes.as_bytes());
        start..start + bytes.len()
    }

    /// A message that is used as it was recorded. The API has no system role within `messages`
    /// (platform.claude.com, Messages, 2026-08), so such a message is also kept as system blocks.
    fn recorded(&mut self, text: &[u8], raw: &RawValue) -> Result<Item, String> {
        #[derive(Deserialize)]
        struct Message<'a> {
            #[serde(borrow)]
            role: Cow<'a, str>,
            #[serde(borrow)]
            content: Option<&'a RawValue>,
        }
        let message: Message<'_> =
            serde_json::from_str(raw.get()).map_err(|error| input::fault(&error))?;
        let system = if message.role == "system" {
            self.make(text.len(), &items::blocks(message.content))
        } else {
            0..0
        };
        Ok(Item {
            message: span(text, raw),
            system,
        })
    }

    fn translated(&mut self, base: usize, item: &items::Translated) -> Item {
        Item {
            message: self.make(base, &item.message),
            system: self.make(base, &item.system),
        }
    }

    /// The body of a request with these messages, as a client would have sent it.
    pub(super) fn body(&self, model: &str, ids: &[usize]) -> Vec<u8> {
        let items = || ids.iter().filter_map(|id| self.items.get(*id));
        let leading = items().take_while(|item| !item.system.is_empty()).count();
        let system =
            std::iter::once(&self.system).chain(items().take(leading).map(|item| &item.system));
        let messages = items().skip(leading).map(|item| &item.message);
        let length: usize = messages
            .clone()
            .chain(system.clone())
            .map(|piece| piece.len() + 1)
            .sum();
        let mut body = Vec::with_capacity(length + self.tools.len() + model.len() + 128);
        body.extend_from_slice(b"{\"model\":");
        body.extend_from_slice(items::quoted(model).as_bytes());
        if self.piece(&self.tools).len() > 2 {
            body.extend_from_slice(b",\"tools\":");
            body.extend_from_slice(self.piece(&self.tools));
        }
        if system.clone().any(|piece| !piece.is_empty()) {
            body.extend_from_slice(b",\"system\":[");
            self.join(&mut body, system);
            body.push(b']');
        }
        body.extend_from_slice(b",\"max_tokens\":32000,\"messages\":[");
        self.join(&mut body, messages);
        body.extend_from_slice(b"]}");
        body
    }

    fn piece(&self, place: &Range<usize>) -> &[u8] {
        self.text.get(place.clone()).unwrap_or_default()
    }

    fn join<'a>(&self, body: &mut Vec<u8>, places: impl Iterator<Item = &'a Range<usize>>) {
        let mut between: &[u8] = b"";
        for place in places.filter(|place| !place.is_empty()) {
            body.extend_from_slice(between);
            body.extend_from_slice(self.piece(place));
            between = b",";
        }
    }
}

/// Function tools as Anthropic spells them; what is not a function is left out.
fn tool_list(tools: &RawValue) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Tool<'a> {
        #[serde(borrow)]
        function: Option<Function<'a>>,
        #[serde(flatten, borrow)]
        flat: Function<'a>,
    }
    #[derive(Deserialize)]
    struct Function<'a> {
        #[serde(borrow)]
        name: Option<&'a RawValue>,
        #[serde(borrow)]
        description: Option<&'a RawValue>,
        #[serde(borrow)]
        parameters: Option<&'a RawValue>,
    }
    let tools: Vec<Tool<'_>> =
        serde_json::from_str(tools.get()).map_err(|error| input::fault(&error))?;
    let mut list = Vec::new();
    for tool in tools {
        let function = tool.function.unwrap_or(tool.flat);
        let Some(name) = function.name else { continue };
        let mut out = format!("{{\"name\":{}", name.get());
        if let Some(description) = function.description {
            out.push_str(",\"description\":");
            out.push_str(description.get());
        }
        out.push_str(",\"input_schema\":");
        let schema = function.parameters.map(RawValue::get);
        out.push_str(schema.unwrap_or("{\"type\":\"object\",\"properties\":{}}"));
        out.push('}');
        list.push(out);
    }
    Ok(format!("[{}]", list.join(",")))
}

#[cfg(test)]
mod tests {
    use super::super::session::Session;
    use super::super::{Options, Timed};
    use crate::model::Timestamp;

    fn bodies(line: &str) -> Vec<Timed> {
        let start = Timestamp::from_secs_f64(100.0);
        let options = Options::default();
        let mut session = Session::parse(line.into(), start, 1, &options).unwrap();
        std::iter::from_fn(|| session.next_request()).collect()
    }

    fn body(line: &str) -> String {
        String::from_utf8(bodies(line).pop().unwrap().body.to_vec()).unwrap()
    }

    #[test]
    fn messages_are_spliced_as_recorded() {
        let line = r#"{"v":1,"id":"s","dialect":"anthropic.messages","system":"be \u00e9","tools":[{"name" : "t"}],"msgs":[{"role": "user","content":"a"},{"role":"assistant","content":[{"x":1.0e2}]},{"role":"user","content":"b"}],"reqs":[{"t":5,"d":1,"m":"claude-a","keep":0,"add":[0],"u":[1,2,3,4,5]},{"t":6,"m":"claude-a","keep":1,"add":[1,2]},{"t":7,"m":"claude-a","agent":"sub","keep":0,"add":[2]}]}"#;
        let all = bodies(line);
        let head = r#"{"model":"claude-a","tools":[{"name" : "t"}],"system":[{"type":"text","text":"be \u00e9"}],"max_tokens":32000,"messages":["#;
        let sent: Vec<&[u8]> = all.iter().map(|timed| &timed.body[..]).collect();
        let first = format!(r#"{head}{{"role": "user","content":"a"}}]}}"#);
        let second = format!(
            r#"{head}{{"role": "user","content":"a"}},{{"role":"assistant","content":[{{"x":1.0e2}}]}},{{"role":"user","content":"b"}}]}}"#
        );
        let third = format!(r#"{head}{{"role":"user","content":"b"}}]}}"#);
        assert_eq!(
            sent,
            [first.as_bytes(), second.as_bytes(), third.as_bytes()]
        );
        let usage = all[0].usage.unwrap();
        assert_eq!(usage.written(), Some(5));
        assert_eq!(usage.read, Some(4));
        assert_eq!(all[2].lane.as_deref(), Some("sub"));
        assert_eq!(all[0].end, Timestamp::from_secs_f64(101.0));
    }

    #[test]
    fn leading_system_messages_are_hoisted() {
        let line = r#"{"v":1,"id":"s","dialect":"anthropic.messages","msgs":[{"role":"system","content":"rules"},{"role":"user","content":"q"}],"reqs":[{"m":"any","keep":0,"add":[0,1]}]}"#;
        assert_eq!(
            body(line),
            r#"{"model":"claude-sonnet-4-5","system":[{"type":"text","text":"rules"}],"max_tokens":32000,"messages":[{"role":"user","content":"q"}]}"#
        );
    }

    #[test]
    fn chat_becomes_messages() {
        let line = r#"{"v":1,"id":"s","dialect":"openai.chat","tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","z":1}}}],"msgs":[{"role":"system","content":"rules"},{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1.50}"}}]},{"role":"tool","tool_call_id":"c1","content":""}],"reqs":[{"m":"gpt-4o","keep":0,"add":[0,1,2,3]}]}"#;
        assert_eq!(
            body(line),
            r#"{"model":"claude-sonnet-4-5","tools":[{"name":"f","description":"d","input_schema":{"type":"object","z":1}}],"system":[{"type":"text","text":"rules"}],"max_tokens":32000,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{"a": 1.50}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":""}]}]}"#
        );
    }

    #[test]
    fn response_items_become_messages() {
        let line = r#"{"v":1,"id":"s","dialect":"openai.responses","system":"base","msgs":[{"type":"message","role":"developer","content":[{"type":"input_text","text":"dev"}]},{"type":"message","role":"user","content":[{"type":"input_text","text":"q"}]},{"type":"custom_tool_call","call_id":"c","name":"patch","input":"*** Begin"},{"type":"custom_tool_call_output","call_id":"c","output":"ok"},{"type":"compaction","encrypted_content":"ENC"},{"type":"web_search_call","status":"x"}],"reqs":[{"m":"gpt-5","keep":0,"add":[0,1,2,3,4,5,0]}]}"#;
        assert_eq!(
            body(line),
            r#"{"model":"claude-sonnet-4-5","system":[{"type":"text","text":"base"},{"type":"text","text":"dev"}],"max_tokens":32000,"messages":[{"role":"user","content":[{"type":"text","text":"q"}]},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"patch","input":{"input":"*** Begin"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"ok"}]},{"role":"assistant","content":[{"type":"redacted_thinking","data":"ENC"}]},{"role":"assistant","content":[{"type":"text","text":"{\"type\":\"web_search_call\",\"status\":\"x\"}"}]},{"role":"user","content":[{"type":"text","text":"dev"}]}]}"#
        );
    }
}
