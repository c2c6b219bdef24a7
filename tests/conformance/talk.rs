//! A conversation in no dialect, and how each dialect spells it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else it is goes on as it is"
)]

use serde_json::{Value, json};

/// One red pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// The head of an empty page.
const PDF: &str =
    "JVBERi0xLjQKMSAwIG9iago8PC9UeXBlL0NhdGFsb2c+PgplbmRvYmoKdHJhaWxlcgo8PC9Sb290IDEgMCBSPj4K";

/// One conversation, up to the answer that is asked for.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent features")]
pub(crate) struct Talk {
    pub(crate) name: &'static str,
    pub(crate) system: System,
    pub(crate) turns: Vec<Turn>,
    pub(crate) tools: bool,
    pub(crate) choice: Option<Choice>,
    pub(crate) one_call: bool,
    pub(crate) thinks: bool,
    pub(crate) stop: Option<&'static str>,
    pub(crate) max: u64,
    pub(crate) stream: bool,
    /// Members that only this dialect knows, or none.
    pub(crate) more: Vec<(&'static str, &'static str, Value)>,
    /// Whether it is refused.
    pub(crate) refused: bool,
}

/// The system prompt.
#[derive(Clone, Debug, Default)]
pub(crate) enum System {
    #[default]
    None,
    Text(String),
    Blocks(Vec<Part>),
}

/// Which tool is to be called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice {
    None,
    Any,
    Named(&'static str),
}

/// One turn.
#[derive(Clone, Debug)]
pub(crate) enum Turn {
    User(Vec<Part>),
    Said(Vec<Part>),
}

