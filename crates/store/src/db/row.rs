//! How rows are read: columns by position, whole records in the column order of the statement.

use domain::ledger::{EntryKind, GrantKind, HoldState, LimitScope, LimitWindow, WalletStatus};
use domain::money::Credits;
use domain::people::{MemberRole, UserRole};
use domain::plan::{AccountKind, AccountStatus, PlanStatus, SubscriptionStatus};
use domain::projection::{TransactionStatus, TransactionType};
use domain::time::Timestamp;
use postgres::types::Type;

use crate::cipher::Vault;
use crate::error::{Error, Result};

/// A row that a statement returned; its columns are read by position.
pub enum Row<'r> {
    /// The row came from SQLite.
    Sqlite(&'r rusqlite::Row<'r>, Option<&'r Vault>),
    /// The row came from PostgreSQL.
    Postgres(&'r postgres::Row, Option<&'r Vault>),
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row")
    }
}

impl Row<'_> {
    /// The number of columns in the row.
    pub(crate) fn len(&self) -> usize {
        match self {
            Row::Sqlite(row, _) => row.as_ref().column_count(),
            Row::Postgres(row, _) => row.len(),
        }
    }

    /// The value of column `index`, counted from zero.
    pub fn get<T: Column>(&self, index: usize) -> Result<T> {
        T::read(self, index)
    }
}

/// A type that a column can be read as.
pub trait Column: Sized {
    /// Reads column `index` of `row`; an unexpected null or another type is an error.
    fn read(row: &Row<'_>, index: usize) -> Result<Self>;
}

impl Column for Option<i64> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        match row {
            Row::Sqlite(row, _) => Ok(row.get(index)?),
            // In PostgreSQL, a comparison is a boolean and a bare literal an `int`; both are
            // integers in SQLite.
            Row::Postgres(row, _) => match *row.columns()[index].type_() {
                Type::BOOL => Ok(row.try_get::<_, Option<bool>>(index)?.map(i64::from)),
                Type::INT4 => Ok(row.try_get::<_, Option<i32>>(index)?.map(i64::from)),
                _ => Ok(row.try_get(index)?),
            },
        }
    }
}

impl Column for Option<String> {
    /// Decrypts sealed text, whichever statement selected it.
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        let (text, vault): (Option<String>, _) = match row {
            Row::Sqlite(row, vault) => (row.get(index)?, vault),
            Row::Postgres(row, vault) => (row.try_get(index)?, vault),
        };
        Ok(match vault {
            Some(vault) => text.map(|text| vault.open(text)),
            None => text,
        })
    }
}

impl Column for Option<Vec<u8>> {
    /// Decrypts sealed bytes, as for text.
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        let (bytes, vault): (Option<Vec<u8>>, _) = match row {
            Row::Sqlite(row, vault) => (row.get(index)?, vault),
            Row::Postgres(row, vault) => (row.try_get(index)?, vault),
        };
        Ok(match vault {
            Some(vault) => bytes.map(|bytes| vault.open_bytes(bytes)),
            None => bytes,
        })
    }
}

impl Column for Option<Timestamp> {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        Ok(Option::<i64>::read(row, index)?.map(Timestamp::from_micros))
    }
}

impl Column for Option<Credits> {
    /// Reads micro-credits.
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        Ok(Option::<i64>::read(row, index)?.map(Credits::from_micros))
    }
}

/// Reads a column that is never null through its optional form.
fn present<T>(row: &Row<'_>, index: usize) -> Result<T>
where
    Option<T>: Column,
{
    Option::<T>::read(row, index)?
        .ok_or_else(|| Error::Database(format!("column {index} is null where none may be")))
}

macro_rules! present_column {
    ($($name:ty),+) => {$(
        impl Column for $name {
            fn read(row: &Row<'_>, index: usize) -> Result<Self> {
                present(row, index)
            }
        }
    )+};
}
present_column!(i64, String, Vec<u8>, Timestamp, Credits);

/// Reads a column of words as the corresponding enum, and binds the enum as its word.
macro_rules! word_column {
    ($($name:ty),+ $(,)?) => {$(
        impl $crate::Column for $name {
            fn read(row: &$crate::Row<'_>, index: usize) -> $crate::Result<Self> {
                let word: String = row.get(index)?;
                <$name>::from_word(&word).ok_or_else(|| {
                    let said = format!("column {index} has the unknown word {word:?}");
                    $crate::Error::Database(said)
                })
            }
        }

        impl From<$name> for $crate::Arg<'_> {
            fn from(value: $name) -> Self {
                $crate::Arg::Text(value.word())
            }
        }

        impl From<Option<$name>> for $crate::Arg<'_> {
            fn from(value: Option<$name>) -> Self {
                value.map(<$name>::word).into()
            }
        }
    )+};
}
pub(crate) use word_column;
word_column!(
    AccountKind,
    AccountStatus,
    EntryKind,
    GrantKind,
    HoldState,
    LimitScope,
    LimitWindow,
    MemberRole,
    PlanStatus,
    TransactionStatus,
    TransactionType,
    UserRole,
    WalletStatus,
);

impl Column for SubscriptionStatus {
    /// Reads Stripe's word; an unknown word is kept.
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        Ok(SubscriptionStatus::from_word(&row.get::<String>(index)?))
    }
}

impl Column for bool {
    fn read(row: &Row<'_>, index: usize) -> Result<Self> {
        Ok(present::<i64>(row, index)? != 0)
    }
}

/// A type that a whole row is read as.
pub trait Record: Sized {
    /// Reads the row; its columns are in the order of the statement.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

impl<T: Column> Record for T {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        row.get(0)
    }
}

macro_rules! tuple_record {
    ($($column:ident $index:tt),+) => {
        impl<$($column: Column),+> Record for ($($column,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.get::<$column>($index)?,)+))
            }
        }
    };
}
tuple_record!(A 0, B 1);
tuple_record!(A 0, B 1, C 2);
tuple_record!(A 0, B 1, C 2, D 3);
tuple_record!(A 0, B 1, C 2, D 3, E 4);
tuple_record!(A 0, B 1, C 2, D 3, E 4, F 5);
