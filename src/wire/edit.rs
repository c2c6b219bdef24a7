//! Edits: spans of a body and what stands there instead.

use bytes::Bytes;

use crate::model::Span;

/// A replacement of one span of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edit {
    /// What is replaced; empty for an insertion.
    pub span: Span,
    /// What stands there instead.
    pub with: Bytes,
}

impl Edit {
    /// Replaces `span` by `with`.
    #[must_use]
    pub fn new(span: Span, with: impl Into<Bytes>) -> Self {
        Self {
            span,
            with: with.into(),
        }
    }

    /// Puts `with` before the byte at `at`.
    #[must_use]
    pub fn insert(at: u32, with: impl Into<Bytes>) -> Self {
        Self::new(Span::new(at, at), with)
    }
}

/// Applies edits to a body: everything outside their spans is copied as it is.
///
/// Edits may come in any order and are left sorted; they must not overlap, and one that does is
/// left out rather than applied halfway. Insertions at one place keep their order.
#[must_use]
pub fn splice(body: &[u8], edits: &mut [Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(spliced_len(body, edits));
    splice_into(&mut out, body, edits);
    out
}

/// The length of the body once these edits are applied.
#[must_use]
pub fn spliced_len(body: &[u8], edits: &[Edit]) -> usize {
    let added: usize = edits.iter().map(|edit| edit.with.len()).sum();
    let removed: usize = edits.iter().map(|edit| edit.span.len() as usize).sum();
    (body.len() + added).saturating_sub(removed)
}

/// [`splice`] into a buffer that is at hand.
pub fn splice_into(out: &mut Vec<u8>, body: &[u8], edits: &mut [Edit]) {
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let mut copied = 0;
    for edit in edits.iter() {
        let (start, end) = (edit.span.start as usize, edit.span.end as usize);
        let (Some(between), true) = (body.get(copied..start), end <= body.len()) else {
            continue;
        };
        out.extend_from_slice(between);
        out.extend_from_slice(&edit.with);
        copied = end.max(start);
    }
    out.extend_from_slice(body.get(copied..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edits_apply_in_any_order_with_exact_capacity() {
        let mut edits = [
            Edit::new(Span::new(6, 11), &b"there"[..]),
            Edit::insert(0, &b"<"[..]),
            Edit::insert(11, &b">"[..]),
            Edit::insert(11, &b"!"[..]),
            Edit::new(Span::new(5, 6), &b""[..]),
        ];
        let out = splice(b"hello world", &mut edits);
        assert_eq!(out, b"<hellothere>!");
        assert_eq!(out.capacity(), out.len());
    }

    #[test]
    fn an_edit_that_does_not_fit_is_left_out() {
        let mut edits = [
            Edit::new(Span::new(0, 3), &b"x"[..]),
            Edit::new(Span::new(1, 2), &b"y"[..]),
            Edit::new(Span::new(4, 99), &b"z"[..]),
        ];
        assert_eq!(splice(b"abcdef", &mut edits), b"xdef");
    }

    proptest! {
        #[test]
        fn cut_points_rebuild_the_body(
            body in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec((0_u32..200, any::<u8>()), 0..8),
        ) {
            let length = u32::try_from(body.len()).unwrap();
            let mut edits: Vec<Edit> = cuts
                .iter()
                .map(|(at, byte)| Edit::insert((*at).min(length), vec![*byte]))
                .collect();
            let mut expected = body.clone();
            let mut sorted = edits.clone();
            sorted.sort_by_key(|edit| edit.span.start);
            for edit in sorted.iter().rev() {
                expected.insert(edit.span.start as usize, edit.with[0]);
            }
            prop_assert_eq!(splice(&body, &mut edits), expected);
        }
    }
}
