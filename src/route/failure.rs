//! What went wrong with an attempt, and what to do about it.

use std::time::Duration;

use super::words;

/// What went wrong with one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What it was.
    pub kind: FailureKind,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the provider may have billed it.
    pub billed: Billed,
}

/// The kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FailureKind {
    /// No connection.
    Unreachable,
    /// The connection broke off before an answer.
    Reset,
    /// No first byte in time.
    Silent,
    /// The answer was none that the dialect has.
    Garbage,
    /// Too many requests or tokens.
    RateLimited,
    /// The provider has no capacity.
    Overloaded,
    /// The provider's fault (5xx).
    Server,
    /// The account may spend no more.
    SpendLimit,
    /// The credential is refused.
    Denied,
    /// The model is not served there.
    NoModel,
    /// Something else that the call needs is not served there.
    Unsupported,
    /// The request itself is refused: it would be everywhere.
    Invalid,
}

impl FailureKind {
    /// Whether it concerns one model at the backend, or one call, rather than the whole backend.
    #[must_use]
    pub(super) const fn is_of_model(self) -> bool {
        matches!(self, Self::NoModel | Self::Unsupported)
    }
}

/// Whether an attempt without a usable answer may have been billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third")]
pub enum Billed {
    /// The provider says it served nothing, or was never reached.
    No,
    /// It may have worked on the prompt.
    Perhaps,
}

/// What may be done after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "failing over must know them all")]
pub enum Step {
    /// The same backend once more, after a wait.
    Again,
    /// Another backend.
    Elsewhere,
    /// Nothing: the answer is the caller's.
    Final,
}

