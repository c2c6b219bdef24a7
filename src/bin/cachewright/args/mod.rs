//! The command line.

mod audit;
mod bound;
mod explain;
mod ledger;
mod lint;
mod probe;
mod replay;
mod report;
mod route;
mod tune;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cachewright::model::{Markers, Mode, Ttl};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use audit::{Audit, AuditBy};
pub(crate) use bound::Bound;
pub(crate) use explain::Explain;
pub(crate) use ledger::{Export, ExportFormat, Info, Ledger, LedgerCommand, Place, Span};
pub(crate) use lint::{FailOn, Lint};
pub(crate) use probe::Probe;
pub(crate) use replay::Replay;
pub(crate) use report::{Report, Shape};
pub(crate) use route::Route;
pub(crate) use tune::Tune;

/// Makes LLM prompt caches pay.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, subcommand_required = true)]
pub(crate) struct Cli {
    /// Rows of providers and models to add to the built-in ones (TOML); for `proxy`, `route`,
    /// `report`, `ledger` and `explain ID`, its settings.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read logs you already have and tell what caching cost and lost there.
    Audit(Audit),
    /// Tell what caching saved, wasted and could save, from the ledger.
    Report(Report),
    /// Say why one request did not read what another had written.
    Explain(Explain),
    /// Find what will break caching in a request before it is sent.
    Lint(Lint),
    /// Rank changes of settings and prompts by the dollars each would have saved.
    Tune(Tune),
    /// Look after the ledger: export its rows.
    Ledger(Ledger),
    /// Replay recorded traffic in virtual time and print what it costs.
    Replay(Replay),
    /// Print what recorded traffic costs at least, and what a clairvoyant would pay.
    Bound(Bound),
    /// Find out how an endpoint's cache really behaves, for little money and with your own key.
    Probe(Probe),
    /// Serve a simulated provider that caches, refuses and bills as the real one does.
    Sim(Sim),
    /// Serve providers through a proxy that caches well, for clients in any language.
    Proxy(Proxy),
    /// Say where a call to a route would go, and what speaks against the others.
    Route(Route),
    /// Print the known models with limits, prices, source and date.
    Models(Models),
    /// Show what the layer saves: lifelike traffic against a simulated provider, no key needed.
    Demo(Demo),
}

/// A table unless something else is asked for.
#[derive(Clone, Copy, Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag of the command line is a bool"
)]
pub(crate) struct Format {
    /// Print JSON: tokens and picodollars as integers, dollars as decimal strings.
    #[arg(long)]
    json: bool,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Table,
    Json,
    Csv,
}

impl Format {
    pub(crate) const fn style(self) -> Style {
        match (self.json, self.csv) {
            (true, _) => Style::Json,
            (false, true) => Style::Csv,
            (false, false) => Style::Table,
        }
    }
}

const SIM_EXAMPLES: &str = "\
Examples:
  cachewright sim
  cachewright sim --listen 127.0.0.1:0 --first-byte-ms 300
  ANTHROPIC_BASE_URL=http://127.0.0.1:8788 your-client

