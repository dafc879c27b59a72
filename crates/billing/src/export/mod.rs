//! Exports: CSV, JSON lines, and everything kept about one account.

pub mod csv;
pub mod own_data;
pub mod table;
