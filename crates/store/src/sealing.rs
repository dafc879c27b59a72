//! Which columns contain encrypted ("sealed") values, and how they are re-encrypted with another
//! key.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::args;
use crate::cipher::KEYS_MAX;
use crate::db::Tx;
use crate::error::{Error, Result};

/// The number of forms a value may have in the database: sealed with each key, or plain text.
const FORMS: usize = KEYS_MAX + 1;

impl Tx<'_> {
    /// The value to store: sealed, if a key is configured.
    pub fn seal<'v>(&self, plain: &'v str) -> Cow<'v, str> {
        match self.vault() {
            // An empty value has nothing to hide, and an erased one stays empty.
            Some(vault) if !plain.is_empty() => Cow::Owned(vault.seal(plain)),
            _ => Cow::Borrowed(plain),
        }
    }

    /// The value to store, if any; see [`Tx::seal`].
    pub fn seal_opt(&self, plain: Option<&str>) -> Option<String> {
        plain.map(|plain| self.seal(plain).into_owned())
    }

    /// The bytes to store; see [`Tx::seal`].
    pub fn seal_bytes<'v>(&self, plain: &'v [u8]) -> Cow<'v, [u8]> {
        match self.vault() {
            Some(vault) if !plain.is_empty() => Cow::Owned(vault.seal_bytes(plain)),
            _ => Cow::Borrowed(plain),
        }
    }

    /// Every form the value may have in the database: lookups compare with each of them.
    pub fn forms(&self, plain: &str) -> [String; FORMS] {
        let sealed = self.vault().map(|vault| vault.seal_with_each(plain));
        let mut sealed = sealed.unwrap_or_default().into_iter();
        std::array::from_fn(|_| sealed.next().unwrap_or_else(|| plain.to_owned()))
    }

    /// The forms that differ, for a statement about each.
    pub fn distinct_forms(&self, plain: &str) -> BTreeSet<String> {
        self.forms(plain).into()
    }
}

/// Columns that contain sealed values, in the order in which they are resealed.
pub const PLACES: &[&str] = &[
    "user_account.email",
    "account.email",
    "login_link.email",
    "invitation.email",
    "outbox.recipient",
    "outbox.payload",
    "stripe_intent.params",
    "webhook_endpoint.secret",
    "webhook_endpoint.former_secret",
    "setting.value",
    "stripe_event_payload.body",
];

/// The progress of resealing one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of rows that were sealed.
    pub sealed: u64,
    /// The position to continue from; `None` when the column is done.
    pub next: Option<String>,
}

macro_rules! text_column {
    ($tx:ident, $after:ident, $limit:ident, $table:literal, $id:literal, $type:ty, $column:literal $(, $more:literal)?) => {{
        let after = <$type as Place>::read($after);
        let pattern = format!("{}%", $tx.current_prefix()?);
        let rows: Vec<($type, String)> = $tx.query(
            concat!(
                "select ", $id, ", ", $column, " from ", $table,
                " where ", $id, " > $1 and ", $column, " <> '' and ", $column, " not like $2", $($more,)?
                " order by ", $id, " limit $3"
            ),
            args![after.arg(), &pattern, $limit],
        )?;
        for (id, plain) in &rows {
            let sealed = $tx.seal(plain).into_owned();
            $tx.execute(
                concat!(
                    "update ", $table, " set ", $column, " = $2",
                    " where ", $id, " = $1 and ", $column, " not like $3"
                ),
                args![id.arg(), &sealed, &pattern],
            )?;
        }
        Ok(Progress {
            sealed: rows.len() as u64,
            next: rows.last().map(|(id, _)| id.text()),
        })
    }};
}

/// The position in a table that is being resealed: a number or a name.
trait Place: Sized {
    fn read(text: Option<&str>) -> Self;
    fn arg(&self) -> crate::Arg<'_>;
    fn text(&self) -> String;
}

