//! Finds the first message before anything around it is read.

use memchr::memmem;

use super::message::{self, Message};
use crate::model::{Block, Keyring};
use crate::wire::scan::Scanner;

/// The first message, found before the members around it were read: it names the conversation.
///
/// Where it was looked for is a guess. A wrong one finds no earlier body, or one whose bytes are
/// compared all the same.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) message: Message,
    pub(super) blocks: Vec<Block>,
}

impl Opening {
    pub(super) fn find(body: &[u8], keyring: &Keyring) -> Option<Self> {
        const KEY: &[u8] = br#""messages""#;
        // In tools the word may well be a property's name, but seldom that of an array of objects
        // with roles: a few of those are enough to look at.
        memmem::find_iter(body, KEY)
            .map(|found| found + KEY.len())
            .filter(|after_key| is_array(body, *after_key))
            .take(8)
            .find_map(|after_key| Self::at(body, after_key, keyring))
    }

    fn at(body: &[u8], after_key: usize, keyring: &Keyring) -> Option<Self> {
        let mut scan = Scanner::after(body, after_key, 1);
        scan.peek();
        scan.jump(scan.position() + 1);
        scan.open(b'[').ok()?;
        if !scan.next_element().ok()? {
            return None;
        }
        let mut blocks = Vec::new();
        let message = message::message(&mut scan, body, keyring, 0, &mut blocks).ok()?;
        Some(Self { message, blocks })
    }
}

/// Whether a colon and an opening bracket stand here.
fn is_array(body: &[u8], at: usize) -> bool {
    let rest = body.get(at..).unwrap_or_default();
    let mut rest = rest.iter().filter(|byte| !byte.is_ascii_whitespace());
    rest.next() == Some(&b':') && rest.next() == Some(&b'[')
}
