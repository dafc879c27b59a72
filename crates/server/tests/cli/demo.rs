//! A demo in its own process, and commands that run next to it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

/// A demo that runs until it is dropped.
pub struct Demo {
    pub process: Child,
    pub started: Value,
}

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_localboxs-billing"));
    for name in [
        "DATABASE_URL",
        "LBX_DATA",
        "LBX_CONFIG",
        "STRIPE_SECRET_KEY",
        "LBX_TWIN_URL",
    ] {
        command.env_remove(name);
    }
    command
}

impl Demo {
    pub fn start(data: &Path, more: &[&str]) -> Demo {
        let mut process = program()
            .args([
                "demo",
                "--json",
                "--port",
                "0",
                "--twin-port",
                "0",
                "--data",
            ])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = process.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let started = serde_json::from_str(&line).unwrap();
        Demo { process, started }
    }

    pub fn text(&self, name: &str) -> &str {
        self.started[name].as_str().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let _ = self.process.wait();
    }
}

pub fn run(data: &Path, args: &[&str]) -> Output {
    program()
        .arg("--data")
        .arg(data)
        .args(args)
        .output()
        .unwrap()
}

/// The JSON output of a command that must succeed.
pub fn json(data: &Path, args: &[&str]) -> Value {
    let output = run(data, &[args, &["--json"]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test's own client")]
pub fn get(url: &str, header: (&str, &str)) -> (u16, String) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client
            .get(url)
            .header(header.0, header.1)
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}
