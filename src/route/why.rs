//! Why a call goes where it goes, in one line for people.

use std::fmt::Write as _;

use super::candidate::Standing;
use super::{Candidate, Decision, Goal, Network, Pick, Route};
use crate::model::Money;

/// The longest line, in bytes: it travels in a header.
const LONGEST: usize = 200;

/// Why an offer is asked, and asked then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody else may serve the call.
    Only,
    /// The goal alone would not have chosen it: leaving its warm prefix costs more than that is
    /// worth.
    Affinity {
        /// Tokens that are warm there.
        tokens: u64,
        /// What the least costly other one would cost more; `None` without prices.
        leaving: Option<Money>,
    },
    /// The route's goal chose it.
    Goal(Goal),
    /// The route's own model cannot be asked, so that a fallback model is.
    Fallback,
    /// It is asked when the ones before it have failed.
    Next {
        /// What the call costs more here than where it is warm; `None` where nothing is left behind.
        hop: Option<Money>,
    },
}

impl Reason {
    /// Its name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Affinity { .. } => "affinity",
            Self::Goal(goal) => goal.as_str(),
            Self::Fallback => "fallback",
            Self::Next { .. } => "next",
        }
    }
}

impl Decision {
    /// An offer of the route as it was looked at, by its place there.
    #[must_use]
    pub fn candidate(&self, offer: usize) -> Option<&Candidate> {
        self.candidates.get(offer)
    }

    /// Why this pick is asked, and asked then.
    #[must_use]
    pub fn reason(&self, route: &Route, pick: &Pick) -> Option<Reason> {
        let one = self.candidate(pick.offer)?;
        let first = self.picks.first()?;
        if first.offer != pick.offer {
            return Some(Reason::Next { hop: pick.hop });
        }
        if one.fallback() > 0 {
            return Some(Reason::Fallback);
        }
        if self.picks.len() == 1 {
            return Some(Reason::Only);
        }
        let picks = self
            .picks
            .iter()
            .filter_map(|pick| self.candidate(pick.offer));
        let mut peers =
            picks.filter(|other| other.fallback() == 0 && other.standing == one.standing);
        let better = |other: &Candidate| (other.alone(), other.offer) < (one.alone(), one.offer);
        let is_swayed = route.affinity && route.goal != Goal::Cost && peers.any(better);
        if !is_swayed {
            return Some(Reason::Goal(route.goal));
        }
        let hops = self.picks.iter().skip(1).filter_map(|pick| pick.hop);
        Some(Reason::Affinity {
            tokens: one.warm,
            leaving: hops.min(),
        })
    }

    /// One line for people: whom is asked first, and why before the others. Names backends and
    /// figures only, in ASCII.
    #[must_use]
    pub fn why(&self, network: &Network, route: &Route) -> String {
        let first = self.picks.first();
        first.map_or_else(String::new, |pick| self.why_of(network, route, pick))
    }

    /// The same of any pick.
    fn why_of(&self, network: &Network, route: &Route, pick: &Pick) -> String {
        let of = (network, route, pick);
        let mut line = format!("{}: ", name(network, route, pick.offer));
        let one = self.candidate(pick.offer);
        if let Some((one, reason)) = one.zip(self.reason(route, pick)) {
            self.tell(&mut line, reason, of);
            match reason {
                Reason::Next { .. } => {}
                Reason::Affinity { .. } => self.others(&mut line, one, of),
                Reason::Only | Reason::Goal(_) | Reason::Fallback => {
                    if one.warm > 0 {
                        let _ = write!(line, ", {} tokens warm", one.warm);
                    }
                    self.others(&mut line, one, of);
                }
            }
        }
        plain(&line)
    }

    fn tell(&self, line: &mut String, reason: Reason, of: (&Network, &Route, &Pick)) {
        let (network, route, pick) = of;
        // Writing into a string cannot fail.
        let _ = match reason {
            Reason::Only => write!(line, "nobody else may serve it"),
            Reason::Affinity { tokens, leaving } => match leaving {
                Some(leaving) => write!(
                    line,
                    "affinity {tokens} tokens warm, leaving costs {leaving}"
                ),
                None => write!(line, "affinity {tokens} tokens warm"),
            },
            Reason::Goal(Goal::Order) => write!(line, "first in order"),
            Reason::Goal(Goal::Latency) => write!(line, "fastest"),
            Reason::Goal(Goal::Cost) => write!(line, "costs least"),
            Reason::Fallback => {
                let offer = route.offers.get(pick.offer);
                write!(
                    line,
                    "fallback model {}",
                    offer.map_or("", |offer| &offer.model)
                )
            }
            Reason::Next { hop } => {
                let at = self
                    .picks
                    .iter()
                    .position(|other| other.offer == pick.offer);
                let before = at.and_then(|at| self.picks.get(at.checked_sub(1)?));
                let before = before.map_or("", |before| name(network, route, before.offer));
                match hop {
                    Some(hop) => write!(line, "after {before}, leaving what is warm costs {hop}"),
                    None => write!(line, "after {before}"),
                }
            }
        };
    }

