//! An interceptor for `aws-sdk-bedrockruntime`, by the runtime API that all AWS clients share: one
//! line where the client is built, whatever its version.
//!
//! ```
//! # fn build<B>(builder: B, interceptor: impl FnOnce(B, cachewright::adapter::bedrock::PromptCacheInterceptor) -> B) -> B {
//! use cachewright::adapter::handle::Cachewright;
//!
//! let cache = Cachewright::new();
//! // aws_sdk_bedrockruntime::config::Builder::from(&shared_config)
//! //     .interceptor(cache.bedrock())
//! //     .build()
//! # interceptor(builder, cache.bedrock())
//! # }
//! ```
//!
//! Converse, `ConverseStream`, `InvokeModel` and `InvokeModelWithResponseStream` are handled, at
//! whatever host the client is pointed at; all other operations pass. A request is read when it is
//! first about to be signed, since only then its host, and so its region, is known; what replaces it
//! is put in before each attempt is signed. One call is one exchange, however many attempts it
//! takes. An event stream is watched as it passes and held up by nothing.
//!
//! **What the provider refuses.** When a rewritten request is answered with 400, 403 or 422, the
//! client is made to try again with the caller's own request, as a further attempt under its own
//! retry strategy and budget: until that decision the raw response says 503. Should it be the last
//! attempt (retries are off, or used up), the response gets its own status back and the caller sees
//! the refusal. Either way a refusal of markers is remembered, and the model's next requests go out
//! as the caller wrote them.
//!
//! **Accounts.** Credentials are put in after this interceptor has run. Clients of different
//! accounts at one host need a [tenant](PromptCacheInterceptor::tenant) each.

mod body;
mod call;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
    FinalizerInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Uri};
use http_body::Body as _;

use self::call::Call;
use super::caller::{Head, Passage};
use super::handle::{Cachewright, Rewrite};
use super::running::shielded;
use crate::engine::End;
use crate::model::Skip;

/// The service whose operations are handled, as its clients name it.
const SERVICE: &str = "Bedrock Runtime";

/// Any of the service's own hosts: endpoints of a company's own network, gateways and tests have
/// others, and serve the same paths.
const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";

/// What the SDK declares where the caller of `InvokeModel` says nothing. Bedrock takes JSON only.
const UNDECLARED: &[u8] = b"application/octet-stream";

/// An interceptor that has prompts cached well and accounts for them.
///
/// See the [module docs](crate::adapter::bedrock) for an example. Registered twice, for a client and
/// once more for one call, it acts once.
#[derive(Clone)]
pub struct PromptCacheInterceptor {
    cache: Cachewright,
    tenant: Option<Box<str>>,
    route: Option<Box<str>>,
}

impl Cachewright {
    /// An interceptor for clients of Amazon Bedrock.
    #[must_use]
    pub fn bedrock(&self) -> PromptCacheInterceptor {
        PromptCacheInterceptor {
            cache: self.clone(),
            tenant: None,
            route: None,
        }
    }
}

impl PromptCacheInterceptor {
    /// The same interceptor for one tenant; over the handle's default.
    #[must_use]
    pub fn tenant(mut self, name: impl Into<Box<str>>) -> Self {
        self.tenant = Some(name.into());
        self
    }

    /// The same interceptor for one route, the user's own name for this kind of call; over the
    /// handle's default.
    #[must_use]
    pub fn route(mut self, name: impl Into<Box<str>>) -> Self {
        self.route = Some(name.into());
        self
    }

