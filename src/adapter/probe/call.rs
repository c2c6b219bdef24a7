//! What an experiment sends: blocks of filler that nobody has sent before.

use bytes::Bytes;
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::Ttl;

/// Words of filler; any would do, as long as they are short and plain.
const WORDS: [&str; 32] = [
    "river", "stone", "green", "table", "cloud", "seven", "paper", "light", "north", "apple",
    "chair", "music", "bread", "glass", "water", "field", "horse", "clock", "plant", "sound",
    "beach", "lemon", "tiger", "wheel", "sugar", "brick", "ocean", "tower", "flame", "grass",
    "pearl", "storm",
];

/// One block of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// What tells it apart within the run.
    pub(super) seed: String,
    /// About how many tokens it has.
    pub(super) tokens: u64,
    /// The class of the marker on it, if it has one.
    pub(super) mark: Option<Ttl>,
}

impl Piece {
    pub(super) fn new(seed: impl Into<String>, tokens: u64) -> Self {
        Self {
            seed: seed.into(),
            tokens,
            mark: None,
        }
    }

    pub(super) const fn marked(mut self, class: Ttl) -> Self {
        self.mark = Some(class);
        self
    }
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) pieces: Vec<Piece>,
    pub(super) max_tokens: u64,
}

impl Call {
    pub(super) const fn of(pieces: Vec<Piece>) -> Self {
        Self {
            pieces,
            max_tokens: 1,
        }
    }

    /// The same, which only warms the cache.
    pub(super) const fn warming(mut self) -> Self {
        self.max_tokens = 0;
        self
    }

    /// The longest input that it can be billed for, in tokens.
    pub(super) fn most_tokens(&self) -> u64 {
        let sum: u64 = self.pieces.iter().map(|piece| piece.tokens).sum();
        sum + sum / 5 + 64
    }
}

/// How bodies are written.
#[derive(Clone, Debug)]
pub(super) struct Pen<'a> {
    pub(super) dialect: &'a str,
    pub(super) model: &'a str,
    /// What makes this run's prefixes its own.
    pub(super) nonce: &'a str,
    pub(super) bytes_per_ktok: u64,
}

impl Pen<'_> {
    /// The body of a call.
    pub(super) fn write(&self, call: &Call) -> Bytes {
        let body = match self.dialect {
            "chat" => self.chat(call),
            "responses" => self.responses(call),
            _ => self.messages(call),
        };
        body.to_string().into()
    }

    /// The first block is the system prompt, the others are what the user says.
    fn messages(&self, call: &Call) -> Value {
        let block = |(at, piece): (usize, &Piece)| {
            let mut block = json!({"type": "text", "text": self.text(at, piece)});
            if let (Some(class), Some(block)) = (piece.mark, block.as_object_mut()) {
                let control = match class {
                    Ttl::FiveMinutes => json!({"type": "ephemeral"}),
                    Ttl::HalfHour | Ttl::OneHour => {
                        json!({"type": "ephemeral", "ttl": class.as_str()})
                    }
                };
                block.insert("cache_control".into(), control);
            }
            block
        };
        let mut blocks: Vec<Value> = call.pieces.iter().enumerate().map(block).collect();
        let said = blocks.split_off(blocks.len().min(1));
        let said = if said.is_empty() {
            vec![json!({"type": "text", "text": "Say ok."})]
        } else {
            said
        };
        json!({
            "model": self.model, "max_tokens": call.max_tokens, "system": blocks,
            "messages": [{"role": "user", "content": said}],
        })
    }

    fn chat(&self, call: &Call) -> Value {
        json!({
            "model": self.model, "max_completion_tokens": call.max_tokens,
            "prompt_cache_options": {"mode": "explicit"},
            "messages": [{"role": "user", "content": self.parts(call, "text")}],
        })
    }

    fn responses(&self, call: &Call) -> Value {
        json!({
            "model": self.model, "max_output_tokens": call.max_tokens.max(16), "store": false,
            "prompt_cache_options": {"mode": "explicit"},
            "input": [{"role": "user", "content": self.parts(call, "input_text")}],
        })
    }

    fn parts(&self, call: &Call, kind: &str) -> Vec<Value> {
        let part = |(at, piece): (usize, &Piece)| {
            let mut part = json!({"type": kind, "text": self.text(at, piece)});
            if let (Some(_), Some(part)) = (piece.mark, part.as_object_mut()) {
                part.insert(
                    "prompt_cache_breakpoint".into(),
                    json!({"mode": "explicit"}),
                );
            }
            part
        };
        let parts = call.pieces.iter().enumerate().map(part);
        let last = json!({"type": kind, "text": "Say ok."});
        parts.chain([last]).collect()
    }

    /// The same text for the same piece of the same run. What makes it unique comes first.
    fn text(&self, at: usize, piece: &Piece) -> String {
        let seed = format!("{}/{}", self.nonce, piece.seed);
        let mut text = match at {
            0 => format!("{seed}: filler, to be ignored."),
            _ => format!("{}:", piece.seed),
        };
        let bytes = piece.tokens.saturating_mul(self.bytes_per_ktok) / 1000;
        let bytes = usize::try_from(bytes).unwrap_or(0);
        let mut lot = xxh3_64(seed.as_bytes());
        while text.len() < bytes {
            lot = xxh3_64(&lot.to_le_bytes());
            let word = usize::try_from(lot % 32).unwrap_or(0);
            text.push(' ');
            text.push_str(WORDS.get(word).copied().unwrap_or("stone"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_s_own_word_comes_first_and_the_text_is_the_same_every_time() {
        let pen = |nonce| Pen {
            dialect: "messages",
            model: "m",
            nonce,
            bytes_per_ktok: 4000,
        };
        let call = Call::of(vec![
            Piece::new("ttl/a", 100).marked(Ttl::OneHour),
            Piece::new("b", 10),
        ]);
        let body: Value = serde_json::from_slice(&pen("n1").write(&call)).unwrap();
        let text = body["system"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("n1/ttl/a"), "{text}");
        assert!((400..420).contains(&text.len()));
        assert_eq!(body["system"][0]["cache_control"]["ttl"], "1h");
        assert!(body["messages"][0]["content"][0]["cache_control"].is_null());
        assert_eq!(pen("n1").write(&call), pen("n1").write(&call));
        assert_ne!(pen("n1").write(&call), pen("n2").write(&call));
    }
}
