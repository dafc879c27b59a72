//! Users: who can sign in, and to which accounts they belong.

use domain::people::{MemberRole, UserRole};
use domain::plan::AccountKind;
use domain::time::Timestamp;

use crate::args;
use crate::db::{Tx, like_pattern, record, sql};
use crate::error::Result;

macro_rules! columns {
    () => {
        "id, public_id, email, name, role, created_at, disabled_at, external_id"
    };
}

record! {
    /// A user who can sign in.
    pub struct User {
        /// The number of the user within this service; never exposed.
        pub id: i64,
        /// The public id of the user: `usr_...`.
        pub public_id: String,
        /// The email address, in lower case.
        pub email: String,
        /// The display name of the user.
        pub name: String,
        /// The role in the service.
        pub role: UserRole,
        /// The time at which the user was created.
        pub created_at: Timestamp,
        /// The time since which the user may not sign in; `None` while they may.
        pub disabled_at: Option<Timestamp>,
        /// The host application's id of the user, if it has named one.
        pub external_id: Option<String>,
    }
}

/// Creates a user; `None` when the address is already in use. The caller converts the address to
/// lower case.
pub fn insert(
    tx: &mut Tx<'_>,
    public_id: &str,
    email: &str,
    name: &str,
    role: UserRole,
    now: Timestamp,
) -> Result<Option<User>> {
    let (sealed, forms) = (tx.seal(email).into_owned(), tx.forms(email));
    tx.query_opt(
        sql!(
            // An address belongs to one user, whether or not it is encrypted, and with whichever
            // key.
            "insert into user_account (public_id, email, name, role, created_at)
             select $1, $2, $3, $4, $5
              where not exists (select 1 from user_account where email in ($6, $7, $8, $9))
                 on conflict (email) do nothing
             returning ",
            columns!()
        ),
        args![
            public_id, &*sealed, name, role, now, &forms[0], &forms[1], &forms[2], &forms[3]
        ],
    )
}

/// Finds the user with this number.
pub fn find(tx: &mut Tx<'_>, user: i64) -> Result<Option<User>> {
    tx.query_opt(
        sql!("select ", columns!(), " from user_account where id = $1"),
        args![user],
    )
}

/// The user with this address, which must be in lower case.
pub fn by_email(tx: &mut Tx<'_>, email: &str) -> Result<Option<User>> {
    let forms = tx.forms(email);
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from user_account where email in ($1, $2, $3, $4)"
        ),
        args![&forms[0], &forms[1], &forms[2], &forms[3]],
    )
}

/// The user whom the host application knows by this id.
pub fn by_external_id(tx: &mut Tx<'_>, external_id: &str) -> Result<Option<User>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from user_account where external_id = $1"
        ),
        args![external_id],
    )
}

/// Locks the user's row until the commit, on PostgreSQL: a person who comes in twice at once gets one
/// account.
pub fn lock(tx: &mut Tx<'_>, user: i64) -> Result<u64> {
    tx.execute(
        "update user_account set name = name where id = $1",
        args![user],
    )
}

/// Records the host application's id of a user who has none.
pub fn set_external_id(tx: &mut Tx<'_>, user: i64, external_id: &str) -> Result<u64> {
    tx.execute(
        "update user_account set external_id = $2 where id = $1 and external_id is null",
        args![user, external_id],
    )
}

/// Takes the host application's id from a user.
pub fn forget_external_id(tx: &mut Tx<'_>, user: i64) -> Result<u64> {
    tx.execute(
        "update user_account set external_id = null where id = $1",
        args![user],
    )
}

/// Gives the user another address, in lower case. Returns `false` if another user has it.
pub fn set_email(tx: &mut Tx<'_>, user: i64, email: &str) -> Result<bool> {
    let (sealed, forms) = (tx.seal(email).into_owned(), tx.forms(email));
    let changed = tx.execute(
        "update user_account
            set email = $2
          where id = $1
            and not exists (select 1
                              from user_account o
                             where o.id <> $1 and o.email in ($3, $4, $5, $6))",
        args![user, &*sealed, &forms[0], &forms[1], &forms[2], &forms[3]],
    )?;
    Ok(changed > 0)
}

/// The user with this public id.
pub fn by_public_id(tx: &mut Tx<'_>, public_id: &str) -> Result<Option<User>> {
    tx.query_opt(
        sql!(
            "select ",
            columns!(),
            " from user_account where public_id = $1"
        ),
        args![public_id],
    )
}

