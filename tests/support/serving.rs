//! The command itself, serving.

#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A command of ours that serves; it ends when it is dropped.
pub(crate) struct Serving {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) url: String,
}

impl Serving {
    /// Starts it with what `prepare` sets; it says where it serves on its first line.
    pub(crate) fn start(args: &[&str], prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cachewright"));
        // Its ledger is none of the user's.
        let state = concat!(env!("CARGO_TARGET_TMPDIR"), "/state");
        command
            .args(args)
            .env("XDG_STATE_HOME", state)
            .env_remove("CACHEWRIGHT_LEDGER")
            .env_remove("CACHEWRIGHT_CLIENT_TOKEN");
        prepare(&mut command);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut url = String::new();
        out.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(url.starts_with("http://"), "{args:?} said {url:?}");
        Self { child, out, url }
    }

    pub(crate) fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// The first line from here on that holds `part`; fails when it ends before it says so.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        loop {
            let mut line = String::new();
            let length = self.out.read_line(&mut line).unwrap();
            assert!(length > 0, "it never said {part:?}");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Asks it to read its configuration again.
    pub(crate) fn hang_up(&self) {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-HUP", &id]).status().unwrap();
        assert!(asked.success());
    }

    /// Asks it to end, and returns what it says then.
    pub(crate) fn end(mut self) -> String {
        let id = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(asked.success());
        let mut said = String::new();
        self.out.read_to_string(&mut said).unwrap();
        assert!(self.child.wait().unwrap().success());
        said
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
