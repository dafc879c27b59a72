//! Grants: where an account's credits came from and what became of them.

/// A grant's name outside: its number within its account.
pub fn id_of(lot: i64) -> String {
    format!("grant_{lot}")
}