/// Users whose name or address contains `search`, newest first, with numbers below `before`.
pub fn list(
    tx: &mut Tx<'_>,
    search: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<User>> {
    let pattern = search.map(like_pattern);
    // An encrypted address can only be found by exact match.
    let forms = tx.forms(&search.unwrap_or_default().to_lowercase());
    tx.query(
        sql!(
            "select ",
            columns!(),
            r"  from user_account
              where ($1 is null
                     or email like $1 escape '\'
                     or email in ($4, $5, $6)
                     or lower(name) like $1 escape '\')
                and ($2 is null or id < $2)
              order by id desc
              limit $3"
        ),
        args![&pattern, before, limit, &forms[0], &forms[1], &forms[2]],
    )
}

/// Sets the user's role in the service.
pub fn set_role(tx: &mut Tx<'_>, user: i64, role: UserRole) -> Result<u64> {
    tx.execute(
        "update user_account set role = $2 where id = $1",
        args![user, role],
    )
}

/// Sets the user's name.
pub fn rename(tx: &mut Tx<'_>, user: i64, name: &str) -> Result<u64> {
    tx.execute(
        "update user_account set name = $2 where id = $1",
        args![user, name],
    )
}

/// Blocks sign-in from `at` on, or allows it again.
pub fn set_disabled(tx: &mut Tx<'_>, user: i64, at: Option<Timestamp>) -> Result<u64> {
    tx.execute(
        "update user_account set disabled_at = $2 where id = $1",
        args![user, at],
    )
}

/// Erases the user's personal data; the number is kept because other rows refer to it.
pub fn anonymize(tx: &mut Tx<'_>, user: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update user_account
            set email = lower(public_id) || '@deleted.invalid',
                name = '',
                external_id = null,
                role = 'user',
                disabled_at = $2
          where id = $1",
        args![user, now],
    )
}

record! {
    /// A user's membership in an account.
    pub struct Membership {
        /// The number of the user.
        pub user_id: i64,
        /// The number of the account.
        pub account_id: i64,
        /// The role in the account.
        pub role: MemberRole,
        /// The time at which the membership began.
        pub created_at: Timestamp,
    }
}

/// Sets the user's role in the account, replacing any previous one.
pub fn put_member(
    tx: &mut Tx<'_>,
    user: i64,
    account: i64,
    role: MemberRole,
    now: Timestamp,
) -> Result<u64> {
    tx.execute(
        "insert into membership (user_id, account_id, role, created_at)
         values ($1, $2, $3, $4)
             on conflict (user_id, account_id) do update set role = excluded.role",
        args![user, account, role, now],
    )
}

/// Removes the user from the account.
pub fn remove_member(tx: &mut Tx<'_>, user: i64, account: i64) -> Result<u64> {
    tx.execute(
        "delete from membership where user_id = $1 and account_id = $2",
        args![user, account],
    )
}

/// The user's role in the account; `None` for a user who isn't a member.
pub fn role_in(tx: &mut Tx<'_>, user: i64, account: i64) -> Result<Option<MemberRole>> {
    tx.query_opt(
        "select role from membership where user_id = $1 and account_id = $2",
        args![user, account],
    )
}

/// The user's memberships, oldest first: the first is the user's own account.
pub fn memberships(tx: &mut Tx<'_>, user: i64) -> Result<Vec<Membership>> {
    tx.query(
        "select user_id, account_id, role, created_at
           from membership
          where user_id = $1
          order by created_at, account_id",
        args![user],
    )
}

record! {
    /// A user who belongs to an account.
    pub struct Member {
        /// The number of the user.
        pub user_id: i64,
        /// The public id of the user.
        pub public_id: String,
        /// The email address of the user.
        pub email: String,
        /// The name of the user.
        pub name: String,
        /// The role in the account.
        pub role: MemberRole,
        /// The time at which the membership began.
        pub created_at: Timestamp,
    }
}

/// Lists the members of the account.
pub fn members(tx: &mut Tx<'_>, account: i64) -> Result<Vec<Member>> {
    tx.query(
        "select u.id, u.public_id, u.email, u.name, m.role, m.created_at
           from membership m
           join user_account u on u.id = m.user_id
          where m.account_id = $1
          order by m.created_at, u.id",
        args![account],
    )
}

record! {
    /// An account that a user belongs to.
    pub struct Place {
        /// The number of the account.
        pub account_id: i64,
        /// The public id of the account.
        pub public_id: String,
        /// The name of the account.
        pub name: String,
        /// Whether one person or an organization is billed.
        pub kind: AccountKind,
        /// The role in the account.
        pub role: MemberRole,
    }
}

/// The accounts that a user belongs to, oldest membership first; a thousand at most.
pub fn places(tx: &mut Tx<'_>, user: i64) -> Result<Vec<Place>> {
    tx.query(
        "select a.id, a.public_id, a.name, a.kind, m.role
           from membership m
           join account a on a.id = m.account_id
          where m.user_id = $1
          order by m.created_at, m.account_id
          limit 1000",
        args![user],
    )
}

/// Whether a user belongs to an account.
pub fn has_place(tx: &mut Tx<'_>, user: i64) -> Result<bool> {
    let found: Option<i64> = tx.query_opt(
        "select account_id from membership where user_id = $1 limit 1",
        args![user],
    )?;
    Ok(found.is_some())
}

/// The number of owners of an account. Locks the account's row first, so that two concurrent
/// changes of its members can't each rely on the other owner.
pub fn owners(tx: &mut Tx<'_>, account: i64) -> Result<i64> {
    crate::accounts::lock(tx, account)?;
    tx.query_one(
        "select count(*) from membership where account_id = $1 and role = 'owner'",
        args![account],
    )
}

/// The time from which the host application's tokens are accepted for the user; `None` when any is.
pub fn tokens_after(tx: &mut Tx<'_>, user: i64) -> Result<Option<Timestamp>> {
    let after: Option<Option<Timestamp>> = tx.query_opt(
        "select tokens_after from user_account where id = $1",
        args![user],
    )?;
    Ok(after.flatten())
}

/// Invalidates all of the host application's tokens for the user from before `now`.
pub fn end_tokens(tx: &mut Tx<'_>, user: i64, now: Timestamp) -> Result<u64> {
    tx.execute(
        "update user_account set tokens_after = $2 where id = $1",
        args![user, now],
    )
}
