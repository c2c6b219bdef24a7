//! Digests of blocks and prefixes, keyed so that equal prompts of two tenants do not look equal.

use std::fmt;

/// The fingerprint of one block's content without its marker (128 bits, seeded XXH3).
///
/// In-process memo key only: it is never stored or compared across installations by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a number and nothing else")]
pub struct Fingerprint(pub u128);

/// The digest of a whole prefix: keyed BLAKE3 over its scope and the chain of block fingerprints.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// A digest that was computed before and stored.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The installation's secret, from which every digest key is derived.
#[derive(Clone)]
pub struct Keyring {
    key: [u8; 32],
    seed: u64,
}

impl Keyring {
    /// Derives the keys of one installation (and, by another `secret`, of one tenant).
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        let key = blake3::derive_key("cachewright 2026 prefix chain v1", secret);
        let seed = blake3::derive_key("cachewright 2026 block fingerprint v1", secret);
        let (head, _) = seed.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        Self {
            key,
            seed: u64::from_le_bytes(*head),
        }
    }

    /// The seed for block fingerprints.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The fingerprint of one piece of content.
    #[must_use]
    pub fn fingerprint(&self, content: &[u8]) -> Fingerprint {
        Fingerprint(xxhash_rust::xxh3::xxh3_128_with_seed(content, self.seed))
    }

    /// The digest of a scope: everything that separates caches, each part length-prefixed.
    #[must_use]
    pub fn scope(&self, parts: &[&[u8]]) -> Digest {
        let mut whole = [0_u8; WHOLE];
        if let Some(length) = gather(&mut whole, parts) {
            let (whole, _) = whole.split_at(length);
            return truncate(&blake3::keyed_hash(&self.key, whole));
        }
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        truncate(&hasher.finalize())
    }

    /// The fingerprint of the run of blocks that extends `before` by one block. Cheap, so that it
    /// can be kept for every block; what leaves the request's own tables is a [`Digest`] of it.
    #[must_use]
    pub fn link(&self, before: Fingerprint, block: Fingerprint) -> Fingerprint {
        let mut link = [0_u8; 32];
        let (left, right) = link.split_at_mut(16);
        left.copy_from_slice(&before.0.to_le_bytes());
        right.copy_from_slice(&block.0.to_le_bytes());
        self.fingerprint(&link)
    }

    /// The digest of what extends `before` by one block, or by a run of blocks.
    #[must_use]
    pub fn extend(&self, before: Digest, block: Fingerprint) -> Digest {
        let mut link = [0_u8; 32];
        let (left, right) = link.split_at_mut(16);
        left.copy_from_slice(&before.0);
        right.copy_from_slice(&block.0.to_le_bytes());
        truncate(&blake3::keyed_hash(&self.key, &link))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(..)")
    }
}

/// Bytes of a scope that are hashed in one go: nearly all scopes are shorter.
const WHOLE: usize = 256;

/// Puts the parts of a scope behind one another, each after its length, and says how long that is;
/// `None` where there is no room.
fn gather(whole: &mut [u8], parts: &[&[u8]]) -> Option<usize> {
    let mut end = 0;
    for part in parts {
        let length = (part.len() as u64).to_le_bytes();
        for piece in [length.as_slice(), part] {
            let start = end;
            end += piece.len();
            whole.get_mut(start..end)?.copy_from_slice(piece);
        }
    }
    Some(end)
}

fn truncate(hash: &blake3::Hash) -> Digest {
    let mut out = [0; 16];
    out.copy_from_slice(hash.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]));
    Digest(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_the_same_digest_however_long_it_is() {
        let keyring = Keyring::new(b"test");
        for length in [0, 1, 7, 100, WHOLE - 33, WHOLE - 32, WHOLE - 31, 5000] {
            let long = vec![b'x'; length];
            let mut hasher = blake3::Hasher::new_keyed(&keyring.key);
            for part in [&b"scope"[..], &long, b"end"] {
                hasher.update(&(part.len() as u64).to_le_bytes());
                hasher.update(part);
            }
            let whole = truncate(&hasher.finalize());
            assert_eq!(keyring.scope(&[b"scope", &long, b"end"]), whole, "{length}");
        }
    }
}
