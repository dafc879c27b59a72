//! What a command says, collected: its reader may be a terminal here or the other end of the
//! control socket.

use serde_json::Value;

/// Texts for standard output and standard error.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Whether JSON was asked for.
    pub json: bool,
    /// For standard output.
    pub text: String,
    /// For standard error.
    pub errors: String,
}

impl Output {
    /// Nothing said yet.
    pub fn new(json: bool) -> Output {
        Output {
            json,
            ..Output::default()
        }
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Adds a line for standard error.
    pub fn error(&mut self, line: impl AsRef<str>) {
        self.errors.push_str(line.as_ref());
        self.errors.push('\n');
    }

    /// Answers with `value` where JSON was asked for, else with `text`.
    pub fn answer(&mut self, value: &Value, text: impl AsRef<str>) {
        if self.json {
            self.line(value.to_string());
        } else {
            self.line(text);
        }
    }

    /// As [`Output::answer`], for a value whose credits must keep every digit.
    pub fn exact(&mut self, value: &impl serde::Serialize, text: impl AsRef<str>) {
        if self.json {
            self.line(serde_json::to_string(value).unwrap_or_default());
        } else {
            self.line(text);
        }
    }

    /// Prints what was said.
    pub fn print(&self) {
        use std::io::Write;
        // A reader that went away is no failure of the command.
        let _ = std::io::stderr().write_all(self.errors.as_bytes());
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(self.text.as_bytes());
        let _ = out.flush();
    }
}