    /// Reads the request and begins the exchange; `None` where it is no prompt for Bedrock.
    fn begin(&self, request: &HttpRequest, cfg: &ConfigBag) -> Option<Call> {
        let operation = cfg.load::<Metadata>()?;
        if operation.service() != SERVICE {
            return None;
        }
        let uri: Uri = request.uri().parse().ok()?;
        let method = Method::from_bytes(request.method().as_bytes()).ok()?;
        let headers = declared(request.headers());
        let row = self.row(uri.path());
        let head = Head {
            method: &method,
            host: uri.host().unwrap_or_default(),
            path: uri.path(),
            query: uri.query(),
            headers: &headers,
            behind: row.as_deref(),
            account: None,
        };
        let labels = (self.tenant.clone(), self.route.clone());
        let (caller, passage) = self.cache.judge(head, labels.0, labels.1);
        let skipped = |why| Rewrite {
            running: self.cache.skipped(&caller, why),
            ..Rewrite::default()
        };
        let rewrite = match (passage, buffered(request.body())) {
            // The paths of other operations are those of no row.
            (Passage::Forward | Passage::Skip(Skip::UnknownEndpoint), _) => return None,
            (Passage::Skip(why), _) => skipped(why),
            (Passage::Read, None) => skipped(Skip::NotBuffered),
            (Passage::Read, Some(body)) if body.len() > self.cache.max_body() => {
                skipped(Skip::TooLarge)
            }
            (Passage::Read, Some(body)) => self.cache.prepare(&caller, &body),
        };
        Call::begun(rewrite)
    }

    /// The row that serves this path at Bedrock; a prefix is that of a gateway.
    fn row(&self, path: &str) -> Option<Box<str>> {
        let catalog = self.cache.engine().catalog();
        let starts = path.match_indices('/').map(|(at, _)| at);
        let mut rests = starts.filter_map(|at| path.get(at..));
        let found = rests.find_map(|rest| catalog.find(HOST, rest))?;
        Some(found.provider.name.clone())
    }
}

impl Intercept for PromptCacheInterceptor {
    fn name(&self) -> &'static str {
        "cachewright"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempts = cfg.load::<RequestAttempts>();
        let attempt = attempts.map_or(1, RequestAttempts::attempts);
        let request = context.request_mut();
        let known = cfg.load::<Call>().cloned();
        let call = known.or_else(|| {
            let call = shielded(|| self.begin(request, cfg)).flatten()?;
            cfg.interceptor_state().store_put(call.clone());
            Some(call)
        });
        if let Some(call) = call {
            shielded(|| call.sent(attempt, request));
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = cfg.load::<Call>() {
            shielded(|| call.answered(context.response_mut()));
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(call), Some(response)) = (cfg.load::<Call>(), context.response_mut()) {
            shielded(|| call.ask_again(response));
        }
        Ok(())
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(call), Some(response)) = (cfg.load::<Call>(), context.response_mut()) {
            shielded(|| call.give_up(response));
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(call) = cfg.load::<Call>() {
            let output = context.output_or_error();
            let failed = output.is_none_or(|output| output.is_err());
            call.executed(failed.then_some(End::Failed));
        }
        Ok(())
    }
}

/// The headers as the SDK will send them, as far as they decide; a type that the caller left open
/// is declared.
fn declared(headers: &Headers) -> HeaderMap {
    let mut declared = translated(headers);
    let kind = declared.get(CONTENT_TYPE);
    if kind.is_none_or(|kind| kind.as_bytes() == UNDECLARED) {
        let json = HeaderValue::from_static("application/json");
        declared.insert(CONTENT_TYPE, json);
    }
    declared
}

/// The runtime's headers as those of `http`.
fn translated(headers: &Headers) -> HeaderMap {
    let pairs = headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name).ok()?;
        Some((name, HeaderValue::try_from(value).ok()?))
    });
    pairs.collect()
}

/// The body's bytes, shared and not copied; `None` when they are not at hand.
fn buffered(body: &SdkBody) -> Option<Bytes> {
    body.bytes()?;
    let mut body = body.try_clone()?;
    // A body of plain bytes gives them in one frame and at once.
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().ok(),
        Poll::Ready(None) => Some(Bytes::new()),
        Poll::Ready(Some(Err(_))) | Poll::Pending => None,
    }
}

impl fmt::Debug for PromptCacheInterceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptCacheInterceptor")
            .finish_non_exhaustive()
    }
}
