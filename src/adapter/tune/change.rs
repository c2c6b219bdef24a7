//! One change of settings or prompts that can be tried.

use std::time::Duration;

use super::lines::Shift;
use super::spot::Spot;
use crate::canon::{History, Rule, Rules};
use crate::engine::{Overlay, Settings};
use crate::model::{Cause, Markers, Mode, Ttl};

/// One change of settings or prompts, for the requests of one route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The route it is for; empty for requests that name none, which is what the general settings
    /// are for.
    pub route: Box<str>,
    /// What is done.
    pub act: Act,
    /// The places it was found necessary at, those with most requests first; empty where it is not
    /// about places.
    pub spots: Vec<Spot>,
    /// Requests that showed it.
    pub requests: u64,
    /// Whether some of these requests bind later turns to the bytes of earlier ones, so that the
    /// change is only right for conversations that begin under it.
    pub bound: bool,
    /// The edit, where no setting does it.
    pub(super) shift: Option<Shift>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// A reshape rule is switched on.
    Rule(Rule),
    /// Clocks are rounded down to this step.
    Clock(Duration),
    /// Lines that begin like this are dropped.
    Drop(Box<str>),
    /// Entries are written with this lifetime class.
    Ttl(Ttl),
    /// Entries are asked to be kept for a day.
    DayRetention,
    /// The caller's own markers are replaced.
    ReplaceMarkers,
    /// Markers are placed at all.
    Place,
    /// The lines that differ in one block of the system prompt are moved to the end of the prompt
    /// by whoever writes the prompt: no setting does it.
    MoveLines,
}

impl Change {
    /// A change for a route that so many requests showed.
    pub(super) fn new(route: &str, act: Act, requests: u64) -> Self {
        Self {
            route: route.into(),
            act,
            spots: Vec::new(),
            requests,
            bound: false,
            shift: None,
        }
    }

    /// What it is called in reports and in JSON.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match &self.act {
            Act::Rule(rule) => rule.as_str(),
            Act::Clock(_) => Rule::QuantiseClock.as_str(),
            Act::Drop(_) => Rule::DropNonce.as_str(),
            Act::Ttl(_) => "ttl",
            Act::DayRetention => "day_retention",
            Act::ReplaceMarkers => "markers",
            Act::Place => "mode",
            Act::MoveLines => "prompt",
        }
    }

    /// What is done, in words.
    #[must_use]
    pub fn what(&self) -> String {
        match &self.act {
            Act::Rule(Rule::ToolOrder) => "sort these tools".to_owned(),
            Act::Rule(Rule::ToolKeys) => "sort the keys of these tools".to_owned(),
            Act::Rule(Rule::InputKeys) => "sort the keys of earlier tool inputs".to_owned(),
            Act::Rule(Rule::SplitVolatile) => "split here".to_owned(),
            Act::Rule(Rule::MoveVolatile) => "move this behind the last breakpoint".to_owned(),
            Act::Rule(rule) => format!("switch on `{}`", rule.as_str()),
            Act::Clock(step) => format!("round this clock down to {}", spelled(*step)),
            Act::Drop(head) => format!("drop the line `{head}`"),
            Act::Ttl(ttl) => format!("write entries for {ttl}"),
            Act::DayRetention => "ask for entries that last a day".to_owned(),
            Act::ReplaceMarkers => "replace the caller's own markers".to_owned(),
            Act::Place => "place markers".to_owned(),
            Act::MoveLines => {
                "move the lines that differ behind the last breakpoint, in the prompt".to_owned()
            }
        }
    }

    /// What whoever takes it must know; `None` where there is nothing to mind.
    #[must_use]
    pub const fn caution(&self) -> Option<&'static str> {
        match &self.act {
            _ if self.bound => Some(
                "these requests bind thinking to the bytes before it: switch it on where every \
                 conversation begins under it",
            ),
            Act::Drop(_) => Some("the model no longer reads the line"),
            Act::Clock(_) => Some("the model reads a coarser time"),
            Act::Rule(Rule::MoveVolatile) | Act::MoveLines => {
                Some("the model reads the text at another place")
            }
            Act::Rule(Rule::ToolOrder | Rule::ToolKeys) => {
                Some("the order of tools and keys can move a model's answers")
            }
            Act::DayRetention => Some("the provider keeps data longer"),
            Act::Rule(_) | Act::Ttl(_) | Act::ReplaceMarkers | Act::Place => None,
        }
    }

    /// Whether settings do it.
    #[must_use]
    pub const fn is_setting(&self) -> bool {
        self.shift.is_none()
    }

    /// Whether both could not be in force, or would do the same work.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        let same = std::mem::discriminant(&self.act) == std::mem::discriminant(&other.act);
        let both = matches!(self.act, Act::Rule(_) | Act::Drop(_) | Act::MoveLines);
        let moved = self.moves_what(other) || other.moves_what(self);
        self.route == other.route && (same && !both || moved)
    }

    /// Whether it moves by hand nothing but what `rule` takes care of.
    fn moves_what(&self, rule: &Self) -> bool {
        let known = |spot: &Spot| spot.cause == Cause::Volatile;
        let rules = [Rule::MoveVolatile, Rule::QuantiseClock, Rule::DropNonce];
        let does = rules.iter().any(|one| one.as_str() == rule.name());
        self.act == Act::MoveLines && does && self.spots.iter().all(known)
    }

    /// Puts it into the settings.
    pub(super) fn apply(&self, settings: &mut Settings) {
        let overlay = self.overlay(settings);
        if self.route.is_empty() {
            overlay.apply(settings);
        } else {
            let entry = settings.routes.entry(self.route.clone()).or_default();
            merge(entry, overlay);
        }
    }

    fn overlay(&self, settings: &Settings) -> Overlay {
        let now = settings.on(&self.route);
        let mut overlay = Overlay::default();
        let rule = match &self.act {
            Act::Rule(rule) => Some(*rule),
            Act::Clock(step) => {
                overlay.clock_step = Some(*step);
                Some(Rule::QuantiseClock)
            }
            Act::Drop(head) => {
                let mut nonces = now.nonces.to_vec();
                if !nonces.contains(head) {
                    nonces.push(head.clone());
                }
                overlay.nonces = Some(nonces);
                Some(Rule::DropNonce)
            }
            Act::Ttl(ttl) => {
                overlay.ttl = Some(*ttl);
                None
            }
            Act::DayRetention => {
                overlay.day_retention = Some(true);
                None
            }
            Act::ReplaceMarkers => {
                overlay.markers = Some(Markers::Replace);
                None
            }
            Act::Place => {
                overlay.mode = Some(Mode::Place);
                None
            }
            Act::MoveLines => None,
        };
        if let Some(rule) = rule {
            let before = match now.mode {
                Mode::Reshape => now.rules,
                Mode::Observe | Mode::Place => Rules::NONE,
            };
            overlay.mode = Some(Mode::Reshape);
            overlay.rules = Some(before.with(rule));
            if self.bound {
                overlay.history = Some(History::FromFirstTurn);
            }
        }
        overlay
    }
}

