//! Where a provider is reached: patterns of hosts and paths, and what they capture.

use std::borrow::Cow;

/// What a path says beside being a provider's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Captured {
    /// The model's id, decoded.
    pub(super) model: Option<String>,
    /// The location, where the path names one.
    pub(super) location: Option<String>,
    /// Everything else that was captured, such as project and location: caches do not cross it.
    pub(super) place: String,
}

/// Whether `host` is one of those that `pattern` describes; a star stands for one or more
/// characters. A pattern without a port holds for any port.
pub(super) fn is_host(pattern: &str, host: &str) -> bool {
    let bare = host.split(':').next().unwrap_or_default();
    [host, bare]
        .into_iter()
        .any(|host| match pattern.split_once('*') {
            None => pattern == host,
            Some((head, tail)) => host
                .strip_prefix(head)
                .and_then(|rest| rest.strip_suffix(tail))
                .is_some_and(|middle| !middle.is_empty()),
        })
}

/// Matches a path against a pattern such as `/model/{model:anthropic}/invoke`. A capture takes one
/// segment, or the part of one up to a literal behind it; `{model}` is the model, with a word after
/// the colon only a model that contains it; any other name is part of the place.
pub(super) fn captures(pattern: &str, path: &str) -> Option<Captured> {
    let mut captured = Captured::default();
    let (mut pattern, mut path) = (pattern, path);
    while let Some((literal, rest)) = pattern.split_once('{') {
        path = path.strip_prefix(literal)?;
        let (name, after) = rest.split_once('}')?;
        let literal = after.split(['{', '/']).next().unwrap_or_default();
        let segment = path.split('/').next().unwrap_or_default();
        let end = match literal {
            "" => segment.len(),
            literal => segment.rfind(literal)?,
        };
        let (value, left) = path.split_at_checked(end)?;
        captured.take(name, value)?;
        (pattern, path) = (after, left);
    }
    (pattern == path).then_some(captured)
}

impl Captured {
    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        let value = decoded(value)?;
        if value.is_empty() {
            return None;
        }
        match name.split_once(':').unwrap_or((name, "")) {
            ("model", word) => {
                let fits = value.to_ascii_lowercase().contains(word);
                self.model = Some(value.into_owned());
                fits.then_some(())
            }
            (name, _) => {
                if name == "location" {
                    self.location = Some(value.clone().into_owned());
                }
                self.place.push('/');
                self.place.push_str(&value);
                Some(())
            }
        }
    }
}

/// Undoes percent-encoding; `None` when it is not UTF-8 or broken.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_something() {
        let bedrock = "bedrock-runtime.*.amazonaws.com";
        assert!(is_host(
            bedrock,
            "bedrock-runtime.eu-central-1.amazonaws.com"
        ));
        assert!(is_host(
            bedrock,
            "bedrock-runtime.us-east-1.amazonaws.com:443"
        ));
        assert!(!is_host(bedrock, "bedrock-runtime.amazonaws.com"));
        assert!(!is_host(
            bedrock,
            "bedrock-runtime.x.amazonaws.com.evil.org"
        ));
        assert!(is_host("127.0.0.1:9", "127.0.0.1:9"));
        assert!(!is_host("127.0.0.1:9", "127.0.0.1:8"));
    }

    #[test]
    fn paths_capture_models_and_places() {
        let model = |pattern: &str, path: &str| captures(pattern, path).and_then(|c| c.model);
        assert_eq!(
            model(
                "/model/{model}/converse",
                "/model/us.amazon.nova-lite-v1%3A0/converse"
            ),
            Some("us.amazon.nova-lite-v1:0".into())
        );
        assert_eq!(
            model(
                "/model/{model}/converse",
                "/model/arn%3Aaws%3Abedrock%3Aeu%3A1%3Ax%2Fy/converse"
            ),
            Some("arn:aws:bedrock:eu:1:x/y".into())
        );
        assert_eq!(
            model(
                "/model/{model:anthropic}/invoke",
                "/model/amazon.nova/invoke"
            ),
            None
        );
        let gemini = "/v1beta/models/{model}:generateContent";
        assert_eq!(
            model(gemini, "/v1beta/models/gemini-2.5-flash:generateContent"),
            Some("gemini-2.5-flash".into())
        );
        assert_eq!(
            model(gemini, "/v1beta/models/gemini-2.5-flash:countTokens"),
            None
        );
        assert_eq!(model(gemini, "/v1beta/models/:generateContent"), None);
        let vertex = "/v1/projects/{project}/locations/{location}/publishers/anthropic/models/{model}:rawPredict";
        let path = "/v1/projects/p-1/locations/global/publishers/anthropic/models/claude-opus-4-8:rawPredict";
        let found = captures(vertex, path).expect("matches");
        assert_eq!(found.place, "/p-1/global");
        assert_eq!(found.model.as_deref(), Some("claude-opus-4-8"));
        assert_eq!(
            captures("/v1/messages", "/v1/messages"),
            Some(Captured::default())
        );
        assert_eq!(captures("/v1/messages", "/v1/messages/batches"), None);
        assert_eq!(captures("/m/{model}", "/m/%zz"), None);
    }
}
