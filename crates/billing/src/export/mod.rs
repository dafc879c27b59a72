//! Exports: CSV, JSON lines, and all data stored about one account.

pub mod csv;
pub mod own_data;
pub mod table;
