//! The same request as the engine would send it, with what that repairs and what it does not.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::{Code, Finding, lint};
use crate::adapter::target::{Target, Told};
use crate::canon::{History, Rule, Rules};
use crate::engine::{Engine, Meta, Settings};
use crate::error::Error;
use crate::model::{Change, Markers, Mode, Timestamp};
use crate::provider::Catalog;

/// A rewritten body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fixed {
    /// The body.
    pub body: Bytes,
    /// What was changed, in the order of the body.
    pub changes: Vec<Change>,
    /// Findings that are gone.
    pub repaired: Vec<Finding>,
    /// Findings that are left, or came with it.
    pub left: Vec<Finding>,
}

/// Rewrites a body: markers placed as in mode `place`, the caller's own placed anew where they were
/// wrong, and the text reshaped by `rules`; without any, by those that the findings name and that
/// leave every text as it is.
///
/// # Errors
/// As [`lint`].
pub fn fix(
    catalog: &Arc<Catalog>,
    body: &Bytes,
    told: &Told,
    rules: Option<Rules>,
) -> Result<Fixed, Error> {
    let before = lint(catalog, body, told)?.list;
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let target = Target::find(catalog, told, &json)?;
    let misplaced = before.iter().any(|finding| misplaced(finding.code));
    let settings = Settings {
        mode: Mode::Reshape,
        rules: rules.unwrap_or_else(|| named(&before)),
        // Whoever rewrites a file speaks for its conversation from then on.
        history: if begins(&json) {
            History::FromFirstTurn
        } else {
            History::Unknown
        },
        markers: if misplaced {
            Markers::Replace
        } else {
            Markers::Keep
        },
        ..Settings::default()
    };
    let engine = Engine::new(Arc::clone(catalog), settings);
    let mut meta = Meta::of(&target.provider.name);
    meta.dialect = target.endpoint.name;
    meta.model = &target.named;
    let prepared = engine.prepare(Timestamp::default(), &meta, body);
    let changes = prepared.changes();
    let body = prepared.body.unwrap_or_else(|| body.clone());
    let left = lint(catalog, &body, told)?.list;
    let stays = |finding: &&Finding| {
        left.iter()
            .filter(|other| other.code == finding.code)
            .count()
    };
    let mut counted = std::collections::BTreeMap::new();
    let repaired = before.iter().filter(|finding| {
        // As many of a code as are left count as not repaired.
        let kept = counted
            .entry(finding.code)
            .or_insert_with(|| stays(finding));
        let gone = *kept == 0;
        *kept = kept.saturating_sub(1);
        gone
    });
    Ok(Fixed {
        repaired: repaired.cloned().collect(),
        body,
        changes,
        left,
    })
}

/// The rules that repair what was found and change no word.
fn named(findings: &[Finding]) -> Rules {
    let rule = |code: Code| {
        if matches!(code, Code::VolatileText | Code::MarkerVolatile) {
            Some(Rule::SplitVolatile)
        } else {
            (code == Code::ToolsRepeated).then_some(Rule::ToolDuplicates)
        }
    };
    findings
        .iter()
        .filter_map(|finding| rule(finding.code))
        .collect()
}

/// Whether the model has not spoken yet, so that no thinking can be bound to what is rewritten.
fn begins(json: &Value) -> bool {
    let turns = ["messages", "input", "contents"];
    let mut turns = turns
        .into_iter()
        .filter_map(|name| json.get(name)?.as_array())
        .flatten();
    let speaks = |turn: &Value| {
        matches!(
            turn.get("role").and_then(Value::as_str),
            Some("assistant" | "model")
        )
    };
    !turns.any(speaks)
}

/// Whether the caller's markers must go for this to be repaired.
const fn misplaced(code: Code) -> bool {
    matches!(
        code,
        Code::MarkerRefused
            | Code::MarkerEmpty
            | Code::TooManyMarkers
            | Code::MarkerTwice
            | Code::MarkerClash
            | Code::MarkerVolatile
            | Code::TtlOrder
            | Code::TtlNotSold
            | Code::AutomaticVolatile
    )
}