/// Lays one overlay over another.
fn merge(into: &mut Overlay, from: Overlay) {
    into.mode = from.mode.or(into.mode);
    into.markers = from.markers.or(into.markers);
    into.ttl = from.ttl.or(into.ttl);
    into.rules = from.rules.or(into.rules);
    into.history = from.history.or(into.history);
    into.clock_step = from.clock_step.or(into.clock_step);
    into.nonces = from.nonces.or_else(|| into.nonces.take());
    into.day_retention = from.day_retention.or(into.day_retention);
}

/// A step of clocks as configuration spells it.
pub(super) fn spelled(step: Duration) -> String {
    let seconds = step.as_secs();
    for (unit, length) in [("d", 86_400), ("h", 3600), ("m", 60)] {
        if seconds >= length && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_add_up_and_stay_on_their_route() {
        let mut settings = Settings::default();
        for rule in [Rule::ToolOrder, Rule::MoveVolatile] {
            Change::new("support", Act::Rule(rule), 1).apply(&mut settings);
        }
        Change::new("support", Act::Drop("x-id:".into()), 1).apply(&mut settings);
        Change::new("", Act::Ttl(Ttl::OneHour), 1).apply(&mut settings);
        let there = settings.on("support");
        assert_eq!(
            there.rules.names(),
            ["tool_order", "move_volatile", "drop_nonce"]
        );
        assert_eq!(there.nonces, [Box::from("x-id:")]);
        assert_eq!(there.ttl, Some(Ttl::OneHour));
        assert_eq!(settings.on("other").mode, Mode::Place);
    }

    #[test]
    fn steps_are_spelled_as_configuration_reads_them() {
        let spell = |seconds| spelled(Duration::from_secs(seconds));
        assert_eq!(
            [spell(900), spell(3600), spell(86_400), spell(90)],
            ["15m", "1h", "1d", "90s"]
        );
    }
}
