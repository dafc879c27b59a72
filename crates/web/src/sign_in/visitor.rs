//! Who a request is from (G12): the host application's session comes first, then our own cookie. A
//! host session of another person ends our session, and so does signing out at the host.

use axum::http::request::Parts;
use billing::actors::Visitor;
use billing::app::App;
use billing::error::{Error, Kind, Result};
use billing::people::{sessions, users};
use billing::secrets::hash;
use domain::people::UserRole;
use store::Tx;
use store::sessions::Session;
use store::users::User;

use crate::sign_in::cookies::session_token;
use crate::sign_in::host_session::{self, HostPerson, Refused, Said};

/// How often at most a session's last-seen time is updated.
const SEEN_SECONDS: i64 = 300;

/// A visitor, or why the host application's session is not accepted, if it has one.
pub type Found<T> = std::result::Result<(Visitor, T), Option<Refused>>;

/// The error for a visitor who isn't signed in.
pub fn not_signed_in(why: Option<Refused>) -> Error {
    match why.map(Refused::told) {
        None => Error::not_signed_in(),
        Some((code, detail)) => Error::new(Kind::NotSignedIn, code, detail),
    }
}

/// What one look into the database found.
struct Seen<T> {
    /// Our own session, and what the caller reads of its user.
    own: Option<(Session, T)>,
    /// The host's user, the time from which their tokens are accepted, and the same.
    host: Option<(User, Option<domain::time::Timestamp>, T)>,
    /// Whether the host's user belongs to an account.
    has_place: bool,
}

