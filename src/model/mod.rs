//! The words of the domain, as plain values: no serde, no http, no clock.

mod cause;
mod choice;
mod digest;
mod holdout;
mod limits;
mod miss;
mod money;
mod needs;
mod outlook;
mod plan;
mod prompt;
mod rates;
mod seams;
mod stop;
mod time;
mod tokens;
mod usage;
mod vigil;

pub use cause::{Cause, Pattern};
pub use choice::Choice;
pub use digest::{Digest, Fingerprint, Keyring};
pub use holdout::{Arm, Share};
pub use limits::{FanOut, Limits, Lives, Markers, Mode, Regime};
pub use miss::{Miss, Place};
pub use money::{Money, PriceTier, Prices};
pub use needs::{Need, Needs};
pub use outlook::{Candidate, Outlook};
pub use plan::{Breakpoint, Change, Member, Plan, Skip, Why};
pub use prompt::{Block, BlockKind, Form, Marker, Prompt, Role, Section, Span, Thinking};
pub use rates::Rates;
pub use seams::{Ending, Seams};
pub use stop::Stop;
pub use time::{Timestamp, Ttl};
pub use tokens::{CountTokens, Tokens};
pub use usage::Usage;
pub use vigil::{KeepAlive, Vigil};
