//! The address of a database: a SQLite file or a PostgreSQL server.

use std::path::PathBuf;

use crate::db::PostgresAddress;
use crate::error::{Error, Result};

/// The address of a database.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// The path of a SQLite file.
    Sqlite(PathBuf),
    /// The address of a PostgreSQL server.
    Postgres(Box<PostgresAddress>),
}

impl DatabaseUrl {
    /// Parses `sqlite://PATH` or `postgres://...`. The error message never contains the address,
    /// which may include a password.
    pub fn parse(url: &str) -> Result<DatabaseUrl> {
        if let Some(path) = url
            .strip_prefix("sqlite://")
            .or_else(|| url.strip_prefix("sqlite:"))
        {
            if path.is_empty() || path.contains('?') {
                let message = "a SQLite address is sqlite:// and the path of a file, no more";
                return Err(Error::Address(message.into()));
            }
            return Ok(DatabaseUrl::Sqlite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(DatabaseUrl::Postgres(Box::new(PostgresAddress::parse(
                url,
            )?)));
        }
        Err(Error::Address(
            "a database address begins with sqlite:// or postgres://".into(),
        ))
    }

    /// The kind of database.
    pub fn kind(&self) -> Kind {
        match self {
            DatabaseUrl::Sqlite(_) => Kind::Sqlite,
            DatabaseUrl::Postgres(_) => Kind::Postgres,
        }
    }
}

/// The two kinds of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SQLite: one file, one process.
    Sqlite,
    /// PostgreSQL: a server, any number of processes.
    Postgres,
}
