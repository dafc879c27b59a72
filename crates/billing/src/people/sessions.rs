//! A user's sessions, and ending them.

use store::sessions::Session;

use crate::app::App;
use crate::error::{Error, Result};
use crate::operators::audit_log::{Action, Author};
use crate::people::identity;
use crate::secrets::hash;

/// The hash of the request's session token; none for a session of the host application.
#[derive(Clone, Copy, Debug)]
pub struct ThisSession(pub Option<[u8; 32]>);

/// The user's sessions, most recently used first, and whether each is the current one.
pub async fn of(app: &App, user: i64, this: ThisSession) -> Result<Vec<(Session, bool)>> {
    let now = app.real_now();
    app.read(move |tx| {
        let current = match this.0 {
            Some(hash) => store::sessions::find(tx, &hash, now)?.map(|session| session.id),
            None => None,
        };
        let all = store::sessions::of_user(tx, user, now)?.into_iter();
        Ok(all
            .map(|session| {
                let is_this = Some(session.id) == current;
                (session, is_this)
            })
            .collect())
    })
    .await
}

/// Ends one of the user's sessions.
pub async fn end_one(app: &App, user: i64, id: &str) -> Result<()> {
    let none = || Error::not_found("There is no such session.");
    let id: i64 = id
        .strip_prefix("ses_")
        .and_then(|id| id.parse().ok())
        .ok_or_else(none)?;
    let ended = app
        .write(0, move |tx| store::sessions::delete_one(tx, user, id))
        .await?;
    if ended > 0 { Ok(()) } else { Err(none()) }
}

/// Ends all sessions of the user except this one, including the host application's.
pub async fn end_others(app: &App, user: i64, this: ThisSession) -> Result<u64> {
    let now = app.real_now();
    app.write(0, move |tx| {
        store::users::end_tokens(tx, user, now)?;
        match this.0 {
            Some(hash) => store::sessions::delete_others(tx, user, &hash),
            None => store::sessions::delete_of_user(tx, user),
        }
    })
    .await
}

/// Records that a session is in use, without waiting for the write.
pub fn touch(app: &App, session: i64) {
    let now = app.real_now();
    let noted = app
        .db
        .write(0, move |tx| store::sessions::touch(tx, session, now));
    tokio::spawn(async move {
        if let Err(error) = noted.await {
            tracing::debug!(%error, "Failed to record a session's last use");
        }
    });
}

/// Records that a session was used beside one of the host application, with which it ends.
pub async fn mark_beside_host(app: &App, session: i64) -> Result<()> {
    app.write(0, move |tx| {
        store::sessions::mark_beside_host(tx, session).map(|_| ())
    })
    .await
}

/// Ends the session with this hash of its token: the host application's session is another
/// person's, or has ended.
pub async fn end(app: &App, hash: [u8; 32]) -> Result<()> {
    app.write(0, move |tx| store::sessions::delete(tx, &hash).map(|_| ()))
        .await
}

/// Ends all sessions of the user whom the host application knows by this id, including the host's
/// own tokens from before now. Returns how many sessions of ours ended.
pub async fn end_of_host_user(app: &App, external_id: &str, actor: &str) -> Result<u64> {
    let (id, now) = (external_id.to_owned(), app.real_now());
    let author = Author::new(app, actor);
    let ended = app
        .write(0, move |tx| {
            let Some(user) = identity::named(tx, &id)? else {
                return Ok(None);
            };
            store::users::end_tokens(tx, user.id, now)?;
            author
                .act(Action::UserSignOut, &user.public_id)
                .append(tx)?;
            store::sessions::delete_of_user(tx, user.id).map(Some)
        })
        .await?;
    ended.ok_or_else(|| Error::not_found("There is no user with this id."))
}

/// Signs out: ends the session with this token, and invalidates the host application's tokens of
/// `host_user`, whose session there would otherwise sign the user in again immediately.
pub async fn sign_out(app: &App, host_user: Option<i64>, token: Option<&str>) -> Result<()> {
    if let Some(user) = host_user {
        let now = app.real_now();
        app.write(0, move |tx| store::users::end_tokens(tx, user, now))
            .await?;
    }
    if let Some(token) = token {
        let hash = hash(token);
        app.write(0, move |tx| store::sessions::delete(tx, &hash))
            .await?;
    }
    Ok(())
}
