//! What a request says beside its blocks: whose cache it meets, where it is sent, its text.

use super::habits::Habit;
use crate::model::Ttl;

/// The wire format that a body is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spelled {
    #[default]
    Messages,
    Chat,
    Responses,
    Converse,
    Generate,
}

impl Spelled {
    /// The format with this name in rows.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "messages" => Self::Messages,
            "chat" => Self::Chat,
            "responses" => Self::Responses,
            "converse" => Self::Converse,
            "generate" => Self::Generate,
            _ => return None,
        })
    }
}

/// The prompt as the model sees it, for caches that match it token by token. Prompt text stays out
/// of debug output.
#[derive(Clone, Default)]
pub(super) struct Text(pub(super) Vec<u8>);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

/// Everything about a request that is neither a block nor a marker.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of a request, each of one machine"
)]
pub(super) struct Facts {
    pub(super) spelled: Spelled,
    /// `error.type` of a refusal.
    pub(super) kind: &'static str,
    /// How the cache that it meets behaves.
    pub(super) habit: &'static Habit,
    /// What separates caches beside workspace and model, such as `prompt_cache_key` from GPT-5.6 on.
    pub(super) apart: u128,
    /// What steers it to one machine.
    pub(super) key: Option<u128>,
    /// Requests a minute that one key can take before they spill to other machines.
    pub(super) per_minute: Option<u32>,
    /// Hash of the settings that stand before everything.
    pub(super) seed: u128,
    /// Blocks on which an eligible message ends, the opening developer block's end included.
    pub(super) ends: Vec<usize>,
    /// The block on which the opening developer block ends.
    pub(super) opening: Option<usize>,
    /// Whether the provider places an end of its own.
    pub(super) implicit: bool,
    /// The class of writes that the body asks for.
    pub(super) ttl: Ttl,
    /// Whether entries are to be kept for a day.
    pub(super) day: bool,
    /// Whether the order of the body's members keeps it from finding anything.
    pub(super) cold: bool,
    /// The explicit cache that it goes on with.
    pub(super) cached: Option<Box<str>>,
    pub(super) text: Text,
    /// Whether tokens were counted block by block instead of measured by the ruler.
    pub(super) counted: bool,
}

impl Facts {
    /// What a refusal is called where this body goes.
    pub(super) fn kind(spelled: Spelled, body: &[u8]) -> &'static str {
        let on_bedrock = || memchr::memmem::find(body, b"\"bedrock-2023-05-31\"").is_some();
        match spelled {
            Spelled::Messages if on_bedrock() => "ValidationException",
            Spelled::Messages | Spelled::Chat | Spelled::Responses => "invalid_request_error",
            Spelled::Converse => "ValidationException",
            Spelled::Generate => "INVALID_ARGUMENT",
        }
    }

    pub(super) fn new(spelled: Spelled, habit: &'static Habit) -> Self {
        Self {
            spelled,
            kind: Self::kind(spelled, b""),
            habit,
            apart: 0,
            key: None,
            per_minute: habit.per_minute,
            seed: 0,
            ends: Vec::new(),
            opening: None,
            implicit: true,
            ttl: Ttl::FiveMinutes,
            day: false,
            cold: false,
            cached: None,
            text: Text::default(),
            counted: false,
        }
    }
}
