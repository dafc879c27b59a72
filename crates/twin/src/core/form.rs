//! `application/x-www-form-urlencoded` with Stripe's nested keys: `items[0][price]=...`, `expand[]=...`.

use serde_json::{Map, Value};

use super::errors::{Answer, ApiError};

const PAIRS_MAX: usize = 1_000;
const DEPTH_MAX: usize = 10;
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Parses a form body or query into a tree whose leaves are strings. Lists become arrays if they
/// are written with `[]`, and objects with numeric keys if they are written with indexes; the
/// schema distinguishes them later.
pub fn parse(body: &str) -> Answer {
    if body.len() > BODY_BYTES_MAX {
        return Err(ApiError::invalid("The request body is too large."));
    }
    let mut root = Value::Object(Map::new());
    for (count, (key, value)) in form_urlencoded::parse(body.as_bytes()).enumerate() {
        if count >= PAIRS_MAX {
            return Err(ApiError::invalid("Too many parameters."));
        }
        let path = split_key(&key)?;
        insert(&mut root, &path, &key, value.into_owned())?;
    }
    Ok(root)
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
        _ => Err(ApiError::invalid(format!("Invalid parameter: {key}")).with_param(key)),
    }
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
}
