//! `/admin`: the key figures of the business, each linked to its rows.

use axum::extract::State;
use axum::response::Html;
use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::app::App;
use billing::books::figures;
use billing::operators::unfinished;
use views::admin::overview::page;
use views::components::{Action, Banner, Kind};
use views::layout::Nav;

use crate::frame;
use crate::http::error::HttpResult;
use crate::pages::admin::offered::unfinished_banner;
use crate::pages::admin::operator_shell;

/// Maximum number of unfinished requests that are shown; the alerts name every account.
const SHOWN_MAX: usize = 10;

/// `GET /admin`.
pub async fn show(State(app): State<App>, operator: Operator) -> HttpResult<Html<String>> {
    let figures = figures::of(&app).await?;
    let may_export = operator.may(Right::Export);
    let shell = operator_shell(&app, &operator.0, Nav::AdminOverview);
    let mut page = page(shell, &figures, may_export);
    let (listed, count) = app
        .read(|tx| Ok((unfinished::all(tx)?, unfinished::count(tx)?)))
        .await?;
    for one in listed.iter().take(SHOWN_MAX) {
        let account = Action::link(
            "Open the account",
            format!("/admin/accounts/{}", one.account),
        );
        page.banners
            .push(unfinished_banner(&operator, one).with(account));
    }
    let rest = count - i64::try_from(listed.len().min(SHOWN_MAX)).unwrap_or(count);
    if rest > 0 {
        let title = format!("Needs attention: {rest} more");
        let text = "The alerts name their accounts.";
        page.banners.push(Banner::new(Kind::Bad, title, text));
    }
    frame::html(&page)
}
