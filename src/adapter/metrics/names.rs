//! Values of labels, bounded in number and length.

use std::collections::BTreeMap;

use crate::ledger::Group;

/// The value that stands for those that came too late, or are too long.
pub(super) const OTHER: &str = "other";

/// Longer values are no names.
const LONGEST: usize = 128;

/// The values of every label, numbered in the order in which they came; zero is [`OTHER`].
pub(super) struct Names<const N: usize> {
    known: [BTreeMap<Box<str>, u32>; N],
}

impl<const N: usize> Default for Names<N> {
    fn default() -> Self {
        Self {
            known: std::array::from_fn(|_| BTreeMap::new()),
        }
    }
}

impl<const N: usize> Names<N> {
    /// The numbers of these values, and which labels are full; at most `most` values of each are
    /// told apart.
    pub(super) fn numbers(&mut self, values: [&str; N], most: usize) -> ([u32; N], [bool; N]) {
        let (mut numbers, mut full) = ([0; N], [false; N]);
        let places = self.known.iter_mut().zip(values);
        for ((known, value), (number, full)) in places.zip(numbers.iter_mut().zip(&mut full)) {
            match admit(known, value, most) {
                Some(found) => *number = found,
                None => *full = true,
            }
        }
        (numbers, full)
    }
}

fn admit(known: &mut BTreeMap<Box<str>, u32>, value: &str, most: usize) -> Option<u32> {
    if let Some(number) = known.get(value) {
        return Some(*number);
    }
    if value == OTHER {
        return Some(0);
    }
    if known.len() >= most || value.len() > LONGEST {
        return None;
    }
    let number = u32::try_from(known.len() + 1).ok()?;
    known.insert(value.into(), number);
    Some(number)
}

/// These values, with [`OTHER`] where the number is zero.
pub(super) fn shown<const N: usize>(values: [&str; N], numbers: [u32; N]) -> [&str; N] {
    let mut shown = values;
    for (value, number) in shown.iter_mut().zip(numbers) {
        if number == 0 {
            *value = OTHER;
        }
    }
    shown
}

/// The values of one booking's labels.
pub(super) fn values<'a>(label: impl Fn(Group) -> &'a str) -> [&'a str; 4] {
    [Group::Provider, Group::Model, Group::Route, Group::Tenant].map(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_too_late_or_is_too_long_is_other() {
        let mut names = Names::default();
        let long = "x".repeat(LONGEST + 1);
        for (tenant, expected) in [
            ("a", "a"),
            ("", ""),
            ("b", OTHER),
            ("a", "a"),
            (OTHER, OTHER),
            (&long, OTHER),
        ] {
            let values = ["p", "m", "r", tenant];
            let (numbers, full) = names.numbers(values, 2);
            assert_eq!(shown(values, numbers), ["p", "m", "r", expected]);
            let fell = expected == OTHER && tenant != OTHER;
            assert_eq!(full, [false, false, false, fell], "{tenant}");
        }
    }
}
