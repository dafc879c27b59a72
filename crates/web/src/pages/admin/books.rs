//! `/admin/audit`: the result of the last check of the books, and the button for a new one.

use axum::extract::State;
use axum::response::{Html, Redirect};
use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::app::App;
use billing::books::check;
use billing::books::check::Report;
use views::admin::parts::{ListPage, Table};
use views::components::{Action, Banner, Kind, Prose, Stat};
use views::format;
use views::layout::Nav;

use crate::frame;
use crate::http::error::HttpResult;
use crate::pages::admin::operator_shell;

const HERE: &str = "/admin/audit";

/// `GET /admin/audit`.
pub async fn show(State(app): State<App>, operator: Operator) -> HttpResult<Html<String>> {
    let report = check::last(&app).await?;
    let run = Action::post("Check the books now", "/admin/audit/run").primary();
    let mut page = ListPage {
        actions: operator
            .may(Right::Money)
            .then_some(run)
            .into_iter()
            .collect(),
        ..ListPage::new(
            operator_shell(&app, &operator.0, Nav::AdminBooks),
            "Books",
            "Checks every journal from its first entry, and that balances, grants, holds, usage \
             and payments follow from it. It only reads and runs in the background.",
        )
    };
    match &report {
        None => {
            let text =
                "The books haven't been checked from here yet. The command `audit` does the same.";
            page.banners
                .push(Banner::new(Kind::Info, "No result yet", text));
        }
        Some(report) => fill(&mut page, report),
    }
    frame::html(&page)
}

fn fill(page: &mut ListPage, report: &Report) {
    let Some(ended) = report.ended_at else {
        let text = Prose::new("Started at ")
            .time(format::second(report.started_at))
            .text(" (UTC). ")
            .link("Refresh", HERE)
            .text(" in a moment.");
        page.banners
            .push(Banner::new(Kind::Info, "The books are being checked", text));
        return;
    };
    let count = |number: i64| format::count(number.unsigned_abs());
    page.stats = vec![
        Stat::new("Checked", format::second(ended).text, "UTC"),
        Stat::new("Accounts", count(report.accounts), ""),
        Stat::new("Journal entries", count(report.entries), ""),
        Stat::new(
            "Differences",
            format::count(report.findings_count as u64),
            "",
        ),
        Stat::new("To review", format::count(report.warnings.len() as u64), ""),
    ];
    let banner = if report.findings_count > 0 {
        let text = "Nothing was changed. Compare each row below; the admin guide says what to do.";
        Banner::new(Kind::Bad, "The books do not agree", text)
    } else if report.is_cut {
        let text =
            "It ran out of time before checking all accounts. Run `audit` on the command line.";
        Banner::new(Kind::Warn, "Only partly checked", text)
    } else {
        let text = "Every balance, grant, hold and payment follows from the journal.";
        Banner::new(Kind::Ok, "The books agree", text)
    };
    page.banners.push(banner);
    let columns = [("Account", ""), ("Row", "wide-only"), ("What", "")];
    let row = |(account, row, what): &(String, String, String)| {
        vec![
            Prose::default().link(account, format!("/admin/accounts/{account}")),
            Prose::default().code(row),
            what.as_str().into(),
        ]
    };
    page.tables = vec![
        Table::new("Differences", &columns, "None.").rows(report.findings.iter().map(row)),
        Table::new("To review", &columns, "Nothing.").rows(report.warnings.iter().map(row)),
    ];
}

/// `POST /admin/audit/run`: checks the books in the background.
pub async fn run(State(app): State<App>, Operator(operator): Operator) -> HttpResult<Redirect> {
    check::start(&app, &operator.public_id).await?;
    Ok(Redirect::to(HERE))
}
