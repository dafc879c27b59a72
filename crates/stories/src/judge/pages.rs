//! Every page of every role can be shown, whatever the account has become.

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use billing::people::{sign_in, users};
use domain::people::UserRole;
use tower::ServiceExt;

use super::accounts;
use crate::world::World;

/// The largest page, in bytes.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The pages of the owner of an account.
const OF_OWNERS: [&str; 9] = [
    "/dashboard/billing",
    "/dashboard/billing/invoices",
    "/dashboard/billing/cancel",
    "/dashboard/usage",
    "/dashboard/usage/calls",
    "/dashboard/members",
    "/dashboard/keys",
    "/dashboard/settings",
    "/pricing",
];

/// The operators' pages; those of an account follow.
const OF_OPERATORS: [&str; 7] = [
    "/admin",
    "/admin/transactions",
    "/admin/accounts",
    "/admin/events",
    "/admin/alerts",
    "/admin/plans",
    "/admin/log",
];

/// Judges the pages of all people and of an operator.
pub async fn judge(world: &mut World, broken: &mut Vec<String>) {
    for (who, account) in accounts(world) {
        if world.people[who].is_closed {
            continue;
        }
        let Some(owner) = world.signed_in(who).await else {
            broken.push(format!("the account {account} has no owner"));
            continue;
        };
        let id = owner.account.public_id.clone();
        let paths = OF_OWNERS.map(|path| format!("{path}?account={id}"));
        show(world, owner.user.id, &paths, broken).await;
    }
    let app = world.app.clone();
    let operator = users::ensure(&app, "operator@example.com", UserRole::Admin, true).await;
    let Ok(operator) = operator else {
        broken.push("the operator can't sign in".to_owned());
        return;
    };
    let mut paths = OF_OPERATORS.map(str::to_owned).to_vec();
    for (who, _) in accounts(world) {
        if let Some(account) = world.account(who).await {
            let id = account.public_id;
            paths.push(format!("/admin/accounts/{id}"));
            paths.push(format!("/admin/accounts/{id}/journal"));
        }
    }
    show(world, operator.id, &paths, broken).await;
}

/// Shows pages to a user.
async fn show(world: &mut World, user: i64, paths: &[String], broken: &mut Vec<String>) {
    let app = world.app.clone();
    let Ok(token) = sign_in::open_session(&app, user, "a story").await else {
        broken.push("a session can't be opened".to_owned());
        return;
    };
    let router = web::router::router(app);
    for path in paths {
        let request = Request::get(path)
            .header(header::ACCEPT, "text/html")
            .header(header::COOKIE, format!("lbx_session={token}"));
        let request = request.body(Body::empty()).expect("a request");
        let answer = router.clone().oneshot(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        let status = answer.status();
        let page = to_bytes(answer.into_body(), PAGE_BYTES_MAX).await;
        let page = page.unwrap_or_default();
        world.mark("page");
        if status != 200 || page.is_empty() {
            let text = String::from_utf8_lossy(&page);
            let said = text.split("<h1").nth(1).unwrap_or_default();
            let said: String = said.chars().take(300).collect();
            broken.push(format!("the page {path} answers {status}: {said}"));
        }
    }
}
