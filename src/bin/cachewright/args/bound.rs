//! Arguments of `bound`.

use std::path::PathBuf;

use cachewright::adapter::bounds::Regime;
use clap::{Args, ValueEnum};

use super::Format;

const EXAMPLES: &str = "\
Examples:
  cachewright bound requests.jsonl
  cachewright bound traces.jsonl.xz --regime 5m --regime pings
  cachewright bound traces.jsonl.xz --read 0.10 --read 0.05 --read 0.025
  cachewright bound logs/ --prices claude-opus-4-5 --json
  cachewright bound requests.jsonl --prices openai/gpt-5.6 --regime 30m

No policy costs less than the bound. The clairvoyant knows every request of the file and obeys what
binds a request: four breakpoints, one hour before five minutes, the shortest prefix, and that an
entry is read only when its writer's answer has begun.

Input: what `replay` reads, requests, sessions and traces of block hashes, plain or .xz.

Exit codes: 0 done, 1 an input failed (the others are still reported), 2 unusable command line.";

/// Print what recorded traffic costs at least, and what a clairvoyant would pay.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Bound {
    /// Files of requests, sessions or traces, or directories of such files (*.jsonl, *.jsonl.xz).
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) inputs: Vec<PathBuf>,
    /// How the report is printed.
    #[command(flatten)]
    pub(crate) format: Format,
    /// Only these: repeat it for several.
    #[arg(long, value_enum, value_name = "REGIME")]
    pub(crate) regime: Vec<RegimeArg>,
    /// Bill every request at this model's prices: a model of Anthropic's, or PROVIDER/MODEL.
    #[arg(long, value_name = "MODEL")]
    pub(crate) prices: Option<String>,
    /// What a read costs, as a share of plain input such as 0.05, instead of what the row says;
    /// repeat it for several.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) read: Vec<u32>,
    /// The model that stands in where a session ran on one that is not Claude.
    #[arg(long, value_name = "MODEL", default_value = "claude-sonnet-4-5")]
    pub(crate) model: String,
    /// Leave out the clairvoyant, which takes most of the time.
    #[arg(long)]
    pub(crate) lower_only: bool,
}

/// What is on sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RegimeArg {
    /// Five-minute entries.
    #[value(name = "5m")]
    Short,
    /// Five-minute and one-hour entries.
    #[value(name = "5m+1h")]
    Both,
    /// Five-minute and one-hour entries, and pings.
    Pings,
    /// Half-hour entries.
    #[value(name = "30m")]
    HalfHour,
    /// A cache that decides by itself, takes no fee and keeps for ten minutes.
    NoFee,
}

impl From<RegimeArg> for Regime {
    fn from(arg: RegimeArg) -> Self {
        match arg {
            RegimeArg::Short => Self::Short,
            RegimeArg::Both => Self::Both,
            RegimeArg::Pings => Self::Pings,
            RegimeArg::HalfHour => Self::HalfHour,
            RegimeArg::NoFee => Self::NoFee,
        }
    }
}

/// Reads a share from 0 to 1 with at most six decimals, in millionths.
pub(super) fn share(text: &str) -> Result<u32, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole = if whole.is_empty() { "0" } else { whole };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = (digits(whole) && digits(fraction) && fraction.len() <= 6)
        .then(|| format!("{whole}{fraction:0<6}").parse::<u32>().ok());
    let parts = parts.flatten().filter(|parts| *parts <= 1_000_000);
    parts.ok_or_else(|| "write a share of the input price from 0 to 1, such as 0.05".to_owned())
}
