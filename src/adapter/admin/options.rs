//! Where the admin port listens.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::Spanned;

use crate::adapter::mistake;
use crate::error::Error;

/// Where the admin port listens, and for whom.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct AdminOptions {
    /// What the proxy's clients must show, and readers of this port as well.
    pub client_token: Option<Box<str>>,
    wish: Wish,
}

#[derive(Clone, Copy, Debug, Default)]
enum Wish {
    /// Nobody said anything.
    #[default]
    None,
    Off,
    At(SocketAddr),
}

/// Where it listens unless somebody says otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4041);

/// The member it reads; the others are somebody else's.
#[derive(Deserialize)]
struct File {
    admin: Option<Spanned<String>>,
    #[serde(flatten)]
    _others: BTreeMap<String, IgnoredAny>,
}

impl AdminOptions {
    /// Listens at this address, or, at `off`, nowhere; port 0 takes a free one.
    ///
    /// # Errors
    /// When it is neither.
    pub fn at(mut self, place: &str) -> Result<Self, Error> {
        self.wish = match place {
            "off" => Wish::Off,
            _ => Wish::At(place.parse().map_err(|_| {
                Error::config(format!(
                    "`{place}` is no address to listen on: write 127.0.0.1:4041, or off"
                ))
            })?),
        };
        Ok(self)
    }

    /// These options with what the TOML `text` sets: `admin`. `file` is the name that errors carry.
    ///
    /// # Errors
    /// Names the file, the line and the fix.
    pub fn config(self, file: &str, text: &str) -> Result<Self, Error> {
        let read: File =
            toml::from_str(text).map_err(|error| mistake::toml((file, text), &error))?;
        let Some(place) = read.admin else {
            return Ok(self);
        };
        self.at(place.get_ref())
            .map_err(|error| mistake::at((file, text), place.span(), &error.to_string()))
    }

    pub(super) const fn is_default(&self) -> bool {
        matches!(self.wish, Wish::None)
    }

    pub(super) const fn address(&self) -> Option<SocketAddr> {
        match self.wish {
            Wish::None => Some(DEFAULT),
            Wish::Off => None,
            Wish::At(address) => Some(address),
        }
    }
}

impl fmt::Debug for AdminOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminOptions")
            .field("wish", &self.wish)
            .field("guarded", &self.client_token.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_where_and_mistakes_name_their_line() {
        let at = |text: &str| AdminOptions::default().config("p.toml", text);
        assert_eq!(at("mode = \"place\"").unwrap().address(), Some(DEFAULT));
        assert_eq!(at("admin = \"off\"").unwrap().address(), None);
        let chosen = at("admin = \"127.0.0.1:9\"").unwrap();
        assert!(!chosen.is_default());
        assert_eq!(chosen.address().unwrap().port(), 9);
        let said = at("\nadmin = \"4041\"").unwrap_err().to_string();
        for part in ["p.toml:2", "`4041`", "127.0.0.1:4041", "off"] {
            assert!(said.contains(part), "{said}");
        }
    }
}
