//! A real Postgres, started for the tests and ended with the last of them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise and must say what it skips"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// A running cluster that listens on a socket in its own directory.
pub(crate) struct Postgres {
    bin: PathBuf,
    dir: tempfile::TempDir,
}

static RUNNING: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Postgres {
    /// The cluster that other tests use as well; `None`, with a word about it, where Postgres is
    /// not installed.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = running.upgrade() {
            return Some(cluster);
        }
        let Some(bin) = installed() else {
            skip();
            return None;
        };
        let cluster = Arc::new(Self::start(bin));
        *running = Arc::downgrade(&cluster);
        Some(cluster)
    }

    fn start(bin: PathBuf) -> Self {
        // The path of a socket is short, so that it cannot stand below the build's directory.
        let dir = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        if is_root() {
            let owner = Command::new("chown").arg("nobody").arg(dir.path()).status();
            assert!(owner.unwrap().success());
        }
        let cluster = Self { bin, dir };
        let data = cluster.dir.path().join("data");
        let data = data.to_str().unwrap();
        cluster.run(
            "initdb",
            &[
                "-D",
                data,
                "-U",
                "tester",
                "-A",
                "trust",
                "--no-sync",
                "-E",
                "UTF8",
            ],
        );
        let socket = cluster.dir.path().display();
        let options = format!("-k {socket} -c listen_addresses= -c fsync=off");
        let log = cluster.dir.path().join("log");
        let log = log.to_str().unwrap();
        cluster.run(
            "pg_ctl",
            &["-D", data, "-l", log, "-w", "-o", &options, "start"],
        );
        cluster
    }

    /// The URL of a new, empty database.
    pub(crate) fn database(&self) -> String {
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let host = self.dir.path().to_str().unwrap();
        self.run("createdb", &["-h", host, "-U", "tester", &name]);
        format!("postgres://tester@localhost/{name}?host={host}")
    }

    /// Runs a program of Postgres, which refuses to be root.
    fn run(&self, program: &str, args: &[&str]) {
        let program = self.bin.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            let user = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"];
            command.args(user).arg(program);
            command
        } else {
            Command::new(program)
        };
        // What the server inherits it would hold open.
        let command = command
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let done = command.current_dir(self.dir.path()).status().unwrap();
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        assert!(done.success(), "{args:?}: {log}");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.dir.path().join("data");
        self.run(
            "pg_ctl",
            &[
                "-D",
                data.to_str().unwrap(),
                "-w",
                "-m",
                "immediate",
                "stop",
            ],
        );
    }
}

/// The newest version that is installed.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut bins: Vec<PathBuf> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    bins.sort();
    bins.pop()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|own| own.uid() == 0)
}

fn skip() {
    let required = std::env::var_os("CACHEWRIGHT_REQUIRE_ALL").is_some_and(|on| on == "1");
    assert!(!required, "Postgres is required: install postgresql");
    eprintln!("skipped: the ledger over Postgres: install postgresql");
}
