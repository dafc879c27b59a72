//! Every sample of every page, rendered.

use std::path::Path;
use std::{fs, io};

use askama::Template;

use crate::admin::{account, accounts, alerts, event, events, overview, transactions, webhooks};
use crate::links::Links;
use crate::{
    assets, calls, cancel, confirm, credits, emails, error, fragments, invoices, keys, login,
    members, pricing, sessions, settings, success, upgrade, usage,
};

/// A rendered sample: its name, such as "billing--past-due", and its HTML.
pub type Sample = (String, String);

fn render<T: Template>(page: &str, samples: Vec<(&'static str, T)>, links: &Links) -> Vec<Sample> {
    let html = |view: T| {
        let html = view.render_with_values(links);
        html.expect("text can be written into memory")
    };
    let named = |(sample, view)| (format!("{page}--{sample}"), html(view));
    samples.into_iter().map(named).collect()
}

/// All samples of all pages, rendered.
pub fn all() -> Vec<Sample> {
    all_with(&Links::default())
}

/// All samples of all pages, with `links`. Every page of the product is in this list.
pub fn all_with(links: &Links) -> Vec<Sample> {
    [
        render("pricing", pricing::PricingPage::samples(), links),
        render("login", login::LoginPage::samples(), links),
        render("login-confirm", login::LoginConfirmPage::samples(), links),
        render("billing", crate::billing::BillingPage::samples(), links),
        render("invoices", invoices::InvoicesPage::samples(), links),
        render("upgrade", upgrade::UpgradePage::samples(), links),
        render("credits", credits::CreditsPage::samples(), links),
        render("success", success::SuccessPage::samples(), links),
        render("cancel", cancel::CancelPage::samples(), links),
        render("usage", usage::UsagePage::samples(), links),
        render("calls", calls::CallsPage::samples(), links),
        render("call", calls::CallPage::samples(), links),
        render("keys", keys::KeysPage::samples(), links),
        render("members", members::MembersPage::samples(), links),
        render("invitation", members::InvitationPage::samples(), links),
        render("sessions", sessions::SessionsPage::samples(), links),
        render("settings", settings::SettingsPage::samples(), links),
        render("confirm", confirm::ConfirmPage::samples(), links),
        render("error", error::ErrorPage::samples(), links),
        render(
            "admin-transactions",
            transactions::TransactionsPage::samples(),
            links,
        ),
        render("admin-events", events::EventsPage::samples(), links),
        render("admin-event", event::EventPage::samples(), links),
        render("admin-accounts", accounts::AccountsPage::samples(), links),
        render("admin-account", account::AccountPage::samples(), links),
        render("admin-alerts", alerts::AlertsPage::samples(), links),
        render("admin-webhooks", webhooks::WebhooksPage::samples(), links),
        render("admin-webhook", webhooks::EndpointPage::samples(), links),
        render("admin-overview", overview::OverviewPage::samples(), links),
        render(
            "admin-list",
            crate::admin::parts::ListPage::samples(),
            links,
        ),
        render(
            "admin-form",
            crate::admin::parts::FormPage::samples(),
            links,
        ),
    ]
    .concat()
}

/// The samples of the parts that other sites embed: HTML without a frame.
pub fn parts() -> Vec<Sample> {
    let links = &Links::default();
    [
        render(
            "part-credit-balance",
            fragments::CreditBalance::samples(),
            links,
        ),
        render(
            "part-payment-method",
            fragments::PaymentMethodFragment::samples(),
            links,
        ),
        render(
            "part-invoice-list",
            fragments::InvoiceList::samples(),
            links,
        ),
        render("part-usage-chart", fragments::UsageChart::samples(), links),
    ]
    .concat()
}

/// Writes the samples and the assets as files, for viewing in a browser.
pub fn write_samples(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir.join("assets"))?;
    for (name, html) in all() {
        fs::write(dir.join(format!("{name}.html")), html)?;
    }
    for (name, html) in parts() {
        fs::write(dir.join(format!("{name}.html")), html)?;
    }
    for (name, content) in emails::samples::all() {
        fs::write(
            dir.join(format!("email--{name}.html")),
            content.email().html,
        )?;
    }
    let paths = assets::paths();
    for path in [&paths.css, &paths.js, &paths.icon] {
        let asset = assets::asset(path).expect("a path of ours leads to its asset");
        fs::write(dir.join(path.trim_start_matches('/')), asset.bytes)?;
    }
    Ok(())
}
