//! Fingerprints of what was read.

use xxhash_rust::xxh3::Xxh3;

use super::spelled::inner;
use crate::model::{Block, BlockKind, Fingerprint, Keyring, Role, Section, Span};

/// The fingerprint of an object's members without the marker among them.
///
/// The braces stay outside, so that a marker at either end leaves one piece. A marker in the middle
/// leaves two, which the streaming hash joins without a copy.
pub(super) fn content_fingerprint(
    keyring: &Keyring,
    body: &[u8],
    object: Span,
    cut: Span,
) -> Fingerprint {
    let members = inner(object);
    let (left, right) = if cut.is_empty() {
        (members, Span::default())
    } else {
        (
            Span::new(members.start, cut.start),
            Span::new(cut.end, members.end),
        )
    };
    let plain = match (left.of(body), right.of(body)) {
        (left, []) => keyring.fingerprint(left),
        ([], right) => keyring.fingerprint(right),
        (left, right) => {
            let mut hasher = Xxh3::with_seed(keyring.seed());
            hasher.update(left);
            hasher.update(right);
            Fingerprint(hasher.digest128())
        }
    };
    // Never the fingerprint of a text that happens to be spelled like these members.
    Fingerprint(!plain.0)
}

/// Completes a block's fingerprint: where it stands, who speaks and what it is belong to it.
/// `context` are the members of its message that the model is told beside the content.
pub(super) fn seal(block: &mut Block, keyring: &Keyring, context: Option<Fingerprint>) {
    let section = match block.section {
        Section::Tools => 0_u8,
        Section::System => 1,
        Section::Messages => 2,
    };
    let role = match block.role {
        Role::None => 0_u8,
        Role::User => 1,
        Role::Assistant => 2,
        Role::System => 3,
        Role::Other => 4,
    };
    let kind = match block.kind {
        BlockKind::Tool => 0_u8,
        BlockKind::Text => 1,
        BlockKind::Image => 2,
        BlockKind::Document => 3,
        BlockKind::ToolUse => 4,
        BlockKind::ToolResult => 5,
        BlockKind::Thinking => 6,
        BlockKind::Other => 7,
        BlockKind::Opaque => 8,
    };
    let tag = [section, role, kind, u8::from(context.is_some())];
    let mut sealed = [0_u8; 36];
    let parts = tag
        .into_iter()
        .chain(block.fingerprint.0.to_le_bytes())
        .chain(context.unwrap_or_default().0.to_le_bytes());
    for (place, byte) in sealed.iter_mut().zip(parts) {
        *place = byte;
    }
    block.fingerprint = keyring.fingerprint(&sealed);
}

/// The fingerprint of a message: that of its blocks.
pub(super) fn fingerprint(keyring: &Keyring, blocks: &[Block]) -> Fingerprint {
    blocks.iter().fold(Fingerprint::default(), |before, block| {
        join(keyring, before, block.fingerprint)
    })
}

/// One fingerprint for two in a row.
pub(super) fn join(keyring: &Keyring, before: Fingerprint, next: Fingerprint) -> Fingerprint {
    let mut pair = [0; 32];
    let (left, right) = pair.split_at_mut(16);
    left.copy_from_slice(&before.0.to_le_bytes());
    right.copy_from_slice(&next.0.to_le_bytes());
    keyring.fingerprint(&pair)
}
