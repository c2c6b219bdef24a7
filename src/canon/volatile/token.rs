//! Random tokens: UUIDs, ULIDs, hexadecimal, base64url, ids with a prefix.

/// Longer runs are data, not names.
const LONGEST: usize = 256;
/// The fewest hexadecimal digits that speak for themselves; colours and short hashes have fewer.
const LEAST_HEX: usize = 16;
/// The fewest characters of base64url that speak for themselves.
const LEAST_BASE64: usize = 20;

/// Prefixes under which providers and frameworks hand out ids.
const PREFIXES: [&[u8]; 26] = [
    b"req",
    b"msg",
    b"toolu",
    b"srvtoolu",
    b"resp",
    b"chatcmpl",
    b"call",
    b"fc",
    b"rs",
    b"run",
    b"thread",
    b"sess",
    b"session",
    b"conv",
    b"trace",
    b"span",
    b"evt",
    b"event",
    b"job",
    b"task",
    b"ws",
    b"usr",
    b"user",
    b"org",
    b"batch",
    b"msgbatch",
];

/// UUIDs that stand in documentation as examples, without their dashes.
const EXAMPLES: [&[u8]; 3] = [
    b"123e4567e89b12d3a456426614174000",
    b"550e8400e29b41d4a716446655440000",
    b"00000000000000000000000000000000",
];

pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// The run of base64url characters that `text` begins with.
pub(super) fn run(text: &[u8]) -> &[u8] {
    let inside = |byte: &&u8| is_word(**byte) || **byte == b'-';
    let count = text.iter().take_while(inside).count();
    text.get(..count).unwrap_or_default()
}

/// The length of the UUID that `run` is.
pub(super) fn uuid(run: &[u8]) -> Option<usize> {
    let hyphens = [8, 13, 18, 23];
    let fits = run.len() == 36
        && run.iter().enumerate().all(|(at, byte)| {
            if hyphens.contains(&at) {
                *byte == b'-'
            } else {
                byte.is_ascii_hexdigit()
            }
        });
    if !fits {
        return None;
    }
    let digits: Vec<u8> = run
        .iter()
        .filter(|byte| **byte != b'-')
        .map(u8::to_ascii_lowercase)
        .collect();
    (!EXAMPLES.contains(&digits.as_slice())).then_some(36)
}

/// Whether `run` is a ULID: 26 characters of Crockford's base 32, the first below 8.
pub(super) fn is_ulid(run: &[u8]) -> bool {
    let crockford = |byte: &u8| {
        byte.is_ascii_digit()
            || byte.is_ascii_uppercase() && !matches!(byte, b'I' | b'L' | b'O' | b'U')
    };
    run.len() == 26
        && matches!(run.first(), Some(b'0'..=b'7'))
        && run.iter().all(crockford)
        && count(run, u8::is_ascii_digit) >= 4
        && count(run, u8::is_ascii_uppercase) >= 4
}

/// Whether `run` is a random token by its looks alone.
pub(super) fn is_nonce(run: &[u8]) -> bool {
    (LEAST_HEX..=LONGEST).contains(&run.len()) && is_hex(run)
        || (LEAST_BASE64..=LONGEST).contains(&run.len()) && is_random(run)
        || is_prefixed(run)
}

/// Hexadecimal of one case, with digits and letters among it.
pub(super) fn is_hex(run: &[u8]) -> bool {
    let lower = count(run, |byte| matches!(byte, b'a'..=b'f'));
    let upper = count(run, |byte| matches!(byte, b'A'..=b'F'));
    let digits = count(run, u8::is_ascii_digit);
    digits > 0 && digits + lower.max(upper) == run.len() && lower.max(upper) > 0
}

/// Whether letters and digits of both cases alternate as they do in no name.
fn is_random(run: &[u8]) -> bool {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    };
    let turns = run
        .windows(2)
        .filter(|pair| matches!(pair, [one, other] if class(*one) != class(*other)))
        .count();
    let signs = count(run, |byte| !byte.is_ascii_alphanumeric());
    let letters = count(run, u8::is_ascii_alphabetic);
    count(run, u8::is_ascii_digit) >= 2
        && letters >= 4
        && signs * 8 <= run.len()
        && turns * 3 >= run.len()
}

/// `req_011CS…`, `chatcmpl-B9…`, and what else a known prefix begins.
fn is_prefixed(run: &[u8]) -> bool {
    let Some(end) = run.iter().position(|byte| matches!(byte, b'_' | b'-')) else {
        return false;
    };
    let (prefix, tail) = run.split_at(end);
    let tail = tail.get(1..).unwrap_or_default();
    PREFIXES.contains(&prefix) && (8..=LONGEST).contains(&tail.len()) && is_mixed(tail)
}

/// Whether a tail is drawn rather than written: digits among letters, in one piece.
pub(super) fn is_mixed(tail: &[u8]) -> bool {
    let digits = count(tail, u8::is_ascii_digit);
    let letters = count(tail, u8::is_ascii_alphabetic);
    digits >= 2 && letters >= 2 && digits + letters + 2 >= tail.len()
}

pub(super) fn count(run: &[u8], is: impl Fn(&u8) -> bool) -> usize {
    run.iter().filter(|byte| is(byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tokens_are_told_from_names() {
        for text in [
            "req_011CSHoEeqs5C35K2UUqR7Fy",
            "toolu_01PU4UVwSzn4N9oF7G8Kk7t8",
            "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
            "4bf92f3577b34da6",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
            "dGhpcyBpcyBhIHRlc3Q5X1k3",
        ] {
            assert!(is_nonce(text.as_bytes()), "{text}");
        }
        for text in [
            "claude-sonnet-4-5-20250929",
            "getHTTPResponseV2FromServer1",
            "us-east-1-production-cluster-2",
            "text_editor_20250124",
            "feedface",
            "1234567890123456",
            "user_preferences",
            "session_timeout_seconds",
            "call_function_by_name",
            "abcdefabcdefabcdef",
            "MAX_RETRY_COUNT_PER_REQUEST_V2",
        ] {
            assert!(!is_nonce(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn uuids_and_ulids_have_their_shape() {
        assert_eq!(uuid(b"3f2504e0-4f89-41d3-9a0c-0305e82c3301"), Some(36));
        assert_eq!(uuid(b"123e4567-e89b-12d3-a456-426614174000"), None);
        assert_eq!(uuid(b"3f2504e0-4f89-41d3-9a0c-0305e82c330"), None);
        assert!(is_ulid(b"01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        assert!(!is_ulid(b"ABCDEFGHJKMNPQRSTVWXYZABCD"));
    }
}