/// A part of a turn.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(String),
    /// A text with a marker of the caller's own, of this lifetime.
    Marked(String, Option<&'static str>),
    Image,
    Pdf,
    /// A document of plain text.
    Paper(&'static str),
    Thought(&'static str, &'static str),
    Redacted(&'static str),
    /// Id, tool, city.
    Call(&'static str, &'static str, &'static str),
    /// Id and content.
    Result(&'static str, Outcome),
}

/// What a tool returned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Text(&'static str),
    Failed(&'static str),
    Seen(&'static str),
    Nothing,
}

/// A text.
pub(crate) fn say(text: impl Into<String>) -> Part {
    Part::Text(text.into())
}

/// A user's turn that is one text.
pub(crate) fn ask(text: impl Into<String>) -> Turn {
    Turn::User(vec![say(text)])
}

/// A model's turn that is one text.
pub(crate) fn told(text: impl Into<String>) -> Turn {
    Turn::Said(vec![say(text)])
}

fn schema() -> Value {
    json!({"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "A city, such as Zürich"},
        "days": {"type": "integer"}}})
}

const TOOLS: [(&str, &str); 2] = [
    ("weather", "The weather of a city."),
    ("population", "How many live in a city."),
];

impl Talk {
    /// Whether images or documents are in it.
    pub(crate) fn shows(&self) -> bool {
        let parts = self.turns.iter().flat_map(|turn| match turn {
            Turn::User(parts) | Turn::Said(parts) => parts,
        });
        let mut seen = parts.filter(|part| {
            matches!(
                part,
                Part::Image | Part::Pdf | Part::Paper(_) | Part::Result(_, Outcome::Seen(_))
            )
        });
        seen.next().is_some()
    }

    /// The body in this dialect; `None` where it has no word for something in it.
    pub(crate) fn body(&self, dialect: &str, model: &str) -> Option<Value> {
        let mut body = match dialect {
            "messages" => self.messages()?,
            "chat" => self.chat()?,
            _ => self.responses()?,
        };
        body["model"] = model.into();
        for (of, name, value) in &self.more {
            if *of == dialect || of.is_empty() {
                body[*name] = value.clone();
            }
        }
        if self.stream {
            body["stream"] = true.into();
        }
        Some(body)
    }

    fn messages(&self) -> Option<Value> {
        let turns: Value = self.turns.iter().map(messages_turn).collect();
        let mut body = json!({"max_tokens": self.max, "messages": turns});
        match &self.system {
            System::None => {}
            System::Text(text) => body["system"] = text.as_str().into(),
            System::Blocks(parts) => body["system"] = parts.iter().map(messages_part).collect(),
        }
        if self.tools {
            let tool = |(name, about): (&str, &str)| json!({"name": name, "description": about, "input_schema": schema()});
            body["tools"] = TOOLS.into_iter().map(tool).collect();
        }
        match self.choice {
            None if self.one_call => {
                body["tool_choice"] = json!({"type": "auto", "disable_parallel_tool_use": true});
            }
            None => {}
            Some(Choice::None) => body["tool_choice"] = json!({"type": "none"}),
            Some(Choice::Any) => body["tool_choice"] = json!({"type": "any"}),
            Some(Choice::Named(name)) => {
                body["tool_choice"] = json!({"type": "tool", "name": name});
            }
        }
        if self.thinks {
            body["thinking"] = json!({"type": "adaptive"});
        }
        if let Some(stop) = self.stop {
            body["stop_sequences"] = json!([stop]);
        }
        Some(body)
    }

    fn chat(&self) -> Option<Value> {
        let mut turns = Vec::new();
        match &self.system {
            System::None => {}
            System::Text(text) => turns.push(json!({"role": "system", "content": text})),
            System::Blocks(parts) => {
                let parts: Option<Value> = parts.iter().map(chat_part).collect();
                turns.push(json!({"role": "system", "content": parts?}));
            }
        }
        for turn in &self.turns {
            turns.extend(chat_turn(turn)?);
        }
        let mut body = json!({"max_completion_tokens": self.max, "messages": turns});
        if self.tools {
            let tool = |(name, about): (&str, &str)| {
                json!({"type": "function", "function": {
                "name": name, "description": about, "parameters": schema()}})
            };
            body["tools"] = TOOLS.into_iter().map(tool).collect();
        }
        self.chosen(
            &mut body,
            |name| json!({"type": "function", "function": {"name": name}}),
        );
        if let Some(stop) = self.stop {
            body["stop"] = json!([stop]);
        }
        if self.stream {
            body["stream_options"] = json!({"include_usage": true});
        }
        Some(body)
    }

    fn responses(&self) -> Option<Value> {
        // There are no stop sequences, and an empty input is no error.
        if self.stop.is_some() || self.turns.is_empty() {
            return None;
        }
        let mut items = Vec::new();
        for turn in &self.turns {
            items.extend(responses_items(turn)?);
        }
        let mut body = json!({"max_output_tokens": self.max, "input": items, "store": false});
        match &self.system {
            System::None => {}
            System::Text(text) => body["instructions"] = text.as_str().into(),
            System::Blocks(parts) => {
                let parts: Option<Vec<Value>> = parts.iter().map(responses_part).collect();
                let first = json!({"role": "developer", "content": parts?});
                if let Some(items) = body["input"].as_array_mut() {
                    items.insert(0, first);
                }
            }
        }
        if self.tools {
            let tool = |(name, about): (&str, &str)| json!({"type": "function", "name": name, "description": about, "parameters": schema(), "strict": false});
            body["tools"] = TOOLS.into_iter().map(tool).collect();
        }
        self.chosen(&mut body, |name| json!({"type": "function", "name": name}));
        if self.thinks {
            body["reasoning"] = json!({"effort": "low", "summary": "auto"});
        }
        Some(body)
    }

    /// OpenAI's way to choose tools.
    fn chosen(&self, body: &mut Value, named: impl Fn(&str) -> Value) {
        match self.choice {
            None => {}
            Some(Choice::None) => body["tool_choice"] = "none".into(),
            Some(Choice::Any) => body["tool_choice"] = "required".into(),
            Some(Choice::Named(name)) => body["tool_choice"] = named(name),
        }
        if self.one_call {
            body["parallel_tool_calls"] = false.into();
        }
    }
}

fn messages_turn(turn: &Turn) -> Value {
    let (role, parts) = match turn {
        Turn::User(parts) => ("user", parts),
        Turn::Said(parts) => ("assistant", parts),
    };
    let content: Value = match &parts[..] {
        [Part::Text(text)] => text.as_str().into(),
        parts => parts.iter().map(messages_part).collect(),
    };
    json!({"role": role, "content": content})
}

fn messages_part(part: &Part) -> Value {
    let image = || json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}});
    match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Marked(text, ttl) => {
            let mut marker = json!({"type": "ephemeral"});
            if let Some(ttl) = ttl {
                marker["ttl"] = (*ttl).into();
            }
            json!({"type": "text", "text": text, "cache_control": marker})
        }
        Part::Image => image(),
        Part::Pdf => json!({"type": "document", "title": "A page", "source": {
            "type": "base64", "media_type": "application/pdf", "data": PDF}}),
        Part::Paper(text) => json!({"type": "document", "source": {
            "type": "text", "media_type": "text/plain", "data": text}}),
        Part::Thought(text, signature) => {
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        Part::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
        Part::Call(id, tool, city) => {
            json!({"type": "tool_use", "id": id, "name": tool, "input": {"city": city}})
        }
        Part::Result(id, outcome) => {
            let mut result = json!({"type": "tool_result", "tool_use_id": id});
            match outcome {
                Outcome::Text(text) => result["content"] = (*text).into(),
                Outcome::Failed(text) => {
                    result["content"] = (*text).into();
                    result["is_error"] = true.into();
                }
                Outcome::Seen(text) => {
                    result["content"] = json!([{"type": "text", "text": text}, image()]);
                }
                Outcome::Nothing => {}
            }
            result
        }
    }
}

fn chat_turn(turn: &Turn) -> Option<Vec<Value>> {
    match turn {
        Turn::User(parts) => {
            let mut turns = Vec::new();
            let mut rest = Vec::new();
            for part in parts {
                match part {
                    Part::Result(id, outcome) => {
                        let text = match outcome {
                            Outcome::Text(text) | Outcome::Failed(text) => *text,
                            Outcome::Nothing => "",
                            Outcome::Seen(_) => return None,
                        };
                        turns.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
                    }
                    part => rest.push(part),
                }
            }
            match &rest[..] {
                [] => {}
                [Part::Text(text)] => turns.push(json!({"role": "user", "content": text})),
                rest => {
                    let parts: Option<Value> = rest.iter().map(|part| chat_part(part)).collect();
                    turns.push(json!({"role": "user", "content": parts?}));
                }
            }
            Some(turns)
        }
        Turn::Said(parts) => {
            let mut turn = json!({"role": "assistant", "content": null});
            let mut calls = Vec::new();
            for part in parts {
                match part {
                    Part::Text(text) => turn["content"] = text.as_str().into(),
                    Part::Call(id, tool, city) => calls.push(json!({"id": id, "type": "function",
                        "function": {"name": tool, "arguments": json!({"city": city}).to_string()}})),
                    Part::Marked(..)
                    | Part::Image
                    | Part::Pdf
                    | Part::Paper(_)
                    | Part::Thought(..)
                    | Part::Redacted(_)
                    | Part::Result(..) => return None,
                }
            }
            if !calls.is_empty() {
                turn["tool_calls"] = calls.into();
            }
            Some(vec![turn])
        }
    }
}

fn chat_part(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) => json!({"type": "text", "text": text}),
        Part::Image => json!({"type": "image_url", "image_url": {
            "url": format!("data:image/png;base64,{PNG}")}}),
        Part::Pdf => json!({"type": "file", "file": {"filename": "page.pdf",
            "file_data": format!("data:application/pdf;base64,{PDF}")}}),
        Part::Marked(..)
        | Part::Paper(_)
        | Part::Thought(..)
        | Part::Redacted(_)
        | Part::Call(..)
        | Part::Result(..) => return None,
    })
}

