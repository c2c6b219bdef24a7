//! Credentials: from the environment, from a command, or by signing.

use std::fmt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use tokio::io::AsyncReadExt as _;
use tokio::process;
use tokio::sync::Mutex;

use super::site::Unauthorized;
use crate::adapter::clock::{Clock as _, SystemClock};
use crate::adapter::sign::Sign;
use crate::model::Timestamp;

/// What a backend is shown to prove who calls.
#[derive(Clone, Debug, Default)]
pub(super) enum Credential {
    /// Nothing: a server of one's own that asks for nothing, or headers that say it already.
    #[default]
    None,
    /// A key that was given.
    Key(Shown),
    /// What a command prints.
    Command(Arc<Command>),
    /// A signature over each request.
    Signed(Arc<dyn Sign>),
}

/// A credential in its header.
#[derive(Clone)]
pub(super) struct Shown {
    header: HeaderName,
    value: HeaderValue,
}

/// How a credential is put into a header.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(super) header: HeaderName,
    /// What stands before it, such as `Bearer `.
    pub(super) prefix: Box<str>,
}

impl Manner {
    /// `None` for a key that no header can carry.
    pub(super) fn show(&self, key: &str) -> Option<Shown> {
        let mut value = HeaderValue::try_from(format!("{}{key}", self.prefix)).ok()?;
        value.set_sensitive(true);
        Some(Shown {
            header: self.header.clone(),
            value,
        })
    }
}

impl Shown {
    pub(super) fn put_into(&self, headers: &mut HeaderMap) {
        headers.insert(self.header.clone(), self.value.clone());
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shown({}: ..)", self.header)
    }
}

/// A command that prints a credential, such as `gcloud auth print-access-token`, and what it printed
/// last.
pub(super) struct Command {
    /// Names the backend in messages.
    backend: Box<str>,
    words: Vec<String>,
    manner: Manner,
    lifetime: Duration,
    patience: Duration,
    /// Whoever comes while it runs waits for the same run.
    held: Mutex<Held>,
    /// Whether it is being run ahead of need.
    ahead: AtomicBool,
}

#[derive(Default)]
struct Held {
    shown: Option<(Shown, Timestamp)>,
    failed: Option<(Unauthorized, Timestamp)>,
}

/// How long a command may run: logging in at a far place takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a failure is told again instead of running the command once more for every call.
const SULK: Duration = Duration::from_secs(2);

/// A credential is no longer than this.
const LONGEST: u64 = 64 << 10;

impl Command {
    pub(super) fn new(
        backend: &str,
        words: Vec<String>,
        (manner, lifetime): (Manner, Duration),
    ) -> Self {
        Self {
            backend: backend.into(),
            words,
            manner,
            lifetime,
            patience: PATIENCE,
            held: Mutex::default(),
            ahead: AtomicBool::new(false),
        }
    }

    /// The credential: the one that was printed last, or a new one where that is old. Shortly before
    /// its end the next one is fetched beside the calls.
    pub(super) async fn shown(self: &Arc<Self>) -> Result<Shown, Unauthorized> {
        let mut held = self.held.lock().await;
        let now = SystemClock.now();
        if let Some((shown, since)) = &held.shown
            && now.since(*since) < self.lifetime
        {
            if now.since(*since) > self.lifetime.mul_f64(0.9) {
                self.renew();
            }
            return Ok(shown.clone());
        }
        if let Some((why, since)) = &held.failed
            && now.since(*since) < SULK
        {
            return Err(why.clone());
        }
        let found = self.run().await;
        held.take(&found);
        found
    }

    /// Forgets what was printed before `sent`, when a request left that was refused.
    pub(super) async fn refused(&self, sent: Timestamp) {
        let mut held = self.held.lock().await;
        if held.shown.as_ref().is_some_and(|(_, since)| *since <= sent) {
            held.shown = None;
        }
    }

