//! Which variant of the decisions a conversation follows.

use super::survey::Ground;
use crate::economy::leader::{Extent, Leader, Led, Variant};
use crate::model::{Outlook, Section, Ttl, to_f64};

/// Bills the request under every variant, and where one of them leads, makes its decision that of the
/// outlook.
///
/// The candidates' chances must be those of the policy's own decision. Where a variant leads they are
/// to be looked up again, since the classes are other ones.
pub(super) fn lead(ground: &Ground<'_>, outlook: &mut Outlook) -> Option<Led> {
    // Variants know of no grant: where one hour is not given, none of them leads.
    let ungranted = ground.pauses.is_ungranted(ground.nodes, ground.now);
    let allowed = ground.allowed.filter(|_| !ungranted)?;
    let opening = ground.prompt.end_of(Section::System);
    let tokens = outlook.prefix_tokens.last().copied()?;
    let warm = outlook.warm.map_or(0, |(block, _)| block + 1);
    let shared = ground.before.map_or(warm, |before| before.shared);
    let end = |blocks: usize| blocks.checked_sub(1).map_or(0, |at| outlook.tokens_to(at));
    let extent = Extent::new(end(shared), end(opening), tokens);
    let own = decided(ground, outlook, opening);
    let [everywhere, route, _] = ground.pauses.keys;
    let mut all = Leader::default();
    ground.nodes.leader(&everywhere, &mut |known| all = *known);
    let conversation = ground.pauses.conversation;
    let mut shadow = ground.nodes.shadow(&conversation).unwrap_or_default();
    let mut led = None;
    ground.nodes.learn_leader(route, &mut |wider| {
        if wider.seen() == 0 {
            *wider = Leader::under(&all, to_f64(tokens));
        }
        let with = (ground.rates, allowed);
        led = Some(shadow.step((ground.now, &extent), &own, with, wider));
    });
    ground.nodes.put_shadow(conversation, shadow);
    let led = led?;
    ground.nodes.learn_leader(everywhere, &mut |all| {
        all.observe(&led, to_f64(tokens), allowed);
    });
    if let Some(variant) = led.variant {
        classes(&variant, opening, outlook);
    }
    Some(led)
}

/// The policy's own decision, as a variant.
fn decided(ground: &Ground<'_>, outlook: &Outlook, opening: usize) -> Variant {
    let mut own = Variant::new(None, None, 0);
    for candidate in &outlook.candidates {
        let ttl = outlook.class_at(candidate.block);
        if candidate.reuse < ground.rates.break_even(ttl) {
            continue;
        }
        if candidate.block < opening {
            own.base = Some(ttl);
        } else {
            own.tail = Some(ttl);
        }
    }
    own.base = own.base.or(own.tail);
    own
}

/// Decides the classes as the variant does. What is warm keeps its class: one hour behind five minutes
/// would expire with them.
fn classes(variant: &Variant, opening: usize, outlook: &mut Outlook) {
    if let Some((_, Ttl::FiveMinutes | Ttl::HalfHour)) = outlook.warm {
        outlook.ttl = Ttl::FiveMinutes;
        outlook.hour_to = None;
        return;
    }
    let [base, tail] = [variant.base, variant.tail].map(Option::unwrap_or_default);
    outlook.ttl = tail;
    if tail == Ttl::OneHour {
        outlook.hour_to = None;
        return;
    }
    let by_hour = opening.checked_sub(1).filter(|_| base == Ttl::OneHour);
    let kept = outlook.warm.map(|(block, _)| block);
    outlook.hour_to = by_hour.max(kept);
}