fn responses_items(turn: &Turn) -> Option<Vec<Value>> {
    let (role, parts) = match turn {
        Turn::User(parts) => ("user", parts),
        Turn::Said(parts) => ("assistant", parts),
    };
    let mut items = Vec::new();
    let mut content = Vec::new();
    for part in parts {
        match part {
            Part::Call(id, tool, city) => items
                .push(json!({"type": "function_call", "call_id": id,
                "name": tool, "arguments": json!({"city": city}).to_string()})),
            Part::Result(id, outcome) => {
                let output = match outcome {
                    Outcome::Text(text) | Outcome::Failed(text) => json!(text),
                    Outcome::Nothing => json!(""),
                    Outcome::Seen(text) => json!([{"type": "input_text", "text": text},
                        {"type": "input_image", "image_url": format!("data:image/png;base64,{PNG}")}]),
                };
                items
                    .push(json!({"type": "function_call_output", "call_id": id, "output": output}));
            }
            Part::Text(text) if role == "assistant" => {
                content.push(json!({"type": "output_text", "text": text, "annotations": []}));
            }
            part => content.push(responses_part(part)?),
        }
    }
    if !content.is_empty() {
        items.push(json!({"type": "message", "role": role, "content": content}));
    }
    Some(items)
}

fn responses_part(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) => json!({"type": "input_text", "text": text}),
        Part::Image => json!({"type": "input_image", "detail": "auto",
            "image_url": format!("data:image/png;base64,{PNG}")}),
        Part::Pdf => json!({"type": "input_file", "filename": "page.pdf",
            "file_data": format!("data:application/pdf;base64,{PDF}")}),
        Part::Marked(..)
        | Part::Paper(_)
        | Part::Thought(..)
        | Part::Redacted(_)
        | Part::Call(..)
        | Part::Result(..) => return None,
    })
}
