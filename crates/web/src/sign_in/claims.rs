//! Claims that several tokens of the host application share: who it is, and whether their address is
//! verified.

use serde_json::{Map, Value};

/// Longest id of a user that is read.
const ID_CHARS_MAX: usize = 200;

/// The names under which libraries and providers say that an address is verified.
const VERIFIED: [&str; 2] = ["emailVerified", "email_verified"];

/// Whether a token says that its address is verified; `None` if it says nothing. Libraries write a
/// boolean, its text, or the time of the verification (RFC 3339, or a number); null means that it
/// isn't. If both names are there, both must say so.
pub fn is_verified(claims: &Map<String, Value>) -> Option<bool> {
    let said = VERIFIED.iter().filter_map(|name| claims.get(*name));
    said.map(says_verified).reduce(|one, other| one && other)
}

fn says_verified(value: &Value) -> bool {
    match value {
        Value::Bool(is_verified) => *is_verified,
        // A time, in seconds or milliseconds; 1 for true.
        Value::Number(number) => number.as_f64().is_some_and(|number| number > 0.0),
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            text == "true" || text == "1" || is_date(&text)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Whether a text is a date as libraries write it: `2026-11-22T10:00:00.000Z`, or only its day.
fn is_date(text: &str) -> bool {
    let day = text.as_bytes();
    day.len() >= 10
        && day[..10].iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
        && matches!(day.get(10), None | Some(b't' | b' '))
}

/// The host application's id of the user: a text, or a number.
pub fn identity(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let id = match claims.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let is_line = id.chars().all(|c| !c.is_control());
    (is_line && (1..=ID_CHARS_MAX).contains(&id.chars().count())).then_some(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(claims: &Value) -> Option<bool> {
        is_verified(claims.as_object().unwrap())
    }

    #[test]
    fn a_verified_address_is_read_in_every_form_that_libraries_write() {
        for yes in [
            json!(true),
            json!("true"),
            json!("2026-11-22T10:00:00.000Z"),
            json!("2026-11-22"),
            json!(1_763_805_600),
            json!(1_763_805_600_000_i64),
        ] {
            assert_eq!(said(&json!({ "emailVerified": yes })), Some(true), "{yes}");
            assert_eq!(said(&json!({ "email_verified": yes })), Some(true), "{yes}");
        }
        for no in [
            json!(false),
            json!("false"),
            json!(null),
            json!(0),
            json!(""),
            json!("no"),
            json!({}),
            json!("never 2026"),
        ] {
            assert_eq!(said(&json!({ "emailVerified": no })), Some(false), "{no}");
            assert_eq!(said(&json!({ "email_verified": no })), Some(false), "{no}");
        }
        assert_eq!(said(&json!({ "email": "a@b.c" })), None);
        let both = json!({ "emailVerified": null, "email_verified": true });
        assert_eq!(said(&both), Some(false));
    }

    #[test]
    fn an_id_is_a_text_or_a_number_of_the_configured_claim() {
        let claims = json!({ "sub": " user-7 ", "uid": 42, "list": [1], "empty": "" });
        let read = |name| identity(claims.as_object().unwrap(), name);

        assert_eq!(read("sub").as_deref(), Some("user-7"));
        assert_eq!(read("uid").as_deref(), Some("42"));
        assert_eq!(
            (read("list"), read("empty"), read("none")),
            (None, None, None)
        );
    }
}
