//! What the samples of all pages share: readers, days, and text that tries to break a page.

use std::path::Path;
use std::{fs, io};

use askama::Template;

use super::components::{Banner, Kind};
use super::format::{self, When};
use super::layout::{AccountLink, Nav, Shell, TestMode, Viewer};
use super::{
    admin, assets, billing, calls, cancel, confirm, credits, error, fragments, invoices, keys,
    login, mails, members, pricing, sessions, settings, success, upgrade, usage,
};

/// 22 November 2026, 12:00 UTC: the day on which all samples play.
pub const NOW: i64 = 1_795_348_800_000_000;
/// One day in microseconds.
pub const DAY: i64 = 86_400_000_000;
/// Markup where a name should be.
pub const EVIL: &str = "<script>alert(\"x\")</script> & 'Söhne' <img src=x onerror=y>";
/// A name as long as names get.
pub const LONG: &str =
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft mbH";

/// So many days from [`NOW`], as a day.
pub fn day(days: i64) -> When {
    format::day(NOW + days * DAY)
}

/// An ordinary customer.
pub fn customer(active: Nav) -> Shell {
    Shell::signed_in("LocalBoxs", viewer(), active)
}

/// A customer in the demo, where the twin stands in for Stripe.
pub fn customer_in_test_mode(active: Nav) -> Shell {
    Shell {
        test_mode: Some(test_mode()),
        ..customer(active)
    }
}

/// An admin.
pub fn admin(active: Nav) -> Shell {
    let viewer = Viewer {
        account_name: "LocalBoxs".to_owned(),
        mail: "olga@localboxs.example".to_owned(),
        initials: "OP".to_owned(),
        role: "Admin".to_owned(),
        is_admin: true,
        events_failed: 2,
        accounts: Vec::new(),
    };
    Shell {
        test_mode: Some(test_mode()),
        ..Shell::signed_in("LocalBoxs", viewer, active)
    }
}

/// A reader whose every text is long or markup.
pub fn worst(active: Nav) -> Shell {
    let viewer = Viewer {
        account_name: format!("{LONG} {EVIL}"),
        mail: format!("{}@{}.example", "a".repeat(64), "b".repeat(60)),
        initials: "<b".to_owned(),
        role: EVIL.to_owned(),
        is_admin: true,
        events_failed: u64::MAX,
        accounts: vec![account_link(EVIL, true), account_link(LONG, false)],
    };
    Shell {
        test_mode: Some(TestMode {
            text: EVIL.to_owned(),
            link: Some((EVIL.to_owned(), "/\"><script>".to_owned())),
        }),
        flash: Some(Banner::new(Kind::Bad, EVIL, EVIL)),
        ..Shell::signed_in("LocalBoxs", viewer, active)
    }
}

/// Nobody.
pub fn public() -> Shell {
    Shell {
        test_mode: Some(test_mode()),
        ..Shell::public("LocalBoxs")
    }
}

fn viewer() -> Viewer {
    Viewer {
        account_name: "Acme Robotics".to_owned(),
        mail: "maya@acme.example".to_owned(),
        initials: "MK".to_owned(),
        role: "Owner".to_owned(),
        is_admin: false,
        events_failed: 0,
        accounts: Vec::new(),
    }
}

/// An account in the menu.
pub fn account_link(name: &str, current: bool) -> AccountLink {
    AccountLink {
        name: name.to_owned(),
        href: "/dashboard?account=acc_1".to_owned(),
        current,
    }
}

fn test_mode() -> TestMode {
    TestMode {
        text: "Test mode: payments go to the built-in Stripe twin. No card is charged.".to_owned(),
        link: Some((
            "Open the twin".to_owned(),
            "http://127.0.0.1:12111/".to_owned(),
        )),
    }
}

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
        render("billing", billing::BillingPage::samples()),
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
            admin::transactions::TransactionsPage::samples(),
        ),
        render("admin-events", admin::events::EventsPage::samples()),
        render("admin-event", admin::event::EventPage::samples()),
        render("admin-accounts", admin::accounts::AccountsPage::samples()),
        render("admin-account", admin::account::AccountPage::samples()),
        render("admin-alerts", admin::alerts::AlertsPage::samples()),
        render("admin-webhooks", admin::webhooks::WebhooksPage::samples()),
        render("admin-webhook", admin::webhooks::EndpointPage::samples()),
        render("admin-overview", admin::overview::OverviewPage::samples()),
        render("admin-list", admin::parts::ListPage::samples()),
        render("admin-form", admin::parts::FormPage::samples()),
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
