//! `admin`: what operators do by hand.

use clap::Subcommand;
use serde_json::json;

use super::access;
use super::output::Output;
use crate::app::App;

/// See the module.
#[derive(Clone, Debug, Subcommand)]
pub enum Admin {
    /// Makes a user, or changes a user's role.
    User {
        /// The mail address.
        email: String,
        /// user, viewer, support, finance or admin.
        #[arg(long, value_parser = ROLES)]
        role: Option<String>,
    },
    /// Prints headers that authenticate a user, who is made when new.
    Session {
        /// The mail address.
        email: String,
        /// user, viewer, support, finance or admin.
        #[arg(long, value_parser = ROLES)]
        role: Option<String>,
        /// With an API key too: of the user's account, or of the host application.
        #[arg(long, num_args = 0..=1, default_missing_value = "meter",
              value_parser = ["meter", "server"])]
        with_key: Option<String>,
    },
    /// Prints an address that signs in, once.
    LoginLink {
        /// The mail address.
        email: String,
    },
}

const ROLES: [&str; 5] = ["user", "viewer", "support", "finance", "admin"];

/// Runs one.
pub async fn run(app: &App, command: Admin, out: &mut Output) -> anyhow::Result<u8> {
    match command {
        Admin::User { email, role } => user(app, &email, role.as_deref(), out).await?,
        Admin::Session {
            email,
            role,
            with_key,
        } => session(app, &email, role.as_deref(), with_key.as_deref(), out).await?,
        Admin::LoginLink { email } => {
            let url = access::login_link(app, &email, app.settings.session.link_minutes).await?;
            out.answer(&json!({ "url": url }), &url);
        }
    }
    Ok(0)
}

async fn user(app: &App, email: &str, role: Option<&str>, out: &mut Output) -> anyhow::Result<()> {
    let (id, account) = access::user(app, email, role).await?;
    let (user, account) = app
        .read(move |tx| {
            Ok((
                store::users::find(tx, id)?,
                store::accounts::find(tx, account)?,
            ))
        })
        .await?;
    let (user, account) = user.zip(account).expect("both were just made or found");
    let value = json!({
        "user": user.public_id, "email": user.email, "role": user.role,
        "account": account.public_id,
    });
    let text = format!("{} {} {}", user.public_id, user.role, account.public_id);
    out.answer(&value, text);
    Ok(())
}

async fn session(
    app: &App,
    email: &str,
    role: Option<&str>,
    with_key: Option<&str>,
    out: &mut Output,
) -> anyhow::Result<()> {
    let (user, account) = access::user(app, email, role).await?;
    let cookie = access::session_cookie(app, user).await?;
    let mut headers = json!({ "Cookie": cookie });
    let mut text = format!("Cookie: {cookie}");
    if let Some(scope) = with_key {
        let account = (scope == "meter").then_some(account);
        let key = access::api_key(app, account, "command line").await?;
        let value = format!("Bearer {key}");
        text.push_str(&format!("\nAuthorization: {value}"));
        headers["Authorization"] = value.into();
    }
    out.answer(&json!({ "headers": headers }), text);
    Ok(())
}
