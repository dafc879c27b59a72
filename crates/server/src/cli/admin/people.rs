//! `admin user` and `admin session`: creates users and signs them in.

use billing::app::App;
use domain::people::UserRole;
use serde_json::json;
use store::api_keys::KeyScope;

use crate::cli::access;
use crate::cli::output::Output;

/// Creates the user of `email` or changes its role, and prints the user and its first account.
pub async fn user(
    app: &App,
    email: &str,
    role: Option<UserRole>,
    out: &mut Output,
) -> anyhow::Result<()> {
    let (id, account) = access::user(app, email, role).await?;
    let (user, account) = app
        .read(move |tx| {
            Ok((
                store::users::find(tx, id)?,
                store::accounts::find(tx, account)?,
            ))
        })
        .await?;
    let (user, account) = user.zip(account).expect("both were just created or found");
    let value = json!({
        "user": user.public_id, "email": user.email, "role": user.role,
        "account": account.public_id,
    });
    let text = format!("{} {} {}", user.public_id, user.role, account.public_id);
    out.answer(&value, text);
    Ok(())
}

/// Prints the headers that authenticate the user of `email`: a session cookie and, if `with_key`
/// names a scope, a new API key of that scope.
pub async fn session(
    app: &App,
    email: &str,
    role: Option<UserRole>,
    with_key: Option<KeyScope>,
    out: &mut Output,
) -> anyhow::Result<()> {
    let (user, account) = access::user(app, email, role).await?;
    let account = |scope| (scope == KeyScope::Meter).then_some(account);
    // First, so that a refused key leaves no session behind.
    let key = match with_key {
        Some(scope) => Some(
            billing::keys::make(app, account(scope), "command line", "cli")
                .await?
                .1,
        ),
        None => None,
    };
    let cookie = access::session_cookie(app, user).await?;
    let mut headers = json!({ "Cookie": cookie });
    let mut text = format!("Cookie: {cookie}");
    if let Some(key) = key {
        let value = format!("Bearer {key}");
        text.push_str(&format!("\nAuthorization: {value}"));
        headers["Authorization"] = value.into();
    }
    out.answer(&json!({ "headers": headers }), text);
    Ok(())
}
