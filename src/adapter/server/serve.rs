//! From a call to its answer: asked of the cache, billed, and diagnosed where the body asks.

use axum::response::Response;
use serde_json::Value;

use super::answers::Answer;
use super::form::Delivery;
use super::routes::Call;
use super::target::Target;
use super::told::{self, Asked};
use super::wish::Wish;
use super::world::World;
use super::{manners, text, zero};
use crate::model::Usage;
use crate::sim::{Ask, Request};

/// The answer, and how it is to travel as far as the body says.
///
/// # Errors
/// The provider's refusal.
pub(super) fn served(
    world: &World,
    call: &Call,
    target: &Target,
) -> Result<(Answer, Delivery), Box<Response>> {
    let mut wish = Wish::read(&call.body, target.key.as_deref());
    if !target.model.is_empty() {
        wish.model = Some(target.model.clone());
    }
    if let Some(refused) = wish.refused(call.shape, &call.id) {
        return Err(Box::new(refused));
    }
    if let Some(refused) = zero::refused(world, call, (target, &wish)) {
        return Err(Box::new(refused));
    }
    let ask = Ask {
        model: &target.model,
        affinity: target.affinity.as_deref().or(wish.affinity.as_deref()),
        ..Ask::new(target.dialect, &call.body)
    };
    let (request, usage) = world
        .serve(&target.provider, &call.workspace, call.at, &ask)
        .map_err(|rejection| Box::new(call.rejected(&rejection)))?;
    let delivery = wish.delivery;
    let asked = text(&call.parts.headers, "x-sim-output-tokens");
    let asked = asked.and_then(|count| count.parse().ok());
    let mut answer = Answer::new(call.id.clone(), wish, asked);
    answer.usage = Usage {
        output: answer.usage.output,
        ..usage
    };
    answer.manners = manners::of(&target.provider);
    if request.writes_count_as_reads() {
        answer.counted_twice = usage.written().unwrap_or(0);
    }
    answer.diagnostics = diagnosed(world, call, target, &request);
    if answer.usage.cost.is_none() {
        let catalog = &world.options.catalog;
        let model = catalog.model(&target.provider, request.model());
        let dearer = if target.regional {
            model.regional_percent
        } else {
            0
        };
        let tier = model
            .prices
            .map(|prices| *prices.dearer_by(dearer).tier(answer.input()));
        answer.usage.cost = tier.map(|tier| tier.cost(&answer.usage));
    }
    Ok((answer, delivery))
}

/// What is said of the cache, where the body asks; the request is kept for later ones.
fn diagnosed(world: &World, call: &Call, target: &Target, request: &Request) -> Option<Value> {
    let provider = world.options.catalog.provider(&target.provider)?;
    let inquiry = provider.endpoint(target.dialect)?.inquiry.as_ref()?;
    let body: Value = serde_json::from_slice(&call.body).ok()?;
    let asked = told::asked(&body, inquiry);
    if asked.is_none() && inquiry.always {
        return None;
    }
    let prefix = if target.dialect == "messages" {
        "msg"
    } else {
        "resp"
    };
    let name = |id: &str| {
        let workspace = call.workspace.as_str().into();
        (target.provider.clone(), workspace, id.into())
    };
    let earlier = match &asked {
        Some(Asked::With(id)) => Some(name(id)),
        _ => None,
    };
    world.told(|told| {
        let said = asked.map(|_| told.say(target.dialect, earlier.as_ref(), request));
        told.keep(name(&format!("{prefix}_sim_{}", call.id)), request);
        said
    })
}
