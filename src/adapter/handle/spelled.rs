//! How a configuration spells fan-outs and holdouts.

use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::model::{FanOut, Share};

/// For how long a call may be held up, such as `5s`.
pub(super) struct Wait(pub(super) Duration);

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const MOST: u64 = 60_000;
        let text = String::deserialize(deserializer)?;
        let millis = match text.strip_suffix("ms") {
            Some(number) => number.parse().ok(),
            None => text.strip_suffix('s').and_then(|number| {
                let seconds: u64 = number.parse().ok()?;
                seconds.checked_mul(1000)
            }),
        };
        let millis = millis.filter(|millis| (1..=MOST).contains(millis));
        millis.map(Duration::from_millis).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no time to hold up a call: write \"1ms\" to \"60s\", such as \"5s\""
            ))
        })
    }
}

/// A share of conversations, such as `5%`.
pub(super) struct Percent(pub(super) Share);

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Share::parse(&text).map(Self).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no share of conversations: write \"0%\" to \"100%\", such as \"5%\""
            ))
        })
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FanOutName {
    Off,
    Wait,
}

impl From<FanOutName> for FanOut {
    fn from(name: FanOutName) -> Self {
        match name {
            FanOutName::Off => Self::Off,
            FanOutName::Wait => Self::Wait,
        }
    }
}
