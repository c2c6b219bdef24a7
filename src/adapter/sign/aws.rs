//! Signature Version 4 with the credentials of AWS's own chain: environment, profiles, SSO, web
//! identity, containers, instances.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::SdkConfig;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use aws_smithy_runtime_api::client::identity::Identity;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use tokio::sync::{Mutex, OnceCell};

use super::{Place, Sign, Signed};
use crate::adapter::clock::{Clock, SystemClock};

/// For how long credentials may be looked for: a request must not hang on a machine that has none.
const PATIENCE: Duration = Duration::from_secs(10);

/// For how long credentials without an end are kept, as the SDK's own cache does: a changed profile
/// is noticed.
const KEPT: Duration = Duration::from_secs(15 * 60);

/// How long before their end credentials are renewed.
const EARLY: Duration = Duration::from_secs(60);

/// Signs with credentials that are looked up when first needed, and kept.
struct Signer {
    /// The table of the configuration that it signs for.
    table: Box<str>,
    service: &'static str,
    region: Option<Box<str>>,
    source: Source,
    /// What the environment and the profile files say, read once.
    shared: OnceCell<SdkConfig>,
    /// The SDK's own cache works within its clients only.
    held: Mutex<Option<Held>>,
    patience: Duration,
}

/// Where credentials come from.
#[derive(Debug)]
enum Source {
    Chain,
    Provider(SharedCredentialsProvider),
}

struct Held {
    credentials: Credentials,
    until: SystemTime,
}

/// A signer by AWS's chain: for one profile of it, if one is named.
///
/// # Errors
/// Never in this build; see the one without the feature.
#[expect(
    clippy::unnecessary_wraps,
    reason = "builds without the feature refuse"
)]
pub(in crate::adapter) fn chain(
    place: &Place<'_>,
    region: Option<&str>,
    profile: Option<&str>,
) -> Result<Arc<dyn Sign>, &'static str> {
    let source = profile.map_or(Source::Chain, |name| {
        // A profile that is named goes before the environment, as with AWS's own tools.
        let profile = ProfileFileCredentialsProvider::builder().profile_name(name);
        Source::Provider(SharedCredentialsProvider::new(profile.build()))
    });
    Ok(Arc::new(Signer::new(place, region, source)))
}

/// A signer by the credentials of this provider, for this region.
pub(in crate::adapter) fn given(
    place: &Place<'_>,
    region: &str,
    credentials: impl ProvideCredentials + 'static,
) -> Arc<dyn Sign> {
    let source = Source::Provider(SharedCredentialsProvider::new(credentials));
    Arc::new(Signer::new(place, Some(region), source))
}

impl Signer {
    fn new(place: &Place<'_>, region: Option<&str>, source: Source) -> Self {
        let (service, of_host) = served_at(place.host);
        Self {
            table: format!("[{}.{}]", place.table, place.name).into(),
            service,
            region: region.or(of_host).map(Into::into),
            source,
            shared: OnceCell::new(),
            held: Mutex::new(None),
            patience: PATIENCE,
        }
    }

    async fn signed(&self, parts: &mut Parts, body: &[u8]) -> Result<(), String> {
        let work = async {
            let credentials = self.credentials().await?;
            Ok::<_, String>((credentials, self.region().await?))
        };
        let found = tokio::time::timeout(self.patience, work).await;
        let (credentials, region) = found.unwrap_or_else(|_| {
            let seconds = self.patience.as_secs();
            Err(self.without(&format!("none was found within {seconds} seconds")))
        })?;
        let added = self.headers(parts, body, (credentials, &region));
        let added = added.map_err(|error| format!("the request cannot be signed: {error}"))?;
        parts.headers.extend(added);
        Ok(())
    }

