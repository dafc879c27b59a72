//! Collects the output of a command, which may be printed here or sent back through the control
//! socket.

use serde_json::Value;

/// What a command writes to standard output and standard error.
#[derive(Clone, Debug, Default)]
pub struct Output {
    /// Whether the output is JSON.
    pub json: bool,
    /// Text for standard output.
    pub text: String,
    /// Text for standard error.
    pub errors: String,
}

impl Output {
    /// Starts with empty output.
    pub fn new(json: bool) -> Output {
        Output {
            json,
            ..Output::default()
        }
    }

    /// Adds a line to standard output.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// Adds a line to standard error.
    pub fn error(&mut self, line: impl AsRef<str>) {
        self.errors.push_str(line.as_ref());
        self.errors.push('\n');
    }

    /// Adds `value` if the output is JSON, and `text` otherwise.
    pub fn answer(&mut self, value: &Value, text: impl AsRef<str>) {
        if self.json {
            self.line(value.to_string());
        } else {
            self.line(text);
        }
    }

    /// Like [`Output::answer`], for a value whose credits must keep every digit.
    pub fn exact(&mut self, value: &impl serde::Serialize, text: impl AsRef<str>) {
        if self.json {
            self.line(serde_json::to_string(value).unwrap_or_default());
        } else {
            self.line(text);
        }
    }

    /// Prints the collected output.
    pub fn print(&self) {
        use std::io::Write;
        // The command doesn't fail if its reader closed the pipe.
        let _ = std::io::stderr().write_all(self.errors.as_bytes());
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(self.text.as_bytes());
        let _ = out.flush();
    }
}

/// A count with its noun, as in "1 account" and "2 accounts".
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
