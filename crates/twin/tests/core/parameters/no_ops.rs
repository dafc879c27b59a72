//! The parameters that are accepted although no client can see an effect of them.

/// The operation (with a final `*` all that start like it), the parameter, and the reason.
pub const NO_OPS: &[(&str, &str, &str)] = &[];

/// The entry for a parameter of an operation.
pub fn find(operation: &str, name: &str) -> Option<(&'static str, &'static str)> {
    let found = NO_OPS.iter().find(|(wanted, path, _)| {
        let fits = match wanted.strip_suffix('*') {
            Some(start) => operation.starts_with(start),
            None => *wanted == operation,
        };
        fits && *path == name
    });
    found.map(|(wanted, path, _)| (*wanted, *path))
}
