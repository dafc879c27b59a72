//! The PostgreSQL driver: how to connect, run statements and classify errors.

use std::collections::HashMap;
use std::time::Duration;

use postgres::error::SqlState;
use postgres::types::{ToSql, Type};

use super::{Arg, Record, Role, Row, STATEMENT_CACHE};
use crate::cipher::Vault;
use crate::error::{Error, Result};

/// A database that doesn't complete the handshake within this time counts as down.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A [`Tx`](super::Tx) on PostgreSQL.
#[derive(Debug)]
pub struct PostgresTx<'a> {
    pub(crate) session: &'a mut Session,
    pub(super) vault: Option<&'a Vault>,
    pub(super) failed: Option<Error>,
}

/// A PostgreSQL client with its prepared statements.
pub(crate) struct Session {
    pub(crate) client: postgres::Client,
    statements: HashMap<&'static str, postgres::Statement>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("statements", &self.statements.len())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// The prepared statement of `sql`, whose parameters have the types of `args`.
    pub(crate) fn prepared(
        &mut self,
        sql: &'static str,
        types: &[Type],
    ) -> Result<postgres::Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        if self.statements.len() >= STATEMENT_CACHE {
            self.statements.clear();
        }
        let statement = self.client.prepare_typed(sql, types)?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}

static NULL_INT: Option<i64> = None;
static NULL_TEXT: Option<&str> = None;
static NULL_BLOB: Option<&[u8]> = None;

impl Arg<'_> {
    fn for_postgres(&self) -> &(dyn ToSql + Sync) {
        match self {
            Arg::Int(value) => value,
            Arg::Text(value) => value,
            Arg::Blob(value) => value,
            Arg::NullInt => &NULL_INT,
            Arg::NullText => &NULL_TEXT,
            Arg::NullBlob => &NULL_BLOB,
        }
    }

    fn postgres_type(&self) -> Type {
        match self {
            Arg::Int(_) | Arg::NullInt => Type::INT8,
            Arg::Text(_) | Arg::NullText => Type::TEXT,
            Arg::Blob(_) | Arg::NullBlob => Type::BYTEA,
        }
    }
}

pub(super) fn execute(session: &mut Session, sql: &'static str, args: &[Arg<'_>]) -> Result<u64> {
    let types: Vec<Type> = args.iter().map(Arg::postgres_type).collect();
    let statement = session.prepared(sql, &types)?;
    let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(Arg::for_postgres).collect();
    Ok(session.client.execute(&statement, &params)?)
}

pub(super) fn query<T: Record>(
    session: &mut Session,
    vault: Option<&Vault>,
    sql: &'static str,
    args: &[Arg<'_>],
) -> Result<Vec<T>> {
    let types: Vec<Type> = args.iter().map(Arg::postgres_type).collect();
    let statement = session.prepared(sql, &types)?;
    let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(Arg::for_postgres).collect();
    let rows = session.client.query(&statement, &params)?;
    rows.iter()
        .map(|row| T::from_row(&Row::Postgres(row, vault)))
        .collect()
}

/// The address of a PostgreSQL server. It may contain a password, so it is never displayed.
#[derive(Clone)]
pub struct PostgresAddress(postgres::Config);

impl std::fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresAddress")
            .field("database", &self.0.get_dbname())
            .finish()
    }
}

impl PostgresAddress {
    pub(crate) fn parse(url: &str) -> Result<PostgresAddress> {
        let config = url.parse().map_err(|error: postgres::Error| {
            Error::Address(format!(
                "the PostgreSQL address cannot be read: {}",
                with_causes(&error)
            ))
        })?;
        Ok(PostgresAddress(config))
    }
}

/// Connects to PostgreSQL. The one place to configure a TLS connector.
pub(crate) fn open(address: &PostgresAddress, role: Role, synchronous: bool) -> Result<Session> {
    let mut config = address.0.clone();
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_application_name().is_none() {
        config.application_name("localboxs-billing");
    }
    let mut client = config.connect(postgres::NoTls).map_err(|error| {
        Error::Unavailable(format!(
            "cannot connect to PostgreSQL: {}",
            with_causes(&error)
        ))
    })?;
    let (statement, lock) = match role {
        Role::Writer => ("10s", "2s"),
        Role::Reader => ("30s", "2s"),
        Role::Migrator => ("0", "30s"),
    };
    let commit = if synchronous { "on" } else { "off" };
    client.batch_execute(&format!(
        "set synchronous_commit = {commit};
         set statement_timeout = '{statement}';
         set lock_timeout = '{lock}';
         set idle_in_transaction_session_timeout = '60s';
         set client_min_messages = 'warning';
         set jit = off"
    ))?;
    Ok(Session {
        client,
        statements: HashMap::new(),
    })
}

/// The message including its causes: the driver's own message is only "db error".
fn with_causes(error: &postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

pub(super) fn is_plain_error(error: &postgres::error::DbError) -> bool {
    error.parsed_severity() == Some(postgres::error::Severity::Error)
}

impl From<postgres::Error> for Error {
    fn from(error: postgres::Error) -> Self {
        let said = with_causes(&error);
        let Some(code) = error.code() else {
            // The error isn't from the server: the connection broke, unless a value had the wrong
            // type.
            let is_broken = error.is_closed()
                || std::error::Error::source(&error)
                    .is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>);
            return if is_broken {
                Error::Unavailable(said)
            } else {
                Error::Database(said)
            };
        };
        match code {
            &SqlState::UNIQUE_VIOLATION => Error::Conflict(said),
            &SqlState::T_R_SERIALIZATION_FAILURE
            | &SqlState::T_R_DEADLOCK_DETECTED
            | &SqlState::LOCK_NOT_AVAILABLE => Error::Contended(said),
            &SqlState::QUERY_CANCELED | &SqlState::READ_ONLY_SQL_TRANSACTION => {
                Error::Unavailable(said)
            }
            other => match other.code().get(..2) {
                Some("23") => Error::Constraint(said),
                // SQLSTATE classes: connection, insufficient resources, operator intervention,
                // system error.
                Some("08" | "53" | "57" | "58") => Error::Unavailable(said),
                _ => Error::Database(said),
            },
        }
    }
}
