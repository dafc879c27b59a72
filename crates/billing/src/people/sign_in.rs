//! Signing in with a link sent by email.

use domain::letters::Letter;
use domain::time::Timestamp;

use crate::app::App;
use crate::error::Result;
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

/// A path of ours to go on to: never another site, whatever the browser makes of it (case A14).
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
