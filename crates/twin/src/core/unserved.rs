//! The parameters of Stripe's description that the twin doesn't serve. They are marked in the
//! description, so that a request with one of them is refused by name instead of being accepted
//! without an effect.

use serde_json::{Value, json};

use super::value::list;

/// Marks every parameter that `data/unserved.json` names. Its patterns are dotted names in which
/// lists count as their elements: `phases.items.price` is `phases[0][items][0][price]`.
pub fn mark(paths: &mut Value, table: &Value) {
    let everywhere = Patterns::read(&table["everywhere"]);
    for (path, methods) in paths.as_object_mut().into_iter().flatten() {
        for (method, described) in methods.as_object_mut().into_iter().flatten() {
            let mut here = Vec::new();
            for (operation, patterns) in table["operations"].as_object().into_iter().flatten() {
                if is_named(operation, &format!("{method} {path}")) {
                    here.extend(Patterns::read(patterns).0);
                }
            }
            let (here, everywhere) = (Patterns(here), &everywhere);
            if let Some(query) = described.get_mut("query") {
                mark_fields(query, "", &here, everywhere);
            }
            if let Some(body) = described.get_mut("body") {
                mark_inside(body, "", &here, everywhere);
            }
        }
    }
}

/// Whether a key of the table names an operation: `post /v1/refunds`, or with a final `*` all
/// operations that start like it.
fn is_named(key: &str, operation: &str) -> bool {
    match key.strip_suffix('*') {
        Some(start) => operation.starts_with(start),
        None => key == operation,
    }
}

fn mark_inside(schema: &mut Value, outer: &str, here: &Patterns, everywhere: &Patterns) {
    if let Some(alternatives) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        for one in alternatives {
            mark_inside(one, outer, here, everywhere);
        }
    }
    if let Some(items) = schema.get_mut("items") {
        mark_inside(items, outer, here, everywhere);
    }
    if let Some(fields) = schema.get_mut("properties") {
        mark_fields(fields, outer, here, everywhere);
    }
}

fn mark_fields(fields: &mut Value, outer: &str, here: &Patterns, everywhere: &Patterns) {
    for (name, field) in fields.as_object_mut().into_iter().flatten() {
        let path = if outer.is_empty() {
            name.clone()
        } else {
            format!("{outer}.{name}")
        };
        if here.name(&path) || everywhere.name_end_of(&path) {
            *field = json!({"unserved": true});
        } else {
            mark_inside(field, &path, here, everywhere);
        }
    }
}

/// Whether a parameter of the description is marked.
pub fn is_marked(schema: &Value) -> bool {
    schema["unserved"] == true
}

/// Patterns of dotted names. `card.* !token` names everything in `card` except `token`.
struct Patterns(Vec<Pattern>);

struct Pattern {
    name: String,
    is_group: bool,
    except: Vec<String>,
}

impl Patterns {
    fn read(patterns: &Value) -> Patterns {
        let table = json!({ "all": patterns });
        let words = list(&table, "all").iter().filter_map(Value::as_str);
        Patterns(words.map(Pattern::read).collect())
    }

    fn name(&self, path: &str) -> bool {
        self.0.iter().any(|one| one.names(path))
    }

    fn name_end_of(&self, path: &str) -> bool {
        self.0.iter().any(|one| {
            let start = path.strip_suffix(one.name.as_str());
            start.is_some_and(|start| start.is_empty() || start.ends_with('.'))
        })
    }
}

impl Pattern {
    fn read(text: &str) -> Pattern {
        let mut words = text.split(' ');
        let first = words.next().unwrap_or_default();
        let group = first.strip_suffix(".*");
        Pattern {
            name: group.unwrap_or(first).to_owned(),
            is_group: group.is_some(),
            except: words
                .map(|word| word.trim_start_matches('!').to_owned())
                .collect(),
        }
    }

    fn names(&self, path: &str) -> bool {
        if !self.is_group {
            return self.name == path;
        }
        let inner = path
            .strip_prefix(self.name.as_str())
            .and_then(|rest| rest.strip_prefix('.'));
        inner.is_some_and(|name| !name.contains('.') && self.except.iter().all(|one| one != name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    /// The dotted names of the parameters in a schema.
    fn names(schema: &Value, outer: &str, found: &mut Vec<String>) {
        for one in schema["anyOf"].as_array().into_iter().flatten() {
            names(one, outer, found);
        }
        if !schema["items"].is_null() {
            names(&schema["items"], outer, found);
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = if outer.is_empty() {
                name.clone()
            } else {
                format!("{outer}.{name}")
            };
            found.push(path.clone());
            names(field, &path, found);
        }
    }

    #[test]
    fn every_pattern_and_every_exception_matches_a_parameter() {
        let paths = read(include_str!("../../data/paths.json"));
        let table = read(include_str!("../../data/unserved.json"));
        let mut known: Vec<(String, Vec<String>)> = Vec::new();
        for (path, methods) in paths["paths"].as_object().unwrap() {
            for (method, described) in methods.as_object().unwrap() {
                let mut all = Vec::new();
                names(&json!({"properties": described["query"]}), "", &mut all);
                names(&described["body"], "", &mut all);
                known.push((format!("{method} {path}"), all));
            }
        }
        let mut stale = Vec::new();
        for one in Patterns::read(&table["everywhere"]).0 {
            let name = one.name.clone();
            let only = Patterns(vec![one]);
            if !known
                .iter()
                .flat_map(|(_, all)| all)
                .any(|path| only.name_end_of(path))
            {
                stale.push(name);
            }
        }
        for (operation, patterns) in table["operations"].as_object().unwrap() {
            let here: Vec<&String> = known
                .iter()
                .filter(|(name, _)| is_named(operation, name))
                .flat_map(|(_, all)| all)
                .collect();
            for one in Patterns::read(patterns).0 {
                let is_known = |name: &String| here.contains(&name);
                if !here.iter().any(|path| one.names(path)) {
                    stale.push(format!("{operation} {}", one.name));
                }
                let exceptions = one.except.iter().map(|name| format!("{}.{name}", one.name));
                stale.extend(exceptions.filter(|name| !is_known(name)));
            }
        }
        assert!(stale.is_empty(), "{stale:#?}");
    }
}
