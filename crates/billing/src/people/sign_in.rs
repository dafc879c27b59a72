//! Signing in with a link sent by email.

use domain::letters::Letter;
use domain::time::Timestamp;

use crate::app::App;
use crate::error::{Error, Result};
use crate::letters::enqueue;
use crate::people::users;
use crate::rate_limit;
use crate::secrets::{hash, new_secret};

/// Writes a link and its mail in one commit. Counted three times: nobody gets many mails, nobody
/// sends many, and all together do not make this service a sender of unwanted mail.
pub async fn send_link(app: &App, email: &str, next: Option<&str>, network: &str) -> Result<()> {
    let email = users::read_email(email)?;
    let limits = &app.settings.limits;
    let network = format!("sign-in-from:{network}");
    rate_limit::take(app, &network, limits.sign_in_per_network, 0).await?;
    // The address itself is kept with the user and the link, and nowhere else.
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
        store::login_links::insert(tx, &hash(&token), &email, None, next, now, until)?;
        enqueue(tx, &key, None, &email, &letter, now)
    })
    .await?;
    app.email_due.notify_one();
    Ok(())
}

/// Uses a link up and signs in whoever it was sent to. Answers the user's number and the path to
/// go on to; an error of code `link_over` where the link was used, is too old or never was.
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

/// Signs in whom a hand-over token of the host application names. The token works once: `id` is
/// remembered until `until`. Answers the user's number.
pub async fn redeem_hand_over(
    app: &App,
    email: &str,
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
    users::hand_over(app, &email).await
}

/// Counts a link or a token that opened nothing (case A8). The error is that there were too many.
pub async fn count_wrong_link(app: &App, network: &str) -> Result<()> {
    tracing::warn!("A sign-in link or token opened nothing");
    let limit = app.settings.limits.bad_links_per_minute;
    rate_limit::take(app, &format!("bad-link:{network}"), limit, 0).await
}

/// Counts a link or a token that opened nothing, and answers the error for it: a link that was
/// used, is too old or never was.
pub async fn wrong_link(app: &App, network: &str) -> Error {
    let detail = "This link was used or is too old; ask for a new one.";
    match count_wrong_link(app, network).await {
        Ok(()) => Error::bad_request("link_over", detail),
        Err(error) => error,
    }
}

/// Opens a session and answers its token.
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

/// A path on this site to continue to: never another site, whatever the browser makes of it (case A14).
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
