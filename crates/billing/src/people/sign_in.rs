//! Sign-in with an emailed link.

use domain::letters::Letter;
use domain::time::Timestamp;
use store::login_links::LinkKind;

use crate::app::App;
use crate::error::{Error, Result};
use crate::letters::enqueue;
use crate::people::users;
use crate::rate_limit;
use crate::secrets::{hash, new_secret};

/// Queues a sign-in email with its link in one commit. Rate-limited per recipient, per network and
/// in total, so that the service can't be used to send spam.
pub async fn send_link(app: &App, email: &str, next: Option<&str>, network: &str) -> Result<()> {
    let email = users::read_email(email)?;
    let limits = &app.settings.limits;
    let network = format!("sign-in-from:{network}");
    rate_limit::take(app, &network, limits.sign_in_per_network, 0).await?;
    // The email address is stored with the user and the link, and nowhere else.
    let address = format!("sign-in:{}", hex::encode(hash(&email)));
    rate_limit::take(app, &address, limits.sign_in_per_minute, 0).await?;
    rate_limit::take(app, "sign-in", limits.sign_in_in_all, 0).await?;
    let token = new_secret(&*app.rng);
    let minutes = app.settings.session.link_minutes;
    let next = next.filter(|next| is_own_path(next)).map(str::to_owned);
    let now = app.real_now();
    let letter = Letter::SignIn {
        token: token.clone(),
        minutes,
    };
    let key = format!("sign-in:{}", app.new_id("link"));
    app.write(0, move |tx| {
        let until = now.plus_seconds(minutes * 60);
        let next = next.as_deref();
        let link = (LinkKind::Mailed, hash(&token));
        store::login_links::insert(tx, (link.0, &link.1), &email, None, next, now, until)?;
        enqueue(tx, &key, None, &email, &letter, now)
    })
    .await?;
    app.email_due.notify_one();
    Ok(())
}

/// Redeems a link and signs in the user it was sent to. Returns the user's internal id and the path
/// to continue to; fails with code `link_over` if the link was used, has expired or never existed.
pub async fn redeem_link(app: &App, token: &str, network: &str) -> Result<(i64, Option<String>)> {
    let (hash, now) = (hash(token), app.real_now());
    let link = app
        .write(0, move |tx| store::login_links::redeem(tx, &hash, now))
        .await?;
    let Some(link) = link else {
        return Err(wrong_link(app, network).await);
    };
    let user = users::sign_in(app, &link.email).await?;
    Ok((user, link.next_path))
}

/// How a link reaches its user; `None` if there is no such link. One that an operator printed is
/// used when it is opened. A mailed one is used by the button of its page only, since scanners open
/// links, and another site can lead a visitor to one (G13).
pub async fn kind_of_link(app: &App, token: &str) -> Result<Option<LinkKind>> {
    let hash = hash(token);
    let link = app
        .read(move |tx| store::login_links::find(tx, &hash))
        .await?;
    Ok(link.map(|link| link.kind))
}

/// Signs in the user named by a hand-over token of the host application, by its id of the user and
/// the address. The token works once: `id` is stored until `until`. Returns the user's internal id.
pub async fn redeem_hand_over(
    app: &App,
    (external_id, email): (Option<&str>, &str),
    id: &str,
    until: Timestamp,
    network: &str,
) -> Result<i64> {
    let email = users::read_email(email)?;
    let id = hex::encode(hash(id));
    let is_first = app
        .write(0, move |tx| store::used_tokens::take(tx, &id, until))
        .await?;
    if !is_first {
        return Err(wrong_link(app, network).await);
    }
    users::hand_over(app, external_id, &email).await
}

/// Counts an invalid link or token (case A8). Fails if there were too many.
pub async fn count_wrong_link(app: &App, network: &str) -> Result<()> {
    tracing::warn!("A sign-in link or token was rejected");
    let limit = app.settings.limits.bad_links_per_minute;
    rate_limit::take(app, &format!("bad-link:{network}"), limit, 0).await
}

/// Counts an invalid link or token and returns the error for it: the link was used, has expired or
/// never existed.
pub async fn wrong_link(app: &App, network: &str) -> Error {
    let detail = "This link was already used or has expired. Request a new one.";
    match count_wrong_link(app, network).await {
        Ok(()) => Error::bad_request("link_over", detail),
        Err(error) => error,
    }
}

/// Opens a session and returns its token.
pub async fn open_session(app: &App, user: i64, agent: &str) -> Result<String> {
    let token = new_secret(&*app.rng);
    let (hash, agent) = (hash(&token), agent.to_owned());
    let now: Timestamp = app.real_now();
    let until = now.plus_days(app.settings.session.days);
    app.write(0, move |tx| {
        store::sessions::insert(tx, &hash, user, &agent, now, until)
    })
    .await?;
    Ok(token)
}

/// Whether `next` is a path on this site, which no browser could read as another site (case A14).
pub fn is_own_path(next: &str) -> bool {
    let mut bytes = next.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && next.len() <= 500
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::is_own_path;

    #[test]
    fn case_a14_only_our_own_paths_are_gone_on_to() {
        for good in ["/", "/dashboard/billing", "/pricing?x=1"] {
            assert!(is_own_path(good), "{good}");
        }
        for bad in [
            "",
            "//evil",
            "/\\evil",
            "javascript:alert(1)",
            "https://x",
            "/a\\b",
            "/a\nb",
        ] {
            assert!(!is_own_path(bad), "{bad}");
        }
    }
}
