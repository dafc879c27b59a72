//! JSON for display: indented, escaped and colored.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::escape::Escaped;

/// JSON, indented, escaped and colored. Text that isn't valid JSON is shown unchanged.
#[derive(Clone, Debug)]
pub struct Json(String);

/// A longer payload is truncated on the page; the full payload is available at Stripe.
const JSON_BYTES_MAX: usize = 60_000;

impl Json {
    /// Indents `text` while preserving the order of keys and the digits of numbers; keys, strings
    /// and numbers are colored.
    pub fn new(text: &str) -> Self {
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            return Self(cut(&Escaped(text).to_string()).to_owned());
        }
        let mut html = String::new();
        for line in indented(text).lines().map(coloured) {
            if html.len() + line.len() > JSON_BYTES_MAX {
                html.push_str("… cut here; the whole event is at Stripe");
                break;
            }
            html.push_str(&line);
            html.push('\n');
        }
        Self(html)
    }
}

/// Formats valid JSON with one member or element per line. Serde's own pretty printer would need an
/// intermediate value, which loses the order of members and the digits of numbers.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut characters = json
        .chars()
        .filter(|c| !matches!(c, '\n' | '\r'))
        .peekable();
    while let Some(character) = characters.next() {
        if in_string {
            out.push(character);
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            continue;
        }
        match character {
            ' ' | '\t' => {}
            '"' => {
                in_string = true;
                out.push('"');
            }
            ':' => out.push_str(": "),
            ',' => new_line(&mut out, ",", depth),
            '{' | '[' => {
                while characters.peek().is_some_and(char::is_ascii_whitespace) {
                    characters.next();
                }
                if let Some(close @ ('}' | ']')) = characters.peek().copied() {
                    characters.next();
                    out.extend([character, close]);
                } else {
                    depth += 1;
                    new_line(&mut out, if character == '{' { "{" } else { "[" }, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, "", depth);
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, before: &str, depth: usize) {
    out.push_str(before);
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Json {}

fn cut(text: &str) -> &str {
    if text.len() <= JSON_BYTES_MAX {
        return text;
    }
    let end = (0..=JSON_BYTES_MAX)
        .rev()
        .find(|&at| text.is_char_boundary(at));
    &text[..end.expect("zero is a boundary")]
}

/// Colors one line of pretty-printed JSON: an indent, an optional `"key": `, and a value or a
/// bracket.
fn coloured(line: &str) -> String {
    let body = line.trim_start();
    let indent = &line[..line.len() - body.len()];
    let (key, value) = match body.split_once("\": ") {
        Some((key, value)) if body.starts_with('"') => (Some(format!("{key}\"")), value),
        _ => (None, body),
    };
    let key = key.map_or_else(String::new, |key| {
        format!(r#"<span class="k">{}</span>: "#, Escaped(&key))
    });
    let (value, comma) = match value.strip_suffix(',') {
        Some(value) => (value, ","),
        None => (value, ""),
    };
    let class = match value.chars().next() {
        Some('"') => "s",
        Some('{' | '}' | '[' | ']') | None => "",
        Some(_) => "n",
    };
    let value = match class {
        "" => Escaped(value).to_string(),
        class => format!(r#"<span class="{class}">{}</span>"#, Escaped(value)),
    };
    format!("{indent}{key}{value}{comma}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_in_its_own_order_with_its_own_digits() {
        let text = r#"{"z":[],"id":"evt_1", "n":-1.50e3,
            "ok":true,"a: b":["x\": y\\"]}"#;

        let json = Json::new(text).to_string();

        let mut plain = json.replace("&#34;", "\"").replace("</span>", "");
        for class in ["k", "s", "n"] {
            plain = plain.replace(&format!(r#"<span class="{class}">"#), "");
        }
        let expected = "{\n  \"z\": [],\n  \"id\": \"evt_1\",\n  \"n\": -1.50e3,\n  \"ok\": true,\n  \
                        \"a: b\": [\n    \"x\\\": y\\\\\"\n  ]\n}\n";
        assert_eq!(plain, expected);
        assert!(json.contains(r#"  <span class="k">&#34;id&#34;</span>: <span class="s">"#));
        assert!(json.contains(r#"<span class="n">true</span>,"#));
    }

    #[test]
    fn a_long_payload_is_cut_between_characters() {
        let long = format!("x{}", "é".repeat(JSON_BYTES_MAX));

        assert_eq!(cut(&long).len(), JSON_BYTES_MAX - 1);
        assert_eq!(cut(&long[..11]), "xééééé");
        let list = Json::new(&format!("[{}1]", "1,".repeat(JSON_BYTES_MAX))).to_string();
        assert!(list.len() < JSON_BYTES_MAX + 100 && list.contains("cut here"));
    }
}
