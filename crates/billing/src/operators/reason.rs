//! The reason that an operator gives for an act.

use crate::error::{Error, Result};
use crate::operators::accounts::REASON_CHARS_MAX;

/// Characters of a reason.
const REASON_MAX: usize = 500;

/// Checks that an operator said why.
pub fn check_reason(reason: &str) -> Result<()> {
    let length = reason.trim().chars().count();
    if (1..=REASON_MAX).contains(&length) {
        return Ok(());
    }
    let detail = format!("Say why, in 1 to {REASON_MAX} characters.");
    Err(Error::field("reason", detail))
}

/// A reason as it is kept: 1 to 200 characters of one line. It stays in the audit log for good, so
/// it names no person.
pub fn reason(text: &str) -> Result<String> {
    let text = text.trim();
    let is_plain = !text.chars().any(char::is_control);
    if (1..=REASON_CHARS_MAX).contains(&text.chars().count()) && is_plain {
        return Ok(text.to_owned());
    }
    let detail = format!("Say why, in 1 to {REASON_CHARS_MAX} characters.");
    Err(Error::field("reason", detail))
}
