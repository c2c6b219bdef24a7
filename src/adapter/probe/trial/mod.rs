//! The experiments themselves.

mod chain;
mod chance;
mod life;
mod places;
mod sizes;

use super::finding::Finding;
use super::kind::Kind;
use super::script::Script;

/// Reads an experiment: its finding, or what it waits for in `script.due`.
pub(super) fn read(script: &mut Script<'_>) -> Option<Finding> {
    match script.kind {
        Kind::Minimum => sizes::minimum(script),
        Kind::Visibility => places::visibility(script),
        Kind::Lookback => sizes::lookback(script),
        Kind::Grant => places::grant(script),
        Kind::Class => places::class(script),
        Kind::Anchor => places::anchor(script),
        Kind::Resend => places::resend(script),
        Kind::Ttl => life::ttl(script, script.ground.class()),
        Kind::Hour => life::ttl(script, crate::model::Ttl::OneHour),
        Kind::Renewal => chain::renewal(script),
        Kind::Deep => chain::deep(script),
        Kind::Warm => chain::warm(script),
        Kind::Upgrade => chance::upgrade(script),
        Kind::Size => chance::size(script),
    }
}