    /// The offers that stand before this one in the route, and those that may not be asked.
    fn others(&self, line: &mut String, one: &Candidate, of: (&Network, &Route, &Pick)) {
        let (network, route, _) = of;
        let mut separator = "; ";
        for other in &self.candidates {
            let is_before = other.offer < one.offer;
            let is_told = is_before || other.bar.is_some();
            if !is_told || other.fallback() > one.fallback() || other.offer == one.offer {
                continue;
            }
            let name = name(network, route, other.offer);
            let _ = match (&other.bar, other.standing) {
                (Some(bar), _) => write!(line, "{separator}{name} {bar}"),
                (None, Standing::Cooling) => write!(line, "{separator}{name} cooling down"),
                (None, Standing::Sound | Standing::Probing) => {
                    write!(line, "{separator}{name} passed over")
                }
            };
            separator = ", ";
        }
    }
}

fn name<'a>(network: &'a Network, route: &Route, offer: usize) -> &'a str {
    let offer = route.offers.get(offer);
    let backend = offer.and_then(|offer| network.backends.get(offer.backend));
    backend.map_or("", |backend| &backend.name)
}

/// What a header can carry.
fn plain(line: &str) -> String {
    let is_plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let plain: String = line
        .chars()
        .map(|c| if is_plain(c) { c } else { '?' })
        .collect();
    match plain.get(..LONGEST - ", ...".len()) {
        Some(start) if plain.len() > LONGEST => {
            let words = start.rfind(", ").and_then(|end| start.get(..end));
            format!("{}, ...", words.unwrap_or(start))
        }
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Timestamp, Usage};
    use crate::route::samples::{Sample, ask};
    use crate::route::{Goal, Lesson, Reason};

    fn warm(sample: &mut Sample, offer: usize) {
        let usage = Usage::reported(0, 0, 40_000, 0, 300);
        let lesson = Lesson::new(ask(80_000), offer, Timestamp::from_micros(1), usage);
        let Sample { network, state, .. } = sample;
        state.warmth.learn(network, &network.routes[0], &lesson);
    }

    #[test]
    fn the_line_says_whom_and_why() {
        let mut sample = Sample::new(&["direct", "bedrock", "vertex"]);
        let decision = sample.decide(&ask(80_000)).unwrap();
        assert_eq!(sample.why(&decision), "direct: first in order");
        warm(&mut sample, 1);
        let decision = sample.decide(&ask(80_000)).unwrap();
        assert_eq!(
            sample.why(&decision),
            "bedrock: affinity 40000 tokens warm, leaving costs $0.0960; direct passed over"
        );
        let route = &sample.network.routes[0];
        let second = decision.why_of(&sample.network, route, &decision.picks[1]);
        assert_eq!(
            second,
            "direct: after bedrock, leaving what is warm costs $0.0960"
        );
        // Near misses: nothing is held against the goal without affinity, and where the warm one is
        // the first anyway.
        sample.network.routes[0].affinity = false;
        let decision = sample.decide(&ask(80_000)).unwrap();
        assert_eq!(sample.why(&decision), "direct: first in order");
        sample.network.routes[0].affinity = true;
        warm(&mut sample, 0);
        let decision = sample.decide(&ask(80_000)).unwrap();
        assert_eq!(
            sample.why(&decision),
            "direct: first in order, 40000 tokens warm"
        );
    }

    #[test]
    fn bars_and_fallbacks_are_told() {
        let mut sample = Sample::new(&["direct", "bedrock", "vertex"]);
        sample.network.routes[0].residency = vec!["eu".into()];
        sample.network.backends[2].zones = vec!["eu".into()];
        let decision = sample.decide(&ask(1000)).unwrap();
        let line = "vertex: nobody else may serve it; direct residency, bedrock residency";
        assert_eq!(sample.why(&decision), line);
        let reason = decision.reason(&sample.network.routes[0], &decision.picks[0]);
        assert_eq!(reason, Some(Reason::Only));
        sample.network.routes[0].offers[2].fallback = 1;
        sample.network.routes[0].offers[2].model = "claude-haiku-4.5".into();
        let decision = sample.decide(&ask(1000)).unwrap();
        let line = "vertex: fallback model claude-haiku-4.5; direct residency, bedrock residency";
        assert_eq!(sample.why(&decision), line);
    }

    #[test]
    fn the_line_fits_into_a_header() {
        let names: Vec<String> = (0..30)
            .map(|n| format!("b\u{e4}ckend-number-{n}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut sample = Sample::new(&names);
        for backend in sample.network.backends.iter_mut().take(29) {
            backend.tenants = vec!["somebody".into()];
        }
        sample.network.routes[0].goal = Goal::Cost;
        let decision = sample.decide(&ask(1000)).unwrap();
        let line = sample.why(&decision);
        assert!(line.len() <= 200 && line.is_ascii(), "{line}");
        assert!(
            line.starts_with("b?ckend-number-29: ") && line.ends_with(" tenant, ..."),
            "{line}"
        );
    }
}