/// The signed-in user, and what `more` reads by the user's row id, in one database round trip.
pub async fn visitor<T, F>(parts: &Parts, app: &App, more: F) -> Result<Found<T>>
where
    F: FnMut(&mut Tx<'_>, i64) -> store::Result<T> + Clone + Send + 'static,
    T: Send + 'static,
{
    let said = host_session::read(parts, app);
    let token = session_token(parts, app).map(hash);
    let person = match &said {
        Said::Person(person) => Some(person.clone()),
        Said::Nothing | Said::Refused(_) => None,
    };
    if token.is_none() && person.is_none() {
        return Ok(Err(refused(&said)));
    }
    let mut seen = look(app, token, person.clone(), more.clone()).await?;
    let mut why = refused(&said);
    if let Some(person) = &person {
        let is_in = seen.host.as_ref().is_some_and(|(user, after, _)| {
            // Whoever is rejected gets no account.
            seen.has_place || rejected(person, user, *after).is_some()
        });
        if !is_in {
            why = enter(app, person).await?;
            if why.is_none() {
                seen = look(app, token, Some(person.clone()), more).await?;
            }
        }
        if let Some((user, after, _)) = &seen.host {
            why = rejected(person, user, *after);
        }
    }
    // Only the host's tokens from before were ended. Signing out and the host's call end our own
    // sessions themselves.
    let signed_out = seen.host.as_ref().map(|(user, ..)| user.id);
    let signed_out = signed_out.filter(|_| why == Some(Refused::SignedOut));
    if let (Some((session, _)), Some(user)) = (&mut seen.own, signed_out)
        && session.user_id == user
    {
        session.beside_host = false;
    }
    let host = seen.host.filter(|_| why.is_none());
    if let Some(why) = why {
        let (code, _) = why.told();
        tracing::info!(code, "A session of the host application was refused");
    }
    choose(app, token, seen.own, host, why).await
}

/// The signed-in user, for pages that also work without one. No one is let in: whoever just erased
/// their account and still has the host's session would get a new one.
pub async fn known_visitor(parts: &Parts, app: &App) -> Result<Option<Visitor>> {
    if let Said::Person(person) = host_session::read(parts, app) {
        let token = session_token(parts, app).map(hash);
        let seen = look(app, token, Some(person.clone()), |_, _| Ok(())).await?;
        if seen.host.is_none() || !seen.has_place {
            // The host names someone new. Our own session counts if it is of the same address.
            let own = seen.own.map(|(session, ())| session);
            let own = own.filter(|session| session.email.eq_ignore_ascii_case(&person.email));
            return Ok(own.map(|session| in_use(app, session)));
        }
    }
    let found = visitor(parts, app, |_, _| Ok(())).await?;
    Ok(found.ok().map(|(visitor, ())| visitor))
}

/// The user of the request's host session, if it is accepted.
pub async fn host_user(parts: &Parts, app: &App) -> Result<Option<i64>> {
    let Said::Person(person) = host_session::read(parts, app) else {
        return Ok(None);
    };
    let seen = look(app, None, Some(person.clone()), |_, _| Ok(())).await?;
    let host = seen
        .host
        .filter(|(user, after, ())| rejected(&person, user, *after).is_none());
    Ok(host.map(|(user, ..)| user.id))
}

fn refused(said: &Said) -> Option<Refused> {
    match said {
        Said::Refused(why) => Some(*why),
        Said::Nothing | Said::Person(_) => None,
    }
}

async fn look<T, F>(
    app: &App,
    token: Option<[u8; 32]>,
    person: Option<HostPerson>,
    mut more: F,
) -> Result<Seen<T>>
where
    F: FnMut(&mut Tx<'_>, i64) -> store::Result<T> + Send + 'static,
    T: Send + 'static,
{
    let (now, idle_days) = (app.real_now(), app.settings.session.idle_days);
    let is_in_use =
        move |session: &Session| now < session.last_seen_at.plus_days(idle_days).plus_seconds(1);
    app.read(move |tx| {
        let session = match &token {
            Some(hash) => store::sessions::find(tx, hash, now)?.filter(is_in_use),
            None => None,
        };
        let user = match &person {
            Some(person) => known(tx, person)?,
            None => None,
        };
        let own = match session {
            Some(session) => Some((more(tx, session.user_id)?, session)),
            None => None,
        };
        let has_place = match &user {
            Some(user) => store::users::has_place(tx, user.id)?,
            None => false,
        };
        let host = match user {
            Some(user) => {
                let after = store::users::tokens_after(tx, user.id)?;
                let beside = more(tx, user.id)?;
                Some((user, after, beside))
            }
            None => None,
        };
        Ok(Seen {
            own: own.map(|(beside, session)| (session, beside)),
            host,
            has_place,
        })
    })
    .await
}

/// The user whom a token means, if they came in before: by the host's id before the address.
fn known(tx: &mut Tx<'_>, person: &HostPerson) -> store::Result<Option<User>> {
    match &person.external_id {
        Some(id) => store::users::by_external_id(tx, id),
        None => store::users::by_email(tx, &person.email),
    }
}

/// Lets a person of the host application in who is new, or belongs to no account any more. Returns
/// why not, if so.
async fn enter(app: &App, person: &HostPerson) -> Result<Option<Refused>> {
    let user = users::of_host(app, person.external_id.as_deref(), &person.email).await?;
    Ok(match user {
        Some(_) => None,
        None => Some(Refused::AddressTaken),
    })
}

fn rejected(
    person: &HostPerson,
    user: &User,
    after: Option<domain::time::Timestamp>,
) -> Option<Refused> {
    if user.disabled_at.is_some() {
        return Some(Refused::Disabled);
    }
    let is_over = after.is_some_and(|after| person.issued_at < after);
    is_over.then_some(Refused::SignedOut)
}

/// Chooses between the two sessions. Our own one of the same user counts, since it may be an
/// operator's.
async fn choose<T>(
    app: &App,
    token: Option<[u8; 32]>,
    own: Option<(Session, T)>,
    host: Option<(User, Option<domain::time::Timestamp>, T)>,
    why: Option<Refused>,
) -> Result<Found<T>> {
    match (own, host) {
        (Some((session, beside)), Some((user, ..))) if session.user_id == user.id => {
            if !session.beside_host {
                sessions::mark_beside_host(app, session.id).await?;
            }
            Ok(Ok((in_use(app, session), beside)))
        }
        (Some((session, beside)), None) if !session.beside_host => {
            Ok(Ok((in_use(app, session), beside)))
        }
        (own, host) => {
            if let (Some(_), Some(token)) = (own, token) {
                tracing::info!("A session ended: the host application's is another's, or ended");
                sessions::end(app, token).await?;
            }
            Ok(match host {
                Some((user, _, beside)) => Ok((of_host(user), beside)),
                None => Err(why),
            })
        }
    }
}

fn in_use(app: &App, session: Session) -> Visitor {
    if app.real_now() >= session.last_seen_at.plus_seconds(SEEN_SECONDS) {
        sessions::touch(app, session.id);
    }
    Visitor {
        id: session.user_id,
        public_id: session.user_public_id,
        email: session.email,
        name: session.name,
        role: session.role,
    }
}

/// The host's user, who is no operator here.
fn of_host(user: User) -> Visitor {
    Visitor {
        id: user.id,
        public_id: user.public_id,
        email: user.email,
        name: user.name,
        role: UserRole::User,
    }
}