    /// The headers that make the signature.
    fn headers(
        &self,
        parts: &Parts,
        body: &[u8],
        (credentials, region): (Credentials, &str),
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Box<dyn StdError + Send + Sync>> {
        let identity = Identity::from(credentials);
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(self.service)
            .time(now())
            .settings(SigningSettings::default())
            .build()?
            .into();
        // What else there is may change on its way.
        let bound = parts.headers.iter().filter_map(|(name, value)| {
            let is_bound = *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-");
            Some((name.as_str(), value.to_str().ok()?)).filter(|_| is_bound)
        });
        let uri = parts.uri.to_string();
        let request = SignableRequest::new(
            parts.method.as_str(),
            uri.as_str(),
            bound,
            SignableBody::Bytes(body),
        )?;
        let (instructions, _) = sign(request, &params)?.into_parts();
        let (headers, _) = instructions.into_parts();
        headers
            .iter()
            .map(|header| {
                let mut value = HeaderValue::try_from(header.value())?;
                value.set_sensitive(header.sensitive());
                Ok((HeaderName::from_static(header.name()), value))
            })
            .collect()
    }

    async fn credentials(&self) -> Result<Credentials, String> {
        // Whoever comes while they are looked for waits for the same search.
        let mut held = self.held.lock().await;
        let now = now();
        if let Some(held) = held.as_ref().filter(|held| now + EARLY < held.until) {
            return Ok(held.credentials.clone());
        }
        match (self.search().await, held.as_ref()) {
            (Ok(credentials), _) => {
                let until = credentials.expiry().unwrap_or(now + KEPT + EARLY);
                *held = Some(Held {
                    credentials: credentials.clone(),
                    until,
                });
                Ok(credentials)
            }
            // They could not be renewed yet and are still good.
            (Err(_), Some(held)) if now < held.until => Ok(held.credentials.clone()),
            (Err(why), _) => Err(self.without(&why)),
        }
    }

    async fn search(&self) -> Result<Credentials, String> {
        let provider = match &self.source {
            Source::Provider(provider) => Some(provider.clone()),
            Source::Chain => self.shared().await.credentials_provider(),
        };
        let provider = provider.ok_or("there is no provider of credentials")?;
        let found = provider.provide_credentials().await;
        found.map_err(|error| reasons(&error))
    }

    async fn region(&self) -> Result<String, String> {
        if let Some(region) = &self.region {
            return Ok(region.to_string());
        }
        let region = self.shared().await.region();
        region.map(ToString::to_string).ok_or_else(|| {
            format!(
                "no AWS region for {0}: set region = \"…\" under it, or AWS_REGION",
                self.table
            )
        })
    }

    async fn shared(&self) -> &SdkConfig {
        let load = || aws_config::defaults(aws_config::BehaviorVersion::latest()).load();
        self.shared.get_or_init(load).await
    }

    fn without(&self, why: &str) -> String {
        format!(
            "no AWS credentials for {} ({why}): run `aws sso login`, set AWS_PROFILE or \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where this runs, or set profile = \"…\" \
             under it",
            self.table
        )
    }
}

impl Sign for Signer {
    fn sign<'a>(&'a self, parts: &'a mut Parts, body: &'a [u8]) -> Signed<'a> {
        Box::pin(self.signed(parts, body))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Held credentials stay out of logs.
        f.debug_struct("Signer")
            .field("service", &self.service)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// The service and the region as an AWS host names them: `bedrock-runtime.REGION.amazonaws.com`,
/// behind a name of its own for an endpoint of a private network (docs.aws.amazon.com, Bedrock
/// endpoints and quotas, 2026-09).
fn served_at(host: &str) -> (&'static str, Option<&str>) {
    let is_aws = [".amazonaws.com", ".api.aws"]
        .iter()
        .any(|end| host.ends_with(end));
    let mut labels = host.split('.').filter(|_| is_aws);
    let name = labels.find(|label| label.starts_with("bedrock"));
    let service = match name {
        Some("bedrock-mantle") => "bedrock-mantle",
        Some(_) | None => "bedrock",
    };
    (service, labels.next())
}

/// An error with what caused it; AWS says only underneath what is wrong.
fn reasons(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}

fn now() -> SystemTime {
    let micros = u64::try_from(SystemClock.now().as_micros()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use aws_credential_types::provider::{error::CredentialsError, future};

    use super::*;

    const PLACE: Place<'_> = Place {
        table: "upstreams",
        name: "up",
        host: "h",
    };

    /// Gives credentials for so long, as often as it may; or never answers.
    #[derive(Debug)]
    struct Given {
        asked: Arc<AtomicU32>,
        lasting: Option<Duration>,
        times: u32,
        silent: bool,
    }

    impl ProvideCredentials for Given {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            if self.silent {
                return future::ProvideCredentials::new(std::future::pending());
            }
            let asked = self.asked.fetch_add(1, Ordering::Relaxed);
            let until = self.lasting.map(|lasting| now() + lasting);
            future::ProvideCredentials::ready(if asked < self.times {
                Ok(Credentials::new("AKID", "SECRET", None, until, "test"))
            } else {
                Err(CredentialsError::not_loaded("it is used up"))
            })
        }
    }

