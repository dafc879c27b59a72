//! The reason that an operator gives for an action.

use crate::error::{Error, Result};
use crate::text::is_line;

/// Maximum length of a reason.
const REASON_CHARS_MAX: usize = 500;

/// Validates a reason: trimmed, one line of 1 to 500 characters. It stays in the audit log forever,
/// so it must not name anyone. The error is for the field `reason`.
pub fn read_reason(text: &str) -> Result<String> {
    let text = text.trim();
    if !text.is_empty() && is_line(text, REASON_CHARS_MAX) {
        return Ok(text.to_owned());
    }
    let detail = format!("Say why, in 1 to {REASON_CHARS_MAX} characters.");
    Err(Error::field("reason", detail))
}
