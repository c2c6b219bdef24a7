//! What providers' words for errors mean, as tables: by code, by type, by how messages begin, and by
//! status where nothing else is known.
//!
//! Codes and types of all providers stand in one table, since no two use one word for two things.
//! Messages count only where the same status and type mean several things, and only by how they
//! begin, since what follows may quote the prompt.

use super::failure::{Billed, FailureKind, Response};
use Billed::{No, Perhaps};
use FailureKind::{
    Denied, Invalid, NoModel, Overloaded, RateLimited, Server, SpendLimit, Unsupported,
};

/// What an error means.
pub(super) type Meaning = (FailureKind, Billed);

/// Words that mean the same.
struct Words {
    means: Meaning,
    words: &'static [&'static str],
}

const fn words(kind: FailureKind, billed: Billed, words: &'static [&'static str]) -> Words {
    let means = (kind, billed);
    Words { means, words }
}

/// Codes and types. `invalid_request_error` is not among them: it comes with any status from 400 to
/// 499, which then says more.
const WORDS: &[Words] = &[
    // Anthropic: platform.claude.com/docs/en/api/errors and /rate-limits, read 2026-11-25. The
    // acceleration limit and the enforced spend limit are both a `rate_limit_error`; the latter is
    // told by `error.details.error_code`. A conflict is retried by Anthropic's own clients.
    words(
        SpendLimit,
        No,
        &["enforced_spend_limit_reached", "billing_error"],
    ),
    words(Denied, No, &["authentication_error", "permission_error"]),
    words(RateLimited, No, &["rate_limit_error"]),
    words(Overloaded, No, &["overloaded_error"]),
    words(Server, No, &["conflict_error"]),
    words(Server, Perhaps, &["api_error", "timeout_error"]),
    words(Invalid, No, &["request_too_large"]),
    // Bedrock: docs.aws.amazon.com/bedrock troubleshooting-api-error-codes and the API reference of
    // InvokeModel, read 2026-11-25. A quota may be resubmitted later, says AWS, and a model that is
    // not ready is retried by its clients though its status is 429.
    words(
        RateLimited,
        No,
        &[
            "ThrottlingException",
            "TooManyRequestsException",
            "ServiceQuotaExceededException",
        ],
    ),
    words(
        Overloaded,
        No,
        &[
            "ServiceUnavailableException",
            "ServiceUnavailable",
            "ModelNotReadyException",
        ],
    ),
    words(Server, No, &["ConflictException"]),
    words(
        Server,
        Perhaps,
        &[
            "InternalServerException",
            "InternalFailure",
            "ModelTimeoutException",
            "ModelErrorException",
            "ModelStreamErrorException",
        ],
    ),
    words(Invalid, No, &["ValidationException", "ValidationError"]),
    words(
        Denied,
        No,
        &[
            "AccessDeniedException",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
            "IncompleteSignature",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "InvalidClientTokenId",
            "ExpiredTokenException",
            "RequestExpired",
            "NotAuthorized",
            "OptInRequired",
        ],
    ),
    words(
        NoModel,
        No,
        &["FTUFormNotFilled", "MPAgreementBeingCreated"],
    ),
    // OpenAI and Azure OpenAI: developers.openai.com error codes, help.openai.com 6614457,
    // learn.microsoft.com Foundry, read 2026-11-25. Billing codes share the type
    // `insufficient_quota` and the status 429. What a filter refused is not tried elsewhere.
    words(RateLimited, No, &["rate_limit_exceeded"]),
    words(
        SpendLimit,
        No,
        &[
            "insufficient_quota",
            "billing_hard_limit_reached",
            "billing_not_active",
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
        ],
    ),
    words(NoModel, No, &["model_not_found", "DeploymentNotFound"]),
    words(
        Denied,
        No,
        &[
            "invalid_api_key",
            "unsupported_country_region_territory",
            "PermissionDenied",
        ],
    ),
    words(Server, Perhaps, &["server_error"]),
    words(
        Overloaded,
        No,
        &[
            "server_is_overloaded",
            "slow_down",
            "engine_overloaded",
            "service_unavailable_error",
        ],
    ),
    words(
        Invalid,
        No,
        &[
            "context_length_exceeded",
            "string_above_max_length",
            "content_filter",
            "content_policy_violation",
        ],
    ),
    words(
        Unsupported,
        No,
        &[
            "unsupported_parameter",
            "unsupported_value",
            "unknown_parameter",
            "OperationNotSupported",
        ],
    ),
    // Google: ai.google.dev/gemini-api/docs/generate-content/api-errors and
    // cloud.google.com/apis/design/errors, read 2026-11-25. A failed precondition is a matter of the
    // project (its country, its billing, its policies).
    words(RateLimited, No, &["RESOURCE_EXHAUSTED"]),
    words(Overloaded, No, &["UNAVAILABLE"]),
    words(Server, No, &["ABORTED"]),
    words(
        Server,
        Perhaps,
        &["INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "CANCELLED"],
    ),
    words(Invalid, No, &["INVALID_ARGUMENT", "OUT_OF_RANGE"]),
    words(Denied, No, &["PERMISSION_DENIED", "UNAUTHENTICATED"]),
    words(Unsupported, No, &["FAILED_PRECONDITION", "UNIMPLEMENTED"]),
    // Vercel: the error types that @ai-sdk/gateway knows (2026-11), and the bodies of 402 quoted in
    // github.com/vercel/eve/issues/3321 (2026-09-13). A rule that forbids concerns a model or a
    // provider behind it.
    words(
        SpendLimit,
        No,
        &[
            "insufficient_funds",
            "quota_for_entity_exceeded",
            "customer_verification_required",
        ],
    ),
    words(
        Server,
        Perhaps,
        &["internal_server_error", "failed_dependency"],
    ),
    words(Unsupported, No, &["forbidden"]),
    // OpenRouter has numbers for codes, which are statuses: openrouter.ai/docs/api/reference/errors,
    // read 2026-11-25; and these names in newer answers.
    words(SpendLimit, No, &["payment_required"]),
];

/// Types of which the message must say what was not found.
const NOT_FOUND: &[&str] = &["not_found_error", "ResourceNotFoundException", "NOT_FOUND"];

/// How a message begins, and what it then holds, where type and status are not enough.
struct Phrase {
    status: u16,
    begins: &'static str,
    holds: &'static str,
    kind: FailureKind,
}

const fn phrase(
    status: u16,
    begins: &'static str,
    holds: &'static str,
    kind: FailureKind,
) -> Phrase {
    Phrase {
        status,
        begins,
        holds,
        kind,
    }
}

const PHRASES: &[Phrase] = &[
    // A spend limit that the customer set himself; platform.claude.com rate-limits, 2026-11-25.
    phrase(
        400,
        "You have reached your specified API usage limits",
        "",
        SpendLimit,
    ),
    phrase(
        400,
        "You have reached your specified workspace API usage limits",
        "",
        SpendLimit,
    ),
    // Prepaid credit is used up; quoted in portkey.ai/error-library 10155, 2026-11-25.
    phrase(400, "Your credit balance is too low", "", SpendLimit),
    // A base id where the region has inference profiles only; seen on Bedrock, 2026-10.
    phrase(
        400,
        "Invocation of model ID ",
        "on-demand throughput",
        NoModel,
    ),
    phrase(400, "The provided model identifier is invalid", "", NoModel),
    phrase(403, "You don't have access to the model", "", NoModel),
    // github.com/BerriAI/litellm/issues/39210.
    phrase(
        403,
        "You invoked an unsupported model or",
        "prompt caching",
        Unsupported,
    ),
    // github.com/danny-avila/LibreChat/issues/13838.
    phrase(
        400,
        "Malformed input request: ",
        "extraneous key [",
        Unsupported,
    ),
    phrase(400, "Unexpected value(s) ", "`anthropic-beta`", Unsupported),
    phrase(400, "invalid beta flag", "", Unsupported),
    // Google answers a wrong key with 400 INVALID_ARGUMENT.
    phrase(400, "API key not valid", "", Denied),
    phrase(400, "API key expired", "", Denied),
];

/// What a response means that is known to be an error.
pub(super) fn meaning(response: &Response<'_>) -> Meaning {
    // Payment is payment, whatever type stands beside it: Google says RESOURCE_EXHAUSTED.
    if response.status == 402 {
        return (SpendLimit, No);
    }
    if let Some(kind) = of_message(response) {
        return (kind, No);
    }
    let known = of_word(response.code).or_else(|| of_word(response.kind));
    if let Some(known) = known {
        return known;
    }
    let status = match response.code.parse() {
        // A body may say more than the status it came under.
        Ok(code @ 400..600) if response.status < 400 => code,
        _ => response.status,
    };
    let is_not_found = NOT_FOUND.iter().any(|word| is_word(response.kind, word));
    if is_not_found || status == 404 {
        return (not_found(response), No);
    }
    of_status(status, response.message)
}

fn of_message(response: &Response<'_>) -> Option<FailureKind> {
    let told = PHRASES.iter().find(|phrase| {
        phrase.status == response.status
            && response.message.starts_with(phrase.begins)
            && response.message.contains(phrase.holds)
    });
    told.map(|phrase| phrase.kind)
}

fn of_word(said: &str) -> Option<Meaning> {
    let same = |group: &&Words| group.words.iter().any(|word| is_word(said, word));
    WORDS.iter().find(same).map(|group| group.means)
}

/// AWS puts a namespace before its types, and an address behind them; events spell them with a small
/// letter.
fn is_word(said: &str, word: &str) -> bool {
    let said = said.rsplit('#').next().unwrap_or(said);
    let said = said.split(':').next().unwrap_or(said);
    said.eq_ignore_ascii_case(word)
}

/// What was not found: the model, or something that the request names, such as a file. An empty
/// answer means that the address leads nowhere, as it does for a model that is not there.
fn not_found(response: &Response<'_>) -> FailureKind {
    let is_bare = response.kind.is_empty() && response.message.is_empty();
    let words = response
        .message
        .split(|ch: char| !ch.is_ascii_alphanumeric());
    let names_model = words.into_iter().any(|word| {
        ["model", "models", "deployment"]
            .iter()
            .any(|name| word.eq_ignore_ascii_case(name))
    });
    if is_bare || names_model {
        NoModel
    } else {
        Unsupported
    }
}

/// By status alone. What was refused at the door was not billed; where work may have begun behind it
/// (a server's own error, timeouts, answers that a gateway could not read) it may have been.
fn of_status(status: u16, message: &str) -> Meaning {
    match status {
        // OpenRouter's moderation: who was flagged is not sent on to somebody else.
        403 if message.contains("input was flagged") => (Invalid, No),
        401 | 403 | 407 => (Denied, No),
        402 => (SpendLimit, No),
        408 | 424 => (Server, Perhaps),
        409 | 425 => (Server, No),
        429 => (RateLimited, No),
        300..400 | 404 | 405 | 406 | 410 | 451 => (Unsupported, No),
        400..=499 => (Invalid, No),
        503 | 529 => (Overloaded, No),
        // The last three are Cloudflare's for an origin that was not reached.
        501 | 505 | 521 | 522 | 523 => (Server, No),
        _ => (Server, Perhaps),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_means_two_things() {
        let mut all: Vec<String> = WORDS
            .iter()
            .flat_map(|group| group.words)
            .chain(NOT_FOUND)
            .map(|word| word.to_ascii_lowercase())
            .collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn words_are_read_with_what_aws_puts_around_them() {
        for said in [
            "ThrottlingException",
            "throttlingException",
            "com.amazon.coral.service#ThrottlingException",
            "ThrottlingException:http://internal.amazon.com/coral/",
        ] {
            assert_eq!(of_word(said), Some((RateLimited, No)), "{said}");
        }
        for said in [
            "",
            "Throttling",
            "ThrottlingExceptions",
            "my ThrottlingException",
        ] {
            assert_eq!(of_word(said), None, "{said}");
        }
    }
}