    fn signer(lasting: Option<Duration>, times: u32) -> (Signer, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let given = Given {
            asked: Arc::clone(&asked),
            lasting,
            times,
            silent: false,
        };
        let source = Source::Provider(SharedCredentialsProvider::new(given));
        (Signer::new(&PLACE, Some("eu-west-1"), source), asked)
    }

    #[tokio::test]
    async fn credentials_are_kept_as_long_as_they_are_good() {
        for (lasting, searches) in [
            (None, 1),
            (Some(Duration::from_secs(3600)), 1),
            // Soon over: renewed each time, and used where that fails.
            (Some(Duration::from_secs(30)), 3),
        ] {
            let (signer, asked) = signer(lasting, 1);
            for _ in 0..3 {
                signer.credentials().await.unwrap();
            }
            assert_eq!(asked.load(Ordering::Relaxed), searches, "{lasting:?}");
        }
    }

    #[tokio::test]
    async fn what_is_missing_is_said_with_the_fix() {
        let (signer, _) = signer(Some(Duration::ZERO), 0);
        let said = signer.credentials().await.unwrap_err();
        for part in ["used up", "aws sso login", "[upstreams.up]", "profile"] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[tokio::test]
    async fn a_provider_that_does_not_answer_is_given_up() {
        let given = Given {
            asked: Arc::default(),
            lasting: None,
            times: 0,
            silent: true,
        };
        let source = Source::Provider(SharedCredentialsProvider::new(given));
        let mut signer = Signer::new(&PLACE, Some("eu-west-1"), source);
        signer.patience = Duration::from_millis(1);
        let (mut parts, ()) = http::Request::new(()).into_parts();
        let said = signer.sign(&mut parts, b"").await.unwrap_err();
        assert!(said.contains("no AWS credentials"), "{said}");
    }

    #[test]
    fn hosts_name_service_and_region() {
        for (host, expected) in [
            (
                "bedrock-runtime.eu-west-1.amazonaws.com",
                ("bedrock", Some("eu-west-1")),
            ),
            (
                "bedrock-runtime-fips.us-east-1.api.aws",
                ("bedrock", Some("us-east-1")),
            ),
            (
                "vpce-0a.bedrock-runtime.us-east-1.vpce.amazonaws.com",
                ("bedrock", Some("us-east-1")),
            ),
            (
                "bedrock-mantle.us-west-2.api.aws",
                ("bedrock-mantle", Some("us-west-2")),
            ),
            ("bedrock.gateway.example.com", ("bedrock", None)),
            ("127.0.0.1", ("bedrock", None)),
        ] {
            assert_eq!(served_at(host), expected, "{host}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let (signer, _) = signer(None, 1);
        assert!(!format!("{signer:?}").contains("SECRET"));
    }
}
