//! Who may read the admin port.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, HeaderMap};

use crate::adapter::proxy::token::{self, Token};
use crate::error::Error;

/// The proxy's own rule, for readers of this port.
pub(super) struct Guard(Option<Token>);

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It did not show the token.
    Token,
    /// It goes by a name that may be anybody's.
    Name,
}

impl Guard {
    /// # Errors
    /// When the address is open to others and there is no token.
    pub(super) fn new(listen: SocketAddr, token: Option<&str>) -> Result<Self, Error> {
        let token = token.filter(|token| !token.is_empty());
        if !listen.ip().is_loopback() && token.is_none() {
            return Err(Error::config(format!(
                "the admin port on {listen} would show others in the network what you spend: set \
                 client_token (or CACHEWRIGHT_CLIENT_TOKEN), or let it listen on 127.0.0.1"
            )));
        }
        Ok(Self(token.map(Token::new)))
    }

    pub(super) fn admits(&self, headers: &mut HeaderMap) -> Result<(), Refused> {
        let Some(token) = &self.0 else {
            let named = headers.get(HOST).is_none_or(|host| {
                let host = host.to_str().unwrap_or_default();
                is_own(host)
            });
            return named.then_some(()).ok_or(Refused::Name);
        };
        let by_dialog = headers
            .get(AUTHORIZATION)
            .and_then(|value| password(value.as_bytes()))
            .is_some_and(|shown| token.is(&shown));
        let shown = by_dialog || token::admit(Some(token), headers);
        shown.then_some(()).ok_or(Refused::Token)
    }
}

/// Whether a request to this host cannot have been led here by a name of somebody else's: an address,
/// or the loopback's own name.
fn is_own(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

/// The password of a browser's dialog (RFC 7617).
fn password(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = STANDARD.decode(rest.trim_ascii()).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon + 1..).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(token: Option<&str>, header: (&'static str, &str)) -> Result<(), Refused> {
        let mut headers = HeaderMap::new();
        headers.insert(header.0, header.1.parse().unwrap());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Guard::new(address, token).unwrap().admits(&mut headers)
    }

    #[test]
    fn a_token_is_asked_for_in_every_way_a_reader_can_show_it() {
        let dialog = format!("Basic {}", STANDARD.encode("me:t-1"));
        for header in [
            ("x-cachewright-token", "t-1"),
            ("authorization", "Bearer t-1"),
            ("authorization", &dialog),
        ] {
            assert_eq!(verdict(Some("t-1"), header), Ok(()));
            assert_eq!(verdict(Some("t-2"), header), Err(Refused::Token));
        }
        let host = ("host", "127.0.0.1");
        assert_eq!(verdict(Some("t-1"), host), Err(Refused::Token));
    }

    #[test]
    fn without_a_token_only_own_names_are_answered() {
        for (host, expected) in [
            ("127.0.0.1:4041", Ok(())),
            ("LocalHost:4041", Ok(())),
            ("[::1]:4041", Ok(())),
            ("[::1]", Ok(())),
            ("evil.example:4041", Err(Refused::Name)),
            ("localhost.evil.example", Err(Refused::Name)),
        ] {
            assert_eq!(verdict(None, ("host", host)), expected, "{host}");
        }
    }

    #[test]
    fn nobody_else_is_let_in_without_a_token() {
        let open = SocketAddr::from(([0, 0, 0, 0], 4041));
        for token in [None, Some("")] {
            let said = Guard::new(open, token).err().unwrap();
            assert!(said.is_config() && said.to_string().contains("client_token"));
        }
        assert!(Guard::new(open, Some("t")).is_ok());
    }
}
