//! Validation of text that users type.

use crate::error::{Error, Result};

/// Whether `text` is one line of at most `chars_max` characters. It may be empty.
pub fn is_line(text: &str, chars_max: usize) -> bool {
    text.chars().count() <= chars_max && !text.chars().any(char::is_control)
}

/// Validates a name: trimmed, one line of 1 to `chars_max` characters. The error is for the field
/// `name`.
pub fn read_name(text: &str, chars_max: usize) -> Result<String> {
    let text = text.trim();
    if !text.is_empty() && is_line(text, chars_max) {
        return Ok(text.to_owned());
    }
    let detail = format!("A name must have 1 to {chars_max} characters.");
    Err(Error::field("name", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_is_one_line_of_bounded_length() {
        assert_eq!(
            read_name("  Müller & Co ", 11).expect("a name"),
            "Müller & Co"
        );
        for wrong in ["", "   ", "a name too long", "two\nlines", "a\u{7f}b"] {
            assert!(read_name(wrong, 11).is_err(), "{wrong:?}");
        }
    }
}
