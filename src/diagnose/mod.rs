//! Why a cache was not read: the first place where two requests part, and one cause per miss.
//!
//! [`compare`] looks at two prompts and says what changed and where. [`diagnose`] looks at what is
//! known about one exchange, a comparison among it, and names the one cause of its miss.

mod blocks;
mod bytes;
mod compare;
mod facts;
mod parameters;
mod reported;
mod tools;

pub use bytes::excerpts;
pub use compare::{Changed, Difference, Relation, Side, compare};
pub use facts::{Answer, Earlier, Facts, Other, diagnose};
pub use reported::reported;