impl Place for i64 {
    fn read(text: Option<&str>) -> i64 {
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn arg(&self) -> crate::Arg<'_> {
        crate::Arg::Int(*self)
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Place for String {
    fn read(text: Option<&str>) -> String {
        text.unwrap_or_default().to_owned()
    }

    fn arg(&self) -> crate::Arg<'_> {
        crate::Arg::Text(self)
    }

    fn text(&self) -> String {
        self.clone()
    }
}

/// Seals up to `limit` values of a column of [`PLACES`] with the key in use, after position
/// `after`. Values that are already sealed with it are skipped, so it may be stopped and resumed at
/// any time.
pub fn reseal(tx: &mut Tx<'_>, place: &str, after: Option<&str>, limit: i64) -> Result<Progress> {
    match place {
        "user_account.email" => {
            text_column!(tx, after, limit, "user_account", "id", i64, "email")
        }
        "account.email" => text_column!(tx, after, limit, "account", "id", i64, "email"),
        "login_link.email" => text_column!(tx, after, limit, "login_link", "id", i64, "email"),
        "invitation.email" => text_column!(tx, after, limit, "invitation", "id", i64, "email"),
        "outbox.recipient" => {
            text_column!(
                tx,
                after,
                limit,
                "outbox",
                "id",
                i64,
                "recipient",
                " and kind = 'mail'"
            )
        }
        "outbox.payload" => {
            text_column!(
                tx,
                after,
                limit,
                "outbox",
                "id",
                i64,
                "payload",
                " and kind = 'mail'"
            )
        }
        "stripe_intent.params" => {
            text_column!(tx, after, limit, "stripe_intent", "id", String, "params")
        }
        "webhook_endpoint.secret" => {
            text_column!(tx, after, limit, "webhook_endpoint", "id", i64, "secret")
        }
        "webhook_endpoint.former_secret" => {
            text_column!(
                tx,
                after,
                limit,
                "webhook_endpoint",
                "id",
                i64,
                "former_secret"
            )
        }
        "setting.value" => {
            text_column!(
                tx,
                after,
                limit,
                "setting",
                "name",
                String,
                "value",
                " and name like '%secret'"
            )
        }
        "stripe_event_payload.body" => reseal_bodies(tx, after, limit),
        _ => Err(Error::Database(format!("nothing is sealed in {place}"))),
    }
}

#[expect(clippy::cast_possible_wrap, reason = "the value is small")]
fn reseal_bodies(tx: &mut Tx<'_>, after: Option<&str>, limit: i64) -> Result<Progress> {
    let prefix = tx.current_prefix()?.into_bytes();
    let length = prefix.len() as i64;
    let rows: Vec<(i64, Vec<u8>)> = tx.query(
        "select n, body
           from stripe_event_payload
          where n > $1
            and substr(body, 1, cast($2 as integer)) <> $3
          order by n
          limit $4",
        args![i64::read(after), length, &prefix, limit],
    )?;
    for (n, body) in &rows {
        let sealed = tx.seal_bytes(body).into_owned();
        tx.execute(
            "update stripe_event_payload set body = $2 where n = $1",
            args![*n, &sealed],
        )?;
    }
    Ok(Progress {
        sealed: rows.len() as u64,
        next: rows.last().map(|(n, _)| n.to_string()),
    })
}

/// Whether an address is sealed with a key that isn't configured, in which case its user could not
/// sign in.
pub fn is_missing_a_key(tx: &mut Tx<'_>) -> Result<bool> {
    let prefixes: Vec<String> = tx
        .vault()
        .map(|vault| vault.prefixes().map(str::to_owned).collect())
        .unwrap_or_default();
    let known = |place: usize| -> String {
        let prefix = prefixes.get(place).or(prefixes.first());
        prefix.map_or_else(|| "-".to_owned(), |prefix| format!("{prefix}%"))
    };
    tx.query_one(
        "select case when exists (select 1
                                    from user_account
                                   where email like 'lbx1.%'
                                     and email not like $1
                                     and email not like $2
                                     and email not like $3)
                     then 1 else 0 end",
        args![&known(0), &known(1), &known(2)],
    )
}

impl Tx<'_> {
    fn current_prefix(&self) -> Result<String> {
        let prefix = self.vault().and_then(|vault| vault.prefixes().next());
        prefix
            .map(str::to_owned)
            .ok_or_else(|| Error::Database("no encryption key is configured".into()))
    }
}
