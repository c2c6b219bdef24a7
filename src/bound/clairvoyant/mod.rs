//! A policy that knows all that comes and obeys what binds a request.
//!
//! At each request it weighs, run by run, what each class is worth from then on, and writes the
//! prefix of each class that is worth most; spare markers go where later requests part. Pings hold
//! whole prefixes, and which ones is searched for, scope by scope. The judge bills what it did, so
//! its cost is one that can be had; a better policy may exist.

mod holds;
mod marks;
mod play;
mod scene;
mod search;
mod value;

use super::bill::Bill;
use super::billed::Court;
use super::course::Runs;
use super::judge::Rules;
use super::lower::{Class, Terms};
use play::Deed;
use scene::Scene;

impl Runs {
    /// What the course costs under a policy that knows all that comes and obeys these rules.
    #[must_use]
    pub fn clairvoyant(&self, terms: &Terms, rules: Rules) -> Bill {
        let implicit = terms.classes.iter().find_map(|class| match class {
            Class::Implicit(life) => Some(*life),
            Class::Marked(_) => None,
        });
        let rules = Rules { implicit, ..rules };
        if implicit.is_some() {
            return self.billed(rules, |_| Vec::new());
        }
        let mut court = Court::new(self, rules);
        for visit in self
            .visits
            .iter()
            .filter(|visit| visit.run == super::course::NONE)
        {
            court.serve(visit, &[]);
        }
        for numbers in scene::scopes(self).values() {
            let scene = Scene::new(self, numbers, terms);
            for deed in search::best(&scene, rules, terms) {
                let Some(visit) = self.visits.get(deed.number()) else {
                    continue;
                };
                match deed {
                    Deed::Serve { marks, .. } => court.serve(visit, &marks),
                    Deed::Ping { at, blocks, .. } => court.ping(visit, at, blocks),
                }
            }
        }
        court.close()
    }
}
