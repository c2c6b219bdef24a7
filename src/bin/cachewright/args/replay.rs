//! Arguments of `replay`.

use std::path::PathBuf;

use cachewright::adapter::replay::{Policy, Reads};
use cachewright::model::Regime;
use clap::{Args, ValueEnum};

use super::bound::share;
use super::{Format, MarkersArg, ModeArg, TtlArg};

const EXAMPLES: &str = "\
Examples:
  cachewright replay requests.jsonl
  cachewright replay logs/ --json > report.json
  cachewright replay logs/ --mode observe
  cachewright replay requests.jsonl.xz --emit sent.jsonl
  cachewright replay requests.jsonl --policy auto --emit-plan plan.jsonl
  cachewright replay monday.jsonl --state history.json
  cachewright replay traces.jsonl.xz --keep-alive --read 0.05
  cachewright replay traces.jsonl.xz --regime 30m --policy keep:3

Input, one JSON object per line, plain or .xz:
  {\"t\": seconds, \"end\": seconds?, \"session\": id?, \"tenant\": id?, \"route\": name?,
   \"provider\": \"anthropic\", \"dialect\": name?, \"model\": name?, \"request\": body,
   \"usage\": usage?, \"first_byte\": seconds?}
or session files: {\"v\": 1, \"id\", \"dialect\", \"tools\"?, \"system\"?, \"msgs\": […], \"reqs\": […]},
or traces of block hashes: {\"id\", \"block\": tokens, \"reqs\": [{\"t\", \"in\", \"keep\", \"runs\", …}]} per
session, or {\"timestamp\": ms, \"input_length\", \"hash_ids\"} per request (Mooncake).

Exit codes: 0 done, 1 an input failed (the others are still reported), 2 unusable command line.";

/// Replay recorded traffic through the engine the layers use, against the simulator.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a flag of the command line is a bool"
)]
pub(crate) struct Replay {
    /// Files of timed requests or sessions, or directories of such files (*.jsonl, *.jsonl.xz).
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(crate) inputs: Vec<PathBuf>,
    /// How the report is printed.
    #[command(flatten)]
    pub(crate) format: Format,
    /// How far the engine may change a request.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) mode: ModeArg,
    /// Who places the markers of the replayed requests.
    /// engine, default (five minutes on the system prompt's end and the tail), hour (the same for one
    /// hour), auto (the automatic marker), own, none, or keep:N (as default, with N pings a pause).
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub(crate) policy: Policy,
    /// What the engine does with markers the caller placed.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) markers: MarkersArg,
    /// The lifetime class the engine writes with; without it the traffic decides.
    #[arg(long, value_enum)]
    pub(crate) ttl: Option<TtlArg>,
    /// The model that stands in where a session ran on one that is not Claude. PROVIDER/MODEL has
    /// every request of a trace of hashes go there, whatever it was recorded with.
    #[arg(long, value_name = "MODEL", default_value = "claude-sonnet-4-5")]
    pub(crate) model: String,
    /// Have requests of traces go to the first model of a catalogue that caches in this way.
    #[arg(long, value_enum, value_name = "REGIME", conflicts_with = "model")]
    pub(crate) regime: Option<RegimeArg>,
    /// What a read costs, as a share of plain input such as 0.05, instead of what the rows say.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) read: Option<u32>,
    /// Where a read of a trace of hashes may end.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) reads: ReadsArg,
    /// Let the engine keep idle conversations warm by pings, within wide budgets.
    #[arg(long)]
    pub(crate) keep_alive: bool,
    /// Leave out the comparison with other policies and with the bound.
    #[arg(long)]
    pub(crate) alone: bool,
    /// Write every request as it was sent, one JSON line each.
    #[arg(long, value_name = "FILE")]
    pub(crate) emit: Option<PathBuf>,
    /// Write the breakpoints and changes of every request, without the bodies.
    #[arg(long, value_name = "FILE")]
    pub(crate) emit_plan: Option<PathBuf>,
    /// Start from the engine's history in this file, if it is there, and store the history in it
    /// afterwards. Takes one input and `--policy engine`; without it each input starts empty.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
}

/// Where a read of a trace may end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReadsArg {
    /// Where an entry ends, as providers' pages say.
    #[default]
    Entries,
    /// On any block that is alive, as in published replays.
    Blocks,
}

impl From<ReadsArg> for Reads {
    fn from(reads: ReadsArg) -> Self {
        match reads {
            ReadsArg::Entries => Self::Entries,
            ReadsArg::Blocks => Self::Blocks,
        }
    }
}

/// How a provider decides what it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RegimeArg {
    /// At markers, for five minutes or an hour.
    #[value(name = "5m")]
    Breakpoints,
    /// At markers exactly, for half an hour.
    #[value(name = "30m")]
    Exact,
    /// By itself, without a fee.
    Automatic,
}

impl From<RegimeArg> for Regime {
    fn from(regime: RegimeArg) -> Self {
        match regime {
            RegimeArg::Breakpoints => Self::Breakpoints,
            RegimeArg::Exact => Self::Exact,
            RegimeArg::Automatic => Self::Automatic,
        }
    }
}
