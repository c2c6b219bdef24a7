//! Why a model stopped, as far as it tells what comes next.

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// It called a tool: the client will most likely go on by itself.
    ToolUse,
    /// It ended its turn: somebody has to think of something.
    EndTurn,
    /// It ran out of tokens.
    Length,
    /// Something else: a stop sequence, a refusal, a pause.
    Other,
}

impl Stop {
    /// Reads the words of every dialect, whatever their case.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "tool_use" | "tool_calls" | "function_call" => Self::ToolUse,
            "end_turn" | "stop" | "completed" | "end" => Self::EndTurn,
            "max_tokens" | "length" | "max_output_tokens" => Self::Length,
            _ => Self::Other,
        }
    }

    /// The name in reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToolUse => "tool_use",
            Self::EndTurn => "end_turn",
            Self::Length => "length",
            Self::Other => "other",
        }
    }
}
