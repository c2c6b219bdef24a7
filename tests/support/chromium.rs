//! A real browser, driven by its own protocol over a pipe.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise and must say what it skips"
)]

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

/// What this needs, from Debian's packages.
const PROGRAM: &str = "/usr/bin/chromium";
/// The protocol is spoken on the third and fourth file.
const PIPE: &str = r#"exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null"#;

/// One browser with one empty tab.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    calls: u64,
    session: Option<String>,
    /// Requests that the page made, by their addresses.
    pub(crate) requests: Vec<String>,
    /// What went wrong within the page.
    pub(crate) faults: Vec<String>,
}

impl Browser {
    /// `None`, with a word about it, where there is no browser.
    pub(crate) fn start(name: &str) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            let required = env::var_os("CACHEWRIGHT_REQUIRE_ALL").is_some_and(|on| on == "1");
            assert!(!required, "{PROGRAM} is required: install `chromium`");
            eprintln!("skipped: {PROGRAM} is absent: install `chromium`");
            return None;
        }
        let profile = own_directory(&format!("profile-{name}"));
        let mut child = Command::new("sh")
            .args([
                "-c",
                PIPE,
                "sh",
                PROGRAM,
                "--remote-debugging-pipe",
                "--headless",
                "--no-sandbox",
            ])
            .args([
                "--disable-gpu",
                "--no-first-run",
                "--disable-background-networking",
            ])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        let mut browser = Self {
            child,
            to,
            from,
            calls: 0,
            session: None,
            requests: Vec::new(),
            faults: Vec::new(),
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = Some(session["sessionId"].as_str().unwrap().into());
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser.call(
            "Emulation.setFocusEmulationEnabled",
            &json!({"enabled": true}),
        );
        Some(browser)
    }

    /// Calls the browser and waits for its answer.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&call).unwrap();
        bytes.push(0);
        self.to.write_all(&bytes).unwrap();
        self.to.flush().unwrap();
        loop {
            let message = self.next();
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    fn next(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser has ended");
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        let params = &message["params"];
        match message["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                let address = params["request"]["url"].as_str().unwrap();
                self.requests.push(address.into());
            }
            Some("Runtime.exceptionThrown") => {
                self.faults.push(params["exceptionDetails"].to_string())
            }
            Some("Log.entryAdded") => self.faults.push(params["entry"]["text"].to_string()),
            _ => {}
        }
        message
    }

    /// Waits for an event.
    pub(crate) fn wait(&mut self, event: &str) {
        while self.next()["method"] != event {}
    }

    /// Opens a file and waits until it and what it contains is there.
    pub(crate) fn open(&mut self, file: &Path) {
        self.requests.clear();
        self.faults.clear();
        let address = format!("file://{}", file.display());
        self.call("Page.navigate", &json!({"url": address}));
        self.wait("Page.loadEventFired");
    }

    /// A screen of this width; below 500 it is a phone's.
    pub(crate) fn screen(&mut self, width: u32, mode: &str) {
        let size =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": mode}]});
        self.call("Emulation.setEmulatedMedia", &media);
    }

    pub(crate) fn scripts(&mut self, off: &str) {
        self.call(
            "Emulation.setScriptExecutionDisabled",
            &json!({"value": off == "off"}),
        );
    }

    /// The value of an expression within the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let result = self.call("Runtime.evaluate", &params);
        assert!(
            result["exceptionDetails"].is_null(),
            "{expression}: {result}"
        );
        result["result"]["value"].clone()
    }

    /// Presses one key.
    pub(crate) fn press(&mut self, (key, code): (&str, u32)) {
        for kind in ["rawKeyDown", "keyUp"] {
            let params =
                json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", &params);
        }
    }

    /// The whole page as a picture.
    pub(crate) fn picture(&mut self, file: &Path) {
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let shot = self.call("Page.captureScreenshot", &params);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        assert!(bytes.starts_with(b"\x89PNG"));
        std::fs::write(file, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self
            .to
            .write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.child.wait();
    }
}

/// A directory of this test's own, empty.
pub(crate) fn own_directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("page")
        .join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}
