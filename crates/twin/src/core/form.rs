//! `application/x-www-form-urlencoded` with Stripe's nested keys: `items[0][price]=...`, `expand[]=...`.

use serde_json::{Map, Value};

use super::errors::{Answer, ApiError};

const PAIRS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 10;

/// Parses a form body or query into a tree whose leaves are strings. Lists become arrays if they
/// are written with `[]`, and objects with numeric keys if they are written with indexes; the
/// schema distinguishes them later. Of a parameter that is sent twice the last value counts, as in
/// Rack, which reads forms for Stripe's servers.
pub fn parse(body: &str) -> Answer {
    let mut root = Value::Object(Map::new());
    let pairs = body.split('&').filter(|pair| !pair.is_empty());
    for (count, pair) in pairs.enumerate() {
        if count >= PAIRS_MAX {
            return Err(ApiError::invalid("Too many parameters."));
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode(key)?;
        let path = split_key(&key)?;
        insert(&mut root, &path, &key, decode(value)?)?;
    }
    Ok(root)
}

/// Decodes a name or a value, which must be UTF-8.
fn decode(encoded: &str) -> Answer<String> {
    let spaced = encoded.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    match decoded {
        Ok(text) if text.contains('\0') => Err(ApiError::invalid(
            "Invalid request: the parameters must not contain null bytes.",
        )),
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(ApiError::invalid(
            "Invalid request: the parameters must be encoded as UTF-8.",
        )),
    }
}

/// Splits a key: `a[b][0]` becomes `["a", "b", "0"]`.
fn split_key(key: &str) -> Answer<Vec<&str>> {
    let bad = || ApiError::invalid(format!("Invalid parameter name: {key}"));
    let Some(open) = key.find('[') else {
        return if key.is_empty() {
            Err(bad())
        } else {
            Ok(vec![key])
        };
    };
    let mut path = vec![&key[..open]];
    let mut rest = &key[open..];
    while !rest.is_empty() {
        let close = rest.find(']').ok_or_else(bad)?;
        if !rest.starts_with('[') {
            return Err(bad());
        }
        path.push(&rest[1..close]);
        rest = &rest[close + 1..];
    }
    if path[0].is_empty() || path.len() > DEPTH_MAX {
        return Err(bad());
    }
    Ok(path)
}

fn insert(here: &mut Value, path: &[&str], key: &str, value: String) -> Answer<()> {
    let Some((part, rest)) = path.split_first() else {
        if here.is_object() || here.is_array() {
            return two_shapes(key);
        }
        *here = Value::String(value);
        return Ok(());
    };
    if part.is_empty() {
        return push(here, rest, key, value);
    }
    match here {
        Value::Object(map) => {
            let empty = || match rest.first() {
                Some(&"") => Value::Array(Vec::new()),
                Some(_) => Value::Object(Map::new()),
                None => Value::Null,
            };
            insert(map.entry(*part).or_insert_with(empty), rest, key, value)
        }
        _ => two_shapes(key),
    }
}

/// Refuses a parameter that is sent as a value and as an object or a list.
fn two_shapes(key: &str) -> Answer<()> {
    Err(ApiError::invalid(format!("Invalid parameter: {key}")).with_param(key))
}

/// Adds a value to a list. `a[][b]=1&a[][c]=2&a[][b]=3` makes two elements: a new one starts when
/// its key is already present.
fn push(here: &mut Value, rest: &[&str], key: &str, value: String) -> Answer<()> {
    let Value::Array(list) = here else {
        return Err(ApiError::invalid(format!("Invalid array: {key}")).with_param(key));
    };
    if rest.is_empty() {
        list.push(Value::String(value));
        return Ok(());
    }
    let fits = matches!(list.last(), Some(Value::Object(map)) if !map.contains_key(rest[0]) || rest.len() > 1);
    if !fits {
        list.push(Value::Object(Map::new()));
    }
    match list.last_mut() {
        Some(last) => insert(last, rest, key, value),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nested_keys_and_both_list_notations_are_read() {
        let tree =
            parse("a[b]=1&expand[]=x&expand[]=y&items[0][price]=p&l[][k]=1&l[][k]=2").unwrap();

        assert_eq!(
            tree,
            json!({"a": {"b": "1"}, "expand": ["x", "y"], "items": {"0": {"price": "p"}},
                   "l": [{"k": "1"}, {"k": "2"}]})
        );
    }

    #[test]
    fn malformed_and_overlong_keys_are_refused() {
        assert!(parse("a[b=1").is_err());
        assert!(parse("[a]=1").is_err());
        assert!(parse(&format!("a{}=1", "[b]".repeat(20))).is_err());
        assert!(parse("a=1&a[b]=2").is_err());
    }

    #[test]
    fn of_a_parameter_that_is_sent_twice_the_last_value_counts() {
        let tree =
            parse("name=a&name=b&m[k]=1&m[k]=2&items[0][price]=p&items[0][price]=q").unwrap();

        assert_eq!(
            tree,
            json!({"name": "b", "m": {"k": "2"}, "items": {"0": {"price": "q"}}})
        );
    }

    #[test]
    fn a_parameter_that_is_sent_in_two_shapes_is_refused() {
        for body in [
            "a=1&a[b]=2",
            "a[b]=2&a=1",
            "a=1&a[]=2",
            "a[]=1&a=2",
            "a[]=1&a[b]=2",
            "a[b]=1&a[]=2",
        ] {
            let error = parse(body).unwrap_err();

            assert_eq!(error.status, 400, "{body}");
            assert!(error.param.is_some(), "{body}");
        }
    }

    #[test]
    fn names_and_values_are_decoded_and_must_be_utf_8() {
        let tree = parse("a%5Bb%5D=x+y%2B%26%C3%A9&c").unwrap();

        assert_eq!(tree, json!({"a": {"b": "x y+&é"}, "c": ""}));
        assert!(parse("name=%FF").is_err());
        assert!(parse("%C3=1").is_err());
    }
}
