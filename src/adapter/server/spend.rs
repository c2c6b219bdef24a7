//! Limits on spending, as each provider says that one is reached.

use axum::response::Response;
use serde_json::json;

use super::faults::Spend;
use super::refuse::Shape;
use super::respond;

/// Who answers with 402, and how (openrouter.ai/docs errors, api-docs.deepseek.com error codes,
/// vercel.com/docs/ai-gateway budgets as far as it says; 2026-09).
const PREPAID: [(&str, &str); 3] = [
    (
        "openrouter",
        "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
    ),
    ("deepseek", "Insufficient Balance"),
    ("vercel", "Insufficient funds. Please add credits."),
];

/// The refusal of this provider. Anthropic's are those of its documentation
/// (platform.claude.com api/rate-limits, 2026-08-22): no `retry-after`, since waiting does not help.
pub(super) fn refused(provider: &str, shape: Shape, id: &str, whose: Spend) -> Response {
    let prepaid = PREPAID.iter().find(|(name, _)| *name == provider);
    if let Some((_, message)) = prepaid {
        return shape.error(id, 402, "insufficient_quota", message);
    }
    match (shape, whose) {
        (Shape::Anthropic, Spend::Enforced) => {
            let error = json!({
                "type": "rate_limit_error",
                "message": "This organization has reached its enforced spend limit.",
                "details": {"error_code": "enforced_spend_limit_reached"},
            });
            let body = json!({"type": "error", "error": error,
                              "request_id": format!("req_sim_{id}")});
            respond(429, &body)
        }
        (Shape::Anthropic, Spend::Own) => shape.error(
            id,
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits. You will regain access on \
             2026-12-01 at 00:00 UTC.",
        ),
        (Shape::OpenAi, _) => shape.error(
            id,
            429,
            "insufficient_quota",
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        (Shape::Aws, _) => shape.error(
            id,
            400,
            "ServiceQuotaExceededException",
            "Your request exceeds the service quota for your account.",
        ),
        (Shape::Google, _) => shape.error(
            id,
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model.",
        ),
    }
}
