//! Every sample of every page, rendered.

use std::path::Path;
use std::{fs, io};

use askama::Template;

use crate::admin::{account, accounts, alerts, event, events, overview, transactions, webhooks};
use crate::{
    assets, calls, cancel, confirm, credits, error, fragments, invoices, keys, login, mails,
    members, pricing, sessions, settings, success, upgrade, usage,
};

/// A page of the samples: "billing--past-due" and its HTML.
pub type Sample = (String, String);

fn render<T: Template>(page: &str, samples: Vec<(&'static str, T)>) -> Vec<Sample> {
    let html = |view: T| view.render().expect("text can be written into memory");
    let named = |(sample, view)| (format!("{page}--{sample}"), html(view));
    samples.into_iter().map(named).collect()
}

/// All samples of all pages, rendered. Every page of the product is in this list.
pub fn all() -> Vec<Sample> {
    [
        render("pricing", pricing::PricingPage::samples()),
        render("login", login::LoginPage::samples()),
        render("login-confirm", login::LoginConfirmPage::samples()),
        render("billing", crate::billing::BillingPage::samples()),
        render("invoices", invoices::InvoicesPage::samples()),
        render("upgrade", upgrade::UpgradePage::samples()),
        render("credits", credits::CreditsPage::samples()),
        render("success", success::SuccessPage::samples()),
        render("cancel", cancel::CancelPage::samples()),
        render("usage", usage::UsagePage::samples()),
        render("calls", calls::CallsPage::samples()),
        render("call", calls::CallPage::samples()),
        render("keys", keys::KeysPage::samples()),
        render("members", members::MembersPage::samples()),
        render("invitation", members::InvitationPage::samples()),
        render("sessions", sessions::SessionsPage::samples()),
        render("settings", settings::SettingsPage::samples()),
        render("confirm", confirm::ConfirmPage::samples()),
        render("error", error::ErrorPage::samples()),
        render(
            "admin-transactions",
            transactions::TransactionsPage::samples(),
        ),
        render("admin-events", events::EventsPage::samples()),
        render("admin-event", event::EventPage::samples()),
        render("admin-accounts", accounts::AccountsPage::samples()),
        render("admin-account", account::AccountPage::samples()),
        render("admin-alerts", alerts::AlertsPage::samples()),
        render("admin-webhooks", webhooks::WebhooksPage::samples()),
        render("admin-webhook", webhooks::EndpointPage::samples()),
        render("admin-overview", overview::OverviewPage::samples()),
        render("admin-list", crate::admin::parts::ListPage::samples()),
        render("admin-form", crate::admin::parts::FormPage::samples()),
    ]
    .concat()
}

/// The samples of the parts that other sites show: HTML without a frame.
pub fn parts() -> Vec<Sample> {
    [
        render("part-credit-balance", fragments::CreditBalance::samples()),
        render(
            "part-payment-method",
            fragments::PaymentMethodFragment::samples(),
        ),
        render("part-invoice-list", fragments::InvoiceList::samples()),
        render("part-usage-chart", fragments::UsageChart::samples()),
    ]
    .concat()
}

/// Writes the samples and the assets as files, to be looked at in a browser.
pub fn write_samples(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir.join("assets"))?;
    for (name, html) in all() {
        fs::write(dir.join(format!("{name}.html")), html)?;
    }
    for (name, html) in parts() {
        fs::write(dir.join(format!("{name}.html")), html)?;
    }
    for (name, letter) in mails::Letter::samples() {
        fs::write(dir.join(format!("mail--{name}.html")), letter.mail().html)?;
    }
    let paths = assets::paths();
    for path in [&paths.css, &paths.js, &paths.icon] {
        let asset = assets::asset(path).expect("a path of ours leads to its asset");
        fs::write(dir.join(path.trim_start_matches('/')), asset.bytes)?;
    }
    Ok(())
}
