//! An audit as JSON.

use cachewright::adapter::audit::{Reason, Report, Session};
use cachewright::ledger::{Group, Totals};
use serde_json::{Value, json};

use crate::story::money;
use crate::times::rfc3339;

pub(super) fn json(report: &Report, top: usize) -> String {
    let story = &report.story;
    let sources = &report.sources;
    let by = |group: Group| -> Vec<Value> {
        let sums = story.by.get(&group).into_iter().flatten();
        sums.map(|(label, totals)| json!({"label": label, "totals": sums_of(totals)}))
            .collect()
    };
    let skipped: Vec<Value> = sources
        .skipped
        .iter()
        .map(|(file, why)| json!({"file": file, "why": why}))
        .collect();
    let unpriced: Vec<Value> = report
        .unpriced
        .iter()
        .map(|(model, exchanges)| json!({"model": model, "exchanges": exchanges}))
        .collect();
    let sessions = report.sessions.iter().take(top).map(session);
    let all = json!({
        "from": story.from.map(rfc3339),
        "until": story.until.map(rfc3339),
        "total": sums_of(&story.total),
        "could_save": money(report.could_save),
        "avoidable": money(report.avoidable),
        "never_read": story.never_read,
        "unknown_tokens": report.unknown_tokens,
        "causes": report.reasons.iter().map(reason).collect::<Vec<_>>(),
        "sessions": sessions.collect::<Vec<_>>(),
        "sessions_seen": report.sessions_seen,
        "models": by(Group::Model),
        "routes": by(Group::Route),
        "unpriced": unpriced,
        "sources": {
            "files": sources.files,
            "skipped": skipped,
            "skipped_files": sources.skipped_files,
            "faults": sources.faults,
            "repeated_responses": sources.repeated,
            "other_calls": sources.other_calls,
            "exchanges_without_prompts": sources.without_prompts,
            "exchanges_with_messages_only": sources.messages_only,
            "bytes": sources.bytes,
        },
    });
    serde_json::to_string_pretty(&all).unwrap_or_default() + "\n"
}

fn reason(reason: &Reason) -> Value {
    let sum = &reason.sum;
    json!({
        "cause": sum.cause.as_str(),
        "evidence": reason.evidence.as_str(),
        "meaning": reason.evidence.sentence(),
        "advice": reason.evidence.advice(sum.cause),
        "avoidable": sum.cause.is_avoidable(),
        "misses": sum.misses,
        "missed_tokens": sum.tokens,
        "lost": money(sum.cost),
    })
}

fn session(session: &Session) -> Value {
    let mut totals = sums_of(&session.totals);
    // What nobody read is not told apart by session.
    if let Some(totals) = totals.as_object_mut() {
        totals.remove("never_read");
    }
    json!({
        "session": session.name,
        "route": session.route,
        "from": session.from.map(rfc3339),
        "until": session.until.map(rfc3339),
        "worst_cause": session.worst.map(|cause| cause.as_str()),
        "totals": totals,
    })
}

fn sums_of(totals: &Totals) -> Value {
    let usage = totals.usage;
    json!({
        "exchanges": totals.exchanges,
        "unreported": totals.unreported,
        "unpriced": totals.unpriced,
        "plain_tokens": usage.plain,
        "read_tokens": usage.read,
        "write_5m_tokens": usage.write_5m,
        "write_30m_tokens": usage.write_30m,
        "write_1h_tokens": usage.write_1h,
        "output_tokens": usage.output,
        "hit_rate": totals.hit_rate(),
        "read_of_readable": totals.read_of_readable(),
        "cost": money(totals.cost),
        "cost_without_caching": money(totals.cost_without_caching),
        "saved": money(totals.savings()),
        "misses": totals.misses,
        "missed_tokens": totals.missed,
        "lost": money(totals.missed_cost),
        "never_read": money(totals.waste),
    })
}