Time moves on request: POST /admin/clock {\"advance\": 300}, or header x-sim-time: seconds.";

/// Serve the providers over HTTP, with their documented cache rules.
#[derive(Debug, Args)]
#[command(after_help = SIM_EXAMPLES)]
pub(crate) struct Sim {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8788")]
    pub(crate) listen: SocketAddr,
    /// Milliseconds from a request to the first byte of its answer.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) first_byte_ms: u64,
    /// Milliseconds between two events of a streamed answer.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub(crate) between_chunks_ms: u64,
    /// The provider that is meant where several serve a path and the request names none.
    #[arg(long, value_name = "NAME", default_value = "anthropic")]
    pub(crate) provider: String,
    /// How many of the last requests `GET /admin/requests` returns.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) keep_requests: usize,
    /// Give the same small answer to everything, without any cache: for measuring.
    #[arg(long)]
    pub(crate) constant: bool,
}

const PROXY_EXAMPLES: &str = "\
Examples:
  cachewright proxy
  cachewright proxy --port 8080 --grace 5s
  cachewright proxy --config cachewright.toml --rows models.toml
  cachewright proxy --config routes.toml --admin 127.0.0.1:9090
  cachewright proxy --ledger postgres://writer@db/cachewright
  ANTHROPIC_BASE_URL=http://127.0.0.1:4040 your-client
  OPENAI_BASE_URL=http://127.0.0.1:4040/v1 your-client

The report is at http://127.0.0.1:4041/, and /metrics beside it is for Prometheus.
A request to /NAME/… goes to the route or upstream of that name, any other one by the route that
its model names, or by its path. The configuration is read again when the file changes, and on SIGHUP.
CACHEWRIGHT_CLIENT_TOKEN, if set, is what clients must show: x-cachewright-token, or as API key.";

/// Serve providers over HTTP, with breakpoints placed and usage accounted for.
///
/// Clients set their base URL to the proxy's address. SIGINT and SIGTERM end it: open responses
/// may finish, and the report is printed.
#[derive(Debug, Args)]
#[command(after_help = PROXY_EXAMPLES)]
pub(crate) struct Proxy {
    /// Where to listen, instead of what the configuration says or 127.0.0.1:4040.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// The port on 127.0.0.1 to listen on; 0 takes a free one.
    #[arg(long, value_name = "PORT", conflicts_with = "listen")]
    pub(crate) port: Option<u16>,
    /// Where the report and the metrics are: an address, or `off`; 127.0.0.1:4041 unless the
    /// configuration says otherwise.
    #[arg(long, value_name = "ADDRESS|off")]
    pub(crate) admin: Option<String>,
    /// How long open responses may go on after a signal, such as 30s, 500ms or 2m.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) grace: Duration,
    /// Rows of providers and models to add to the built-in ones (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) rows: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Keep no ledger.
    #[arg(long, conflicts_with = "ledger")]
    pub(crate) no_ledger: bool,
}

/// Reads `500ms`, `30s` or `2m`; a bare number is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|ch: char| !ch.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number = number.parse::<u64>().ok();
    let found = number.and_then(|number| match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" | "" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    });
    found.ok_or_else(|| "write a time such as 30s, 500ms or 2m".into())
}

/// Print the known models with limits, prices, source and date.
#[derive(Debug, Args)]
pub(crate) struct Models {
    /// Only this provider, with the models of others that it serves.
    #[arg(long, value_name = "NAME")]
    pub(crate) provider: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what the layer saves, over loopback HTTP and in virtual time.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum ModeArg {
    /// Change nothing, measure only.
    Observe,
    /// Add breakpoints; nothing the model reads changes.
    #[default]
    Place,
    /// Also spell tools and tool inputs canonically.
    Reshape,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum MarkersArg {
    /// Kept where they are, counted against the limit.
    #[default]
    Keep,
    /// Removed and planned anew.
    Replace,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum TtlArg {
    /// Five minutes.
    #[value(name = "5m")]
    FiveMinutes,
    /// Half an hour, where the provider sells it.
    #[value(name = "30m")]
    HalfHour,
    /// One hour.
    #[value(name = "1h")]
    OneHour,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Observe => Self::Observe,
            ModeArg::Place => Self::Place,
            ModeArg::Reshape => Self::Reshape,
        }
    }
}

impl From<MarkersArg> for Markers {
    fn from(markers: MarkersArg) -> Self {
        match markers {
            MarkersArg::Keep => Self::Keep,
            MarkersArg::Replace => Self::Replace,
        }
    }
}

impl From<TtlArg> for Ttl {
    fn from(ttl: TtlArg) -> Self {
        match ttl {
            TtlArg::FiveMinutes => Self::FiveMinutes,
            TtlArg::HalfHour => Self::HalfHour,
            TtlArg::OneHour => Self::OneHour,
        }
    }
}
