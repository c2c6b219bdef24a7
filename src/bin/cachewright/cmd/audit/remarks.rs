//! What the figures of an audit rest on, and what they leave out.

use cachewright::adapter::audit::Report;

use super::words::Line;
use crate::story::grouped;

/// What a reader must know to trust the figures.
pub(super) fn remarks(report: &Report) -> Vec<Line> {
    let sources = &report.sources;
    let mut all: Vec<String> = Vec::new();
    let files: Vec<String> = sources
        .files
        .iter()
        .map(|(kind, count)| format!("{} × {kind}", grouped(*count)))
        .collect();
    if !files.is_empty() {
        all.push(format!("Read: {}.", files.join(", ")));
    }
    all.push(
        "Tokens are those billed; dollars are those of the price rows (`cachewright models`), \
         unless the provider said what it charged."
            .to_owned(),
    );
    all.push(
        "Missed tokens are those that the request before had in the cache, or sent, and that \
         this one did not read; what they cost is counted above the price of a read."
            .to_owned(),
    );
    all.extend(half_seen(report));
    if report.unknown_tokens > 0 {
        all.push(format!(
            "No cause can be shown for {} missed tokens.",
            grouped(report.unknown_tokens)
        ));
    }
    all.extend(unpriced(report));
    if report.story.total.unreported > 0 {
        let count = grouped(report.story.total.unreported);
        all.push(format!("{count} requests failed or reported no usage."));
    }
    if sources.repeated > 0 {
        let count = grouped(sources.repeated);
        all.push(format!(
            "{count} responses stand in the logs again and count once."
        ));
    }
    if sources.other_calls > 0 {
        let count = grouped(sources.other_calls);
        all.push(format!("{count} recorded calls are no calls of a model."));
    }
    all.extend(left_out(report));
    all.into_iter()
        .map(|text| Line {
            text,
            first: "  ",
            rest: "    ",
        })
        .collect()
}

/// What the logs leave out of the prompts.
fn half_seen(report: &Report) -> Vec<String> {
    let sources = &report.sources;
    let mut all = Vec::new();
    if sources.messages_only > 0 {
        all.push(format!(
            "Of {} requests these logs hold the messages; system prompt and tools are not in \
             these logs, so that a change there is never shown, only its absence where they were \
             read.",
            grouped(sources.messages_only)
        ));
    }
    if sources.without_prompts > 0 {
        all.push(format!(
            "Of {} requests no prompt is logged: what they missed can hardly be told.",
            grouped(sources.without_prompts)
        ));
    }
    all
}

/// The models that have no prices.
fn unpriced(report: &Report) -> Option<String> {
    let named: Vec<String> = report
        .unpriced
        .iter()
        .map(|(model, exchanges)| match &**model {
            "" => format!("{} to models without a name", grouped(*exchanges)),
            model => format!("{} to `{model}`", grouped(*exchanges)),
        })
        .collect();
    (!named.is_empty()).then(|| {
        format!(
            "Without a price row, so that their tokens count and their dollars do not: {} \
             (add rows with --config).",
            named.join(", ")
        )
    })
}

fn left_out(report: &Report) -> Vec<String> {
    let sources = &report.sources;
    let mut all = Vec::new();
    if sources.skipped_files > 0 {
        let count = grouped(sources.skipped_files);
        all.push(format!("{count} files are no known logs and were skipped:"));
    }
    for (file, why) in &sources.skipped {
        all.push(format!("  {file}: {why}"));
    }
    let named = sources.skipped.len() as u64;
    if sources.skipped_files > named {
        let more = grouped(sources.skipped_files - named);
        all.push(format!("  and {more} more."));
    }
    if sources.faults > 0 {
        let count = grouped(sources.faults);
        all.push(format!(
            "{count} lines or files could not be read, as told above."
        ));
    }
    all
}
