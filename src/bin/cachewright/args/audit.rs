//! Arguments of `cachewright audit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::report::Form;

const EXAMPLES: &str = "\
Examples:
  cachewright audit ~/.claude/projects
  cachewright audit ~/.codex/sessions --by session --top 20
  cachewright audit logs/ --json > audit.json
  cachewright audit recorded.har usage.jsonl --md
  cachewright audit ledger.db --html audit.html

It needs no key and no network, and writes nothing but what you ask for. Files are told apart by
what stands in them, plain or .xz:
  session directories of Claude Code and Codex; session files and timed requests as `replay` reads
  them; recorded HTTP exchanges and HAR files; usage in JSON Lines, a response body or a usage
  object per line; our ledger (SQLite, postgres://…) and its export as JSON Lines.

Exit codes: 0 done, 1 something could not be read (the rest is still told), 2 unusable command line.";

/// Read logs you already have and tell what caching cost and lost there.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Audit {
    /// Files and directories of logs, or the URL of a ledger in Postgres.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) inputs: Vec<PathBuf>,
    /// What the table, or the CSV, is told by.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: AuditBy,
    /// Lines of the table.
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub(crate) top: usize,
    #[command(flatten)]
    pub(crate) form: Form,
    /// Write the report as one self-contained page as well.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuditBy {
    /// Sessions, those that lost most first.
    #[default]
    Session,
    /// Causes, with what shows them.
    Cause,
    /// Models.
    Model,
    /// Routes: the project, for coding agents.
    Route,
}