    fn renew(self: &Arc<Self>) {
        if self.ahead.swap(true, Ordering::Relaxed) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let found = this.run().await;
            // What is held is still good, so that a failure can wait.
            if found.is_ok() {
                this.held.lock().await.take(&found);
            }
            this.ahead.store(false, Ordering::Relaxed);
        });
    }

    async fn run(&self) -> Result<Shown, Unauthorized> {
        let printed = tokio::time::timeout(self.patience, self.output()).await;
        let seconds = self.patience.as_secs();
        let printed = printed
            .unwrap_or_else(|_| Err(format!("did not end within {seconds} seconds")))
            .and_then(|text| match text.trim() {
                "" => Err("printed nothing".into()),
                key => {
                    let shown = self.manner.show(key);
                    shown.ok_or_else(|| "printed more than one line".into())
                }
            });
        printed.map_err(|why| {
            Unauthorized(format!(
                "no credential for backend {:?}: its key_command {:?} {why}; run it by hand where \
                 this runs, as the same user",
                self.backend,
                self.words.first().map_or("", |word| word),
            ))
        })
    }

    /// What it prints; its errors go where those of this process go.
    async fn output(&self) -> Result<String, String> {
        let (program, arguments) = self.words.split_first().ok_or("names no program")?;
        let mut child = process::Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot be run ({})", error.kind()))?;
        let mut text = String::new();
        if let Some(printed) = child.stdout.take() {
            let mut printed = printed.take(LONGEST);
            let read = printed.read_to_string(&mut text).await;
            read.map_err(|_| "printed what is no text")?;
        }
        let ended = child.wait().await;
        match ended {
            Ok(status) if status.success() => Ok(text),
            Ok(status) => Err(format!("failed ({status})")),
            Err(error) => Err(format!("failed ({})", error.kind())),
        }
    }
}

impl Held {
    fn take(&mut self, found: &Result<Shown, Unauthorized>) {
        let now = SystemClock.now();
        match found {
            Ok(shown) => {
                self.shown = Some((shown.clone(), now));
                self.failed = None;
            }
            Err(why) => self.failed = Some((why.clone(), now)),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its arguments and what it printed stay out.
        f.debug_struct("Command")
            .field("program", &self.words.first())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(script: &str, lifetime: Duration) -> Arc<Command> {
        let words = ["sh", "-c", script].map(String::from).to_vec();
        let manner = Manner {
            header: http::header::AUTHORIZATION,
            prefix: "Bearer ".into(),
        };
        Arc::new(Command::new("there", words, (manner, lifetime)))
    }

    fn value(shown: &Shown) -> String {
        let mut headers = HeaderMap::new();
        shown.put_into(&mut headers);
        headers["authorization"].to_str().unwrap().to_owned()
    }

    /// A command that prints a new credential each time, and counts its runs in a file.
    fn counting() -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("runs").display().to_string();
        let script = format!("echo x >> {file}; echo \" key-$(wc -l < {file} | tr -d ' ')\"");
        (dir, script)
    }

    #[tokio::test]
    async fn it_is_run_once_for_all_who_wait_and_again_when_refused() {
        let (_dir, script) = counting();
        let command = command(&script, Duration::from_secs(3600));
        let (one, other) = tokio::join!(command.shown(), command.shown());
        assert_eq!(value(&one.unwrap()), "Bearer key-1");
        assert_eq!(value(&other.unwrap()), "Bearer key-1");
        // An answer to a request that left before says nothing of this credential.
        command.refused(Timestamp::default()).await;
        assert_eq!(value(&command.shown().await.unwrap()), "Bearer key-1");
        command.refused(SystemClock.now()).await;
        assert_eq!(value(&command.shown().await.unwrap()), "Bearer key-2");
    }

    #[tokio::test]
    async fn what_is_old_is_fetched_anew() {
        let (_dir, script) = counting();
        let command = command(&script, Duration::ZERO);
        for expected in ["Bearer key-1", "Bearer key-2"] {
            assert_eq!(value(&command.shown().await.unwrap()), expected);
        }
    }

    #[tokio::test]
    async fn failures_say_what_and_never_what_was_printed() {
        for (script, part) in [
            ("echo sk-hidden; exit 3", "exit status: 3"),
            ("true", "printed nothing"),
            ("printf 'sk-hidden\\nsk-more'", "more than one line"),
        ] {
            let command = command(script, Duration::from_secs(60));
            let said = command.shown().await.unwrap_err().0;
            for part in [part, "there", "\"sh\"", "by hand"] {
                assert!(said.contains(part), "{part} in {said}");
            }
            assert!(!format!("{said}{command:?}").contains("hidden"), "{said}");
        }
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended() {
        let mut command =
            Arc::into_inner(command("exec sleep 600", Duration::from_secs(60))).unwrap();
        command.patience = Duration::from_millis(1);
        let said = Arc::new(command).shown().await.unwrap_err().0;
        assert!(said.contains("did not end"), "{said}");
    }
}