/// The head of a response with what its body says of an error, in whichever shape.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "every part is needed")]
pub struct Response<'a> {
    /// HTTP status.
    pub status: u16,
    /// The error's type, such as `overloaded_error` or `ThrottlingException`; empty without one.
    pub kind: &'a str,
    /// The error's code within its type, such as `enforced_spend_limit_reached`.
    pub code: &'a str,
    /// The error's message.
    pub message: &'a str,
    /// The header `retry-after`, or what stands for it.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// What a response means; `None` where it is no failure: a status of success, and no word of an
    /// error. With one it is a failure in the middle of an answer, as streams bring it.
    ///
    /// The code within the type says what it is, then the type, then the status; the tables with
    /// their sources stand in `words.rs`.
    #[must_use]
    pub fn of(response: &Response<'_>) -> Option<Self> {
        let begun = (200..300).contains(&response.status);
        if begun && response.kind.is_empty() && response.code.is_empty() {
            return None;
        }
        let (kind, billed) = words::meaning(response);
        Some(Self {
            kind,
            retry_after: response.retry_after,
            billed: if begun { Billed::Perhaps } else { billed },
        })
    }

    /// A failure without a response.
    #[must_use]
    pub const fn without_answer(kind: FailureKind, billed: Billed) -> Self {
        Self {
            kind,
            retry_after: None,
            billed,
        }
    }

    /// What may be done about it: again where waiting may help, elsewhere where it is about the
    /// backend's credential, account, models or abilities, and nothing where it is about the request.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self.kind {
            FailureKind::Invalid => Step::Final,
            FailureKind::SpendLimit
            | FailureKind::Denied
            | FailureKind::NoModel
            | FailureKind::Unsupported => Step::Elsewhere,
            FailureKind::Unreachable
            | FailureKind::Reset
            | FailureKind::Silent
            | FailureKind::Garbage
            | FailureKind::RateLimited
            | FailureKind::Overloaded
            | FailureKind::Server => Step::Again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Billed::{No, Perhaps};
    use FailureKind::{
        Denied, Invalid, NoModel, Overloaded, RateLimited, Server, SpendLimit, Unsupported,
    };

    fn failure(
        status: u16,
        kind: &str,
        code: &str,
        message: &str,
    ) -> Option<(FailureKind, Billed)> {
        let failure = Failure::of(&Response {
            status,
            kind,
            code,
            message,
            retry_after: None,
        })?;
        Some((failure.kind, failure.billed))
    }

    /// Status, type, code and message as a provider sends them, and what they mean.
    type Case = (
        u16,
        &'static str,
        &'static str,
        &'static str,
        FailureKind,
        Billed,
    );

    fn check(cases: &[Case]) {
        for (status, kind, code, message, meant, billed) in cases {
            let found = failure(*status, kind, code, message);
            assert_eq!(
                found,
                Some((*meant, *billed)),
                "{status} {kind} {code} {message}"
            );
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn errors_of_anthropic() {
        check(&[
            (
                429,
                "rate_limit_error",
                "",
                "This request would exceed",
                RateLimited,
                No,
            ),
            (529, "overloaded_error", "", "Overloaded", Overloaded, No),
            (
                500,
                "api_error",
                "",
                "Internal server error",
                Server,
                Perhaps,
            ),
            (504, "timeout_error", "", "", Server, Perhaps),
            (
                400,
                "invalid_request_error",
                "",
                "messages: at least one",
                Invalid,
                No,
            ),
            (
                401,
                "authentication_error",
                "",
                "invalid x-api-key",
                Denied,
                No,
            ),
            (403, "permission_error", "", "", Denied, No),
            (
                404,
                "not_found_error",
                "",
                "model: claude-sonnet-0",
                NoModel,
                No,
            ),
            (
                404,
                "not_found_error",
                "",
                "File not found: file_011",
                Unsupported,
                No,
            ),
            (413, "request_too_large", "", "Request exceeds", Invalid, No),
            (
                429,
                "rate_limit_error",
                "enforced_spend_limit_reached",
                "",
                SpendLimit,
                No,
            ),
            (402, "billing_error", "", "", SpendLimit, No),
            (
                400,
                "invalid_request_error",
                "",
                "You have reached your specified API usage limits. You will regain access on",
                SpendLimit,
                No,
            ),
        ]);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn errors_of_bedrock() {
        check(&[
            (
                429,
                "ThrottlingException",
                "",
                "Too many tokens",
                RateLimited,
                No,
            ),
            (503, "ServiceUnavailableException", "", "", Overloaded, No),
            (429, "ModelNotReadyException", "", "", Overloaded, No),
            (408, "ModelTimeoutException", "", "", Server, Perhaps),
            (424, "ModelErrorException", "", "", Server, Perhaps),
            (500, "InternalServerException", "", "", Server, Perhaps),
            (
                400,
                "ValidationException",
                "",
                "messages.0: roles must",
                Invalid,
                No,
            ),
            (
                403,
                "AccessDeniedException",
                "",
                "User is not authorized",
                Denied,
                No,
            ),
            (403, "ExpiredTokenException", "", "", Denied, No),
            (
                400,
                "ServiceQuotaExceededException",
                "",
                "",
                RateLimited,
                No,
            ),
            (
                404,
                "ResourceNotFoundException",
                "",
                "Could not resolve the foundation model",
                NoModel,
                No,
            ),
            (
                400,
                "ValidationException",
                "",
                "Invocation of model ID anthropic.x with on-demand throughput isn\u{2019}t supported.",
                NoModel,
                No,
            ),
            (
                403,
                "AccessDeniedException",
                "",
                "You don't have access to the model with the specified model ID.",
                NoModel,
                No,
            ),
            (
                403,
                "AccessDeniedException",
                "",
                "You invoked an unsupported model or your request did not allow prompt caching",
                Unsupported,
                No,
            ),
            (
                400,
                "ValidationException",
                "",
                "Malformed input request: #/x: extraneous key [y] is not permitted",
                Unsupported,
                No,
            ),
        ]);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn errors_of_openai_and_azure() {
        check(&[
            (
                429,
                "tokens",
                "rate_limit_exceeded",
                "Rate limit reached",
                RateLimited,
                No,
            ),
            (
                429,
                "insufficient_quota",
                "insufficient_quota",
                "",
                SpendLimit,
                No,
            ),
            (
                429,
                "insufficient_quota",
                "project_spend_limit_exceeded",
                "",
                SpendLimit,
                No,
            ),
            (
                404,
                "invalid_request_error",
                "model_not_found",
                "The model",
                NoModel,
                No,
            ),
            (
                401,
                "invalid_request_error",
                "invalid_api_key",
                "Incorrect",
                Denied,
                No,
            ),
            (500, "server_error", "", "", Server, Perhaps),
            (503, "", "slow_down", "", Overloaded, No),
            (
                400,
                "invalid_request_error",
                "context_length_exceeded",
                "",
                Invalid,
                No,
            ),
            (
                400,
                "invalid_request_error",
                "unsupported_parameter",
                "",
                Unsupported,
                No,
            ),
            (
                404,
                "",
                "DeploymentNotFound",
                "The API deployment",
                NoModel,
                No,
            ),
            (
                400,
                "",
                "content_filter",
                "The response was filtered",
                Invalid,
                No,
            ),
            (
                401,
                "",
                "401",
                "Access denied due to invalid key",
                Denied,
                No,
            ),
        ]);
    }

    #[test]
    fn errors_of_google() {
        check(&[
            (429, "RESOURCE_EXHAUSTED", "", "", RateLimited, No),
            (
                402,
                "RESOURCE_EXHAUSTED",
                "",
                "prepaid credits",
                SpendLimit,
                No,
            ),
            (
                503,
                "UNAVAILABLE",
                "",
                "The model is overloaded",
                Overloaded,
                No,
            ),
            (504, "DEADLINE_EXCEEDED", "", "", Server, Perhaps),
            (400, "INVALID_ARGUMENT", "", "Invalid value at", Invalid, No),
            (
                400,
                "INVALID_ARGUMENT",
                "",
                "API key not valid. Please pass",
                Denied,
                No,
            ),
            (403, "PERMISSION_DENIED", "", "", Denied, No),
            (
                404,
                "NOT_FOUND",
                "",
                "models/gemini-0 is not found for",
                NoModel,
                No,
            ),
            (500, "INTERNAL", "", "", Server, Perhaps),
        ]);
    }

    #[test]
    fn errors_of_vercel() {
        check(&[
            (429, "rate_limit_exceeded", "", "", RateLimited, No),
            (424, "failed_dependency", "", "", Server, Perhaps),
            (
                402,
                "quota_for_entity_exceeded",
                "",
                "Project budget",
                SpendLimit,
                No,
            ),
            (
                403,
                "customer_verification_required",
                "",
                "",
                SpendLimit,
                No,
            ),
            (403, "forbidden", "", "", Unsupported, No),
            (404, "model_not_found", "", "", NoModel, No),
        ]);
    }

    #[test]
    fn errors_of_openrouter() {
        check(&[
            (402, "", "402", "Insufficient credits", SpendLimit, No),
            (429, "", "429", "", RateLimited, No),
            (502, "", "502", "", Server, Perhaps),
            (503, "", "503", "", Overloaded, No),
            (408, "", "408", "", Server, Perhaps),
            (
                403,
                "",
                "403",
                "x requires moderation. Your input was flagged",
                Invalid,
                No,
            ),
        ]);
    }

    #[test]
    fn an_unknown_body_is_told_by_its_status() {
        let cases = [
            (400, Invalid, No),
            (401, Denied, No),
            (403, Denied, No),
            (404, NoModel, No),
            (408, Server, Perhaps),
            (413, Invalid, No),
            (422, Invalid, No),
            (429, RateLimited, No),
            (302, Unsupported, No),
            (500, Server, Perhaps),
            (502, Server, Perhaps),
            (503, Overloaded, No),
            (504, Server, Perhaps),
            (529, Overloaded, No),
            (522, Server, No),
            (524, Server, Perhaps),
        ];
        for (status, meant, billed) in cases {
            assert_eq!(
                failure(status, "", "", ""),
                Some((meant, billed)),
                "{status}"
            );
            let odd = failure(status, "", "a_new_code", "");
            assert_eq!(odd, Some((meant, billed)), "{status}");
        }
        let elsewhere = failure(404, "a_new_type", "", "No such page");
        assert_eq!(elsewhere, Some((Unsupported, No)));
    }

    /// What a prompt says, quoted by the provider, must not break a backend for everybody.
    #[test]
    fn a_message_counts_only_by_how_it_begins() {
        let quoted = "messages.0: \"You have reached your specified API usage limits\" is no role";
        assert_eq!(
            failure(400, "invalid_request_error", "", quoted),
            Some((Invalid, No))
        );
        let other_status = "You have reached your specified API usage limits";
        assert_eq!(failure(422, "", "", other_status), Some((Invalid, No)));
        let half = "Invocation of model ID x is not allowed";
        assert_eq!(
            failure(400, "ValidationException", "", half),
            Some((Invalid, No))
        );
    }

    #[test]
    fn an_error_within_an_answer_is_a_failure_that_may_be_billed() {
        assert_eq!(failure(200, "", "", ""), None);
        assert_eq!(failure(200, "", "", "a message alone says nothing"), None);
        let begun = failure(200, "overloaded_error", "", "Overloaded");
        assert_eq!(begun, Some((Overloaded, Perhaps)));
        let exception = failure(200, "modelStreamErrorException", "", "");
        assert_eq!(exception, Some((Server, Perhaps)));
        let number = failure(200, "", "429", "Rate limited upstream");
        assert_eq!(number, Some((RateLimited, Perhaps)));
        let unknown = failure(200, "", "odd", "");
        assert_eq!(unknown, Some((Server, Perhaps)));
    }

    #[test]
    fn only_the_request_ends_a_call_and_only_the_moment_is_waited_for() {
        let step = |kind| Failure::without_answer(kind, No).step();
        assert_eq!(step(Invalid), Step::Final);
        for kind in [Denied, SpendLimit, NoModel, Unsupported] {
            assert_eq!(step(kind), Step::Elsewhere, "{kind:?}");
        }
        for kind in [
            FailureKind::Unreachable,
            FailureKind::Reset,
            FailureKind::Silent,
            FailureKind::Garbage,
            RateLimited,
            Overloaded,
            Server,
        ] {
            assert_eq!(step(kind), Step::Again, "{kind:?}");
        }
    }

    #[test]
    fn the_time_to_wait_is_kept() {
        let asked = Some(Duration::from_secs(7));
        let response = Response {
            status: 429,
            retry_after: asked,
            ..Response::default()
        };
        let heard = Failure::of(&response).and_then(|failure| failure.retry_after);
        assert_eq!(heard, asked);
    }
}
