//! The control arm: which conversations pass untouched, by a keyed hash of how they open.

use bytes::Bytes;

use super::reading::recall_and_read;
use super::{Engine, Meta, Wishes};
use crate::model::{Arm, FanOut, Fingerprint, Keyring, Mode, Share, Skip};
use crate::provider::Endpoint;

/// What is wished for a request, and the arm that its conversation belongs to where there is a
/// holdout.
///
/// The arm depends on the installation's secret and on the first message as the caller spelled it,
/// so that it is the same in every turn, in every process, and wherever a route sends the call.
pub(super) fn sorted<'a>(
    engine: &'a Engine,
    meta: &Meta<'_>,
    endpoint: &Endpoint,
    body: &Bytes,
) -> Result<(Wishes<'a>, Option<Arm>), Skip> {
    let wishes = engine.settings.on(meta.route);
    if wishes.holdout == Share::NONE {
        return Ok((wishes, None));
    }
    let keyring = &engine.settings.keyring;
    let account = meta.digest(keyring);
    // As the caller spelled it, whatever becomes of it later.
    let (reading, _) = recall_and_read(engine, endpoint.dialect, account, body)?;
    let arm = arm(keyring, wishes.holdout, reading.conversation);
    Ok((under(wishes, Some(arm)), Some(arm)))
}

/// The arm of the conversation that opens like this.
pub(super) fn arm(keyring: &Keyring, share: Share, opening: Fingerprint) -> Arm {
    let digest = keyring.scope(&[b"holdout", &opening.0.to_le_bytes()]);
    let (head, _) = digest
        .as_bytes()
        .split_first_chunk()
        .unwrap_or((&[0; 8], &[]));
    match share.holds(u64::from_le_bytes(*head)) {
        true => Arm::Control,
        false => Arm::Treated,
    }
}

/// What is done to a request of this arm: to the control's nothing.
pub(super) fn under(wishes: Wishes<'_>, arm: Option<Arm>) -> Wishes<'_> {
    match arm {
        Some(Arm::Control) => Wishes {
            mode: Mode::Observe,
            keep_alive: None,
            fan_out: FanOut::Off,
            explicit_caches: false,
            ..wishes
        },
        Some(Arm::Treated) | None => wishes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_and_the_secret_decides() {
        let share = Share::hundredths(500);
        let control = |secret: &[u8]| -> Vec<u128> {
            let keyring = Keyring::new(secret);
            let is_control =
                |opening: &u128| arm(&keyring, share, Fingerprint(*opening)) == Arm::Control;
            (0..20_000).filter(is_control).collect()
        };
        let (one, other) = (control(b"one"), control(b"other"));
        assert_eq!(one, control(b"one"));
        // Five percent of twenty thousand, within five standard deviations.
        for found in [&one, &other] {
            assert!((846..=1154).contains(&found.len()), "{}", found.len());
        }
        let both = one.iter().filter(|number| other.contains(number)).count();
        assert!(both < 100, "{both} in both");
    }
}
