//! Bytes that are overwritten before their memory is given back.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use zeroize::{Zeroize, Zeroizing};

/// Bytes that are overwritten once nobody holds them any more. Clones share them.
pub(super) struct Secret<T: Zeroize = Vec<u8>>(Arc<Zeroizing<T>>);

impl<T: Zeroize + AsRef<[u8]>> Secret<T> {
    /// Takes bytes over. A buffer must not have grown before: what it left behind stays as it was.
    pub(super) fn new(bytes: T) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    pub(super) fn len(&self) -> usize {
        self.as_ref().len()
    }
}

impl Secret {
    pub(super) fn copy(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }
}

impl<T: Zeroize + AsRef<[u8]> + Send + Sync + 'static> Secret<T> {
    /// The same bytes for a request: not copied, and overwritten when the last holder lets go.
    pub(super) fn bytes(&self) -> Bytes {
        Bytes::from_owner(self.clone())
    }
}

impl<T: Zeroize + AsRef<[u8]>> AsRef<[u8]> for Secret<T> {
    fn as_ref(&self) -> &[u8] {
        T::as_ref(&self.0)
    }
}

impl<T: Zeroize> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Tells what was in it after it was overwritten, when it is dropped.
    struct Spy(Vec<u8>, Arc<Mutex<Option<Vec<u8>>>>);

    impl Zeroize for Spy {
        fn zeroize(&mut self) {
            // A vector that is overwritten is emptied as well; its spare room shows what is left.
            self.0.as_mut_slice().zeroize();
        }
    }

    impl AsRef<[u8]> for Spy {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    impl Drop for Spy {
        fn drop(&mut self) {
            *self.1.lock().expect("nobody panicked") = Some(std::mem::take(&mut self.0));
        }
    }

    #[test]
    fn bytes_are_overwritten_when_the_last_holder_lets_go() {
        let left = Arc::new(Mutex::new(None));
        let secret = Secret::new(Spy(b"sk-ant-1".to_vec(), Arc::clone(&left)));
        assert_eq!(format!("{secret:?}"), "Secret");
        let sent = secret.bytes();
        let part = sent.slice(3..);
        drop(secret);
        drop(sent);
        assert_eq!(part, "ant-1");
        assert_eq!(*left.lock().unwrap(), None, "somebody still holds it");
        drop(part);
        assert_eq!(*left.lock().unwrap(), Some(vec![0; 8]));
    }
}
