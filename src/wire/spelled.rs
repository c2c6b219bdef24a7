//! Pieces that several dialects spell alike: markers, texts, media.

use super::scan::{Scanner, offset, unescape};
use crate::model::{Span, Ttl};

/// What an image weighs, whatever its bytes: 1,600 tokens, the most that the provider's vision page
/// gives for one image (platform.claude.com vision, 2026-08), at 2.7 bytes a token.
pub(super) const IMAGE_WEIGHT: u64 = 4300;

/// Base64 bytes of a PDF per byte of text that it is taken to hold.
pub(super) const PDF_DILUTION: u64 = 40;

/// The member with the one comma that goes when it goes: the one before it, or else the one after
/// with the whitespace that sets the next member off.
pub(super) fn cut(body: &[u8], key: Span, value: Span, before: Option<u32>) -> Span {
    let blanks = |at: u32| {
        let rest = body.get(at as usize..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        at.saturating_add(offset(blanks.count()))
    };
    let comma_from = |at: u32| Some(blanks(at)).filter(|at| body.get(*at as usize) == Some(&b','));
    match (before.and_then(comma_from), comma_from(value.end)) {
        (Some(comma), _) => Span::new(comma, value.end),
        (None, Some(comma)) => Span::new(key.start, blanks(comma.saturating_add(1))),
        (None, None) => Span::new(key.start, value.end),
    }
}

/// The lifetime class of a marker object; an absent or unknown one is five minutes.
pub(super) fn ttl(marker: &[u8]) -> Ttl {
    let mut scan = Scanner::new(marker);
    let mut found = Ttl::FiveMinutes;
    if scan.open(b'{').is_err() {
        return found;
    }
    while let Ok(Some(key)) = scan.next_key() {
        let Ok(value) = scan.value() else { break };
        if unescape(key.of(marker)).as_deref() == Some("ttl") {
            let text = unescape(value.of(marker));
            found = text.and_then(|text| Ttl::parse(&text)).unwrap_or(found);
        }
    }
    found
}

/// The span between the quotes.
pub(super) const fn inner(literal: Span) -> Span {
    Span::new(
        literal.start.saturating_add(1),
        literal.end.saturating_sub(1),
    )
}

/// Whether a text, given as it is spelled, is empty or only whitespace.
pub(super) fn is_blank(mut text: &[u8]) -> bool {
    loop {
        text = match text {
            [] => return true,
            [b' ' | b'\n' | b'\t' | b'\r', rest @ ..]
            | [b'\\', b'n' | b't' | b'r' | b'f', rest @ ..] => rest,
            [b'\\', b'u', rest @ ..] => {
                let (digits, after) = rest.split_at_checked(4).unwrap_or((rest, &[]));
                let code = std::str::from_utf8(digits).ok();
                let code = code.and_then(|code| u32::from_str_radix(code, 16).ok());
                match code.and_then(char::from_u32) {
                    Some(letter) if letter.is_whitespace() => after,
                    _ => return false,
                }
            }
            [first, ..] if first.is_ascii() => return false,
            _ => {
                let start = text.get(..text.len().min(4)).unwrap_or_default();
                let letter = start
                    .utf8_chunks()
                    .next()
                    .and_then(|c| c.valid().chars().next());
                match letter {
                    Some(letter) if letter.is_whitespace() => {
                        text.get(letter.len_utf8()..).unwrap_or_default()
                    }
                    _ => return false,
                }
            }
        };
    }
}
