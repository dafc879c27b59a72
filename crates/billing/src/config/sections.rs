//! The sections of the configuration file.

use std::path::PathBuf;

use domain::plan::{AllowanceWhilePaused, PlanRules};
use domain::words;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use store::api_keys::KeyMode;

use crate::network::Network;

words! {
    /// What happens to the payment for a plan that is canceled immediately.
    pub enum CancelNow {
        /// The payment for the rest of the period is refunded.
        Refund = "refund",
        /// Nothing is refunded.
        Keep = "keep",
        /// A plan can't be canceled immediately.
        Off = "off",
    }
}

words! {
    /// When a commit counts as done.
    pub enum Durability {
        /// Once it is on disk.
        Full = "full",
        /// Once the operating system has accepted it.
        Relaxed = "relaxed",
    }
}

words! {
    /// How the connection to the mail server is encrypted.
    pub enum Encryption {
        /// The connection starts in plain text and is upgraded before anything is sent.
        Starttls = "starttls",
        /// TLS from the first byte.
        Tls = "tls",
        /// No encryption.
        None = "none",
    }
}

words! {
    /// What happens to a plan whose payment was lost in a dispute.
    pub enum AfterLostDispute {
        /// An operator is asked.
        Ask = "ask",
        /// The plan ends, without a refund.
        End = "end",
    }
}

impl Database {
    /// When a commit counts as done; an unknown word counts as `full`.
    pub fn durability(&self) -> Durability {
        Durability::from_word(&self.durability).unwrap_or(Durability::Full)
    }
}

impl Mail {
    /// How the connection to the mail server is encrypted; an unknown word counts as `starttls`.
    pub fn encryption(&self) -> Encryption {
        Encryption::from_word(&self.encryption).unwrap_or(Encryption::Starttls)
    }
}

impl Billing {
    /// What happens to the payment for a plan that is canceled immediately; an unknown word counts
    /// as `off`.
    pub fn cancel_now(&self) -> CancelNow {
        CancelNow::from_word(&self.cancel_now).unwrap_or(CancelNow::Off)
    }

    /// What happens to a plan whose payment was lost in a dispute; an unknown word counts as `ask`.
    pub fn plan_after_lost_dispute(&self) -> AfterLostDispute {
        AfterLostDispute::from_word(&self.plan_after_lost_dispute).unwrap_or(AfterLostDispute::Ask)
    }

    /// The rules that a plan depends on besides the catalog.
    pub fn plan_rules(&self) -> PlanRules {
        let while_paused = AllowanceWhilePaused::from_word(&self.allowance_while_paused);
        PlanRules {
            grace_days: self.grace_days,
            while_paused: while_paused.unwrap_or(AllowanceWhilePaused::None),
        }
    }
}

/// The listen address and the service's name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The address and port to listen on.
    pub listen: String,
    /// The public origin, without a trailing slash.
    pub base_url: String,
    /// The product name shown on pages.
    pub name: String,
    /// Maximum size of a request body, in bytes.
    pub body_bytes_max: usize,
    /// Maximum time for a request's body to arrive, in seconds.
    pub body_seconds_max: u64,
    /// Maximum duration of a request, in seconds.
    pub request_seconds_max: u64,
    /// Maximum number of open connections.
    pub connections_max: usize,
    /// Maximum time for a request's headers to arrive and for a connection to be idle, in seconds.
    pub head_seconds_max: u64,
    /// Proxy addresses and networks whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<String>,
    /// Whether the benchmark's reference endpoint is enabled.
    pub noop: bool,
}

/// File descriptors reserved for other uses: database, control socket, calls to Stripe.
const FILES_RESERVED: usize = 128;

impl Service {
    /// Maximum number of connections: the setting, capped by the process's open-file limit.
    pub fn connections(&self) -> usize {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        let room = soft.map_or(usize::MAX, |soft| soft.saturating_sub(FILES_RESERVED));
        self.connections_max.min(room).max(8)
    }

    /// Maximum number of concurrent requests other than webhooks; an eighth is reserved for
    /// webhooks.
    pub fn requests_max(&self) -> usize {
        let all = self.connections();
        all - all / 8
    }

    /// The trusted proxies; [`Settings::check`] reports entries that can't be parsed.
    pub fn proxies(&self) -> Vec<Network> {
        let all = self.trusted_proxies.iter();
        all.filter_map(|text| Network::parse(text)).collect()
    }
}

/// How the database is opened.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://PATH`, `postgres://...` or empty. May include a password.
    pub url: SecretString,
    /// Folder of the embedded database.
    pub data: PathBuf,
    /// Keys that encrypt personal data: `name:base64`, separated by commas, the current one first.
    pub encryption_keys: SecretString,
    /// Durability of a commit: `full` or `relaxed`.
    pub durability: String,
    /// Number of reader threads.
    pub readers: usize,
    /// Number of writer threads, on PostgreSQL.
    pub writers: usize,
    /// Maximum number of jobs queued for a thread.
    pub queue_max: usize,
}

/// The connection to Stripe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    /// Stripe's secret key; its prefix says whether it is live or test.
    pub secret_key: SecretString,
    /// Stripe's publishable key, which is not secret.
    pub publishable_key: String,
    /// Signing secrets, separated by commas.
    pub webhook_secret: SecretString,
    /// The address of Stripe's API.
    pub api_base: String,
    /// The Stripe API version that every call pins.
    pub api_version: String,
    /// Maximum duration of one attempt, in seconds.
    pub call_seconds_max: u64,
    /// Maximum duration of a call including retries, in seconds.
    pub deadline_seconds: u64,
    /// How often Stripe's event list is polled for missed events, in seconds; 0 for never.
    pub events_poll_seconds: i64,
    /// How often the books are audited and Stripe's refunds and disputes are listed, in hours; 0
    /// for never.
    pub audit_hours: i64,
    /// Price id of a manually created price for the tier FREE; empty to use the one from `setup`.
    pub price_id_free: String,
    /// As above, for the tier PRO.
    pub price_id_pro: String,
    /// As above, for the tier `PRO_PLUS`.
    pub price_id_pro_plus: String,
    /// As above, for the tier ENTERPRISE.
    pub price_id_enterprise: String,
    /// As above, for the year of PRO.
    pub price_id_pro_yearly: String,
    /// As above, for the year of `PRO_PLUS`.
    pub price_id_pro_plus_yearly: String,
    /// As above, for the year of ENTERPRISE.
    pub price_id_enterprise_yearly: String,
    /// As above, for the pack of 500 credits.
    pub price_id_credits_500: String,
    /// As above, for the pack of 1000 credits.
    pub price_id_credits_1000: String,
    /// As above, for the pack of 5000 credits.
    pub price_id_credits_5000: String,
    /// As above, for the pack of 10000 credits.
    pub price_id_credits_10000: String,
}

impl Stripe {
    /// The signing secrets, without empty ones.
    pub fn webhook_secrets(&self) -> Vec<SecretString> {
        let all = self
            .webhook_secret
            .expose_secret()
            .split(',')
            .map(str::trim);
        all.filter(|secret| !secret.is_empty())
            .map(SecretString::from)
            .collect()
    }

    /// Whether the key is a live one.
    pub fn is_live(&self) -> bool {
        let key = self.secret_key.expose_secret();
        key.starts_with("sk_live_") || key.starts_with("rk_live_")
    }

    /// The Stripe mode of the key.
    pub fn mode(&self) -> KeyMode {
        if self.is_live() {
            KeyMode::Live
        } else {
            KeyMode::Test
        }
    }

    /// Manually created prices of years, as (tier, price id).
    pub fn named_yearly_prices(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("PRO", self.price_id_pro_yearly.as_str()),
            ("PRO_PLUS", &self.price_id_pro_plus_yearly),
            ("ENTERPRISE", &self.price_id_enterprise_yearly),
        ];
        all.into_iter().filter(|(_, id)| !id.is_empty()).collect()
    }

    /// Manually created prices, as (tier or pack, price id), those of years aside.
    pub fn named_prices(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("FREE", self.price_id_free.as_str()),
            ("PRO", &self.price_id_pro),
            ("PRO_PLUS", &self.price_id_pro_plus),
            ("ENTERPRISE", &self.price_id_enterprise),
            ("500", &self.price_id_credits_500),
            ("1000", &self.price_id_credits_1000),
            ("5000", &self.price_id_credits_5000),
            ("10000", &self.price_id_credits_10000),
        ];
        all.into_iter().filter(|(_, id)| !id.is_empty()).collect()
    }
}

/// What is sold and under which rules.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Billing {
    /// Whether billing is enabled.
    pub enabled: bool,
    /// Percentage of accounts that see billing.
    pub cohort_percent: i64,
    /// Accounts that see it in addition: ids, or SHA-256 hashes of email addresses.
    pub cohort: Vec<String>,
    /// Path of the catalog file; empty for the built-in one.
    pub catalog: String,
    /// Days that an account keeps its tier after a failed payment (the grace period).
    pub grace_days: i64,
    /// Days for which a processed event's payload is kept.
    pub payload_days: i64,
    /// Days until promotional credits expire, unless an expiry is given.
    pub promo_days: i64,
    /// The address that "contact us" links to.
    pub contact_url: String,
    /// Whether Checkout accepts promotion codes for a plan.
    pub promotion_codes: bool,
    /// Whether Checkout accepts promotion codes for credits.
    pub promotion_codes_for_credits: bool,
    /// Whether a pack grants its credits when a promotion code covered its whole price.
    pub credits_without_payment: bool,
    /// Whether Stripe calculates and adds tax.
    pub automatic_tax: bool,
    /// Whether an account gets only one trial.
    pub trial_once_per_account: bool,
    /// Whether a card gets only one trial.
    pub trial_once_per_card: bool,
    /// What canceling a plan immediately does: `refund`, `keep` or `off`.
    pub cancel_now: String,
    /// What a plan brings for a period that begins while its collection is paused: `none` or
    /// `full`.
    pub allowance_while_paused: String,
    /// What happens to a plan whose payment was lost in a dispute: `ask` or `end`.
    pub plan_after_lost_dispute: String,
    /// Whether addresses that differ only in a `+tag` share one free allowance.
    pub mailbox_ignores_tags: bool,
    /// The domains at which addresses that differ only in dots share one free allowance.
    pub mailbox_ignores_dots_at: Vec<String>,
}

impl Billing {
    /// Whether this account sees billing: billing is enabled, and the account is listed or within
    /// the cohort's percentage. Raising the percentage never drops an account.
    pub fn is_on_for(&self, account: &store::accounts::Account) -> bool {
        let hash = |text: &str| hex::encode(Sha256::digest(text.as_bytes()));
        let is_listed = || {
            let mail = account.email.as_deref().map(hash);
            let names = [
                Some(account.public_id.as_str()),
                account.external_id.as_deref(),
                mail.as_deref(),
            ];
            let mut names = names.into_iter().flatten();
            names.any(|name| self.cohort.iter().any(|listed| listed == name))
        };
        let place = || {
            let digest = Sha256::digest(format!("cohort:{}", account.public_id).as_bytes());
            i64::from(u16::from_be_bytes([digest[0], digest[1]])) % 100
        };
        self.enabled && (place() < self.cohort_percent || is_listed())
    }
}

/// How users sign in, and how long sessions last.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Decrypts the host application's session cookie; several secrets are separated by commas.
    pub secret: SecretString,
    /// Verifies the host application's hand-over tokens; several secrets as above.
    pub hand_over_secret: SecretString,
    /// URL of the JWKS with the keys that the host application signs those tokens with.
    pub hand_over_jwks: String,
    /// Days until a session expires.
    pub days: i64,
    /// Days without use after which a session expires.
    pub idle_days: i64,
    /// Minutes until a sign-in link expires.
    pub link_minutes: i64,
    /// Email addresses of administrators.
    pub admins: Vec<String>,
}

/// Sign-in with OpenID Connect; requires a build with the feature `oidc`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider's issuer; empty to disable OpenID sign-in.
    pub issuer: String,
    /// This service's client id at the provider.
    pub client_id: String,
    /// The client secret that the provider issued.
    pub client_secret: SecretString,
    /// Label of the button on the sign-in page.
    pub label: String,
}

/// Where traces are sent; requires a build with the feature `otel`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// The collector's OTLP address over HTTP; empty to send nothing.
    pub otlp_endpoint: String,
    /// The service name in spans.
    pub service_name: String,
    /// Share of requests that are traced, in thousandths.
    pub sampled_per_mille: u16,
}

/// How emails are sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Host of the mail server.
    pub host: String,
    /// The port of the mail server.
    pub port: u16,
    /// User name, if the server requires one.
    pub user: String,
    /// The user's password.
    pub password: SecretString,
    /// The sender address of emails.
    pub from: String,
    /// `starttls`, `tls` or `none`.
    pub encryption: String,
}

/// Where outgoing webhooks may be sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Whether endpoints may be loopback addresses.
    pub allow_loopback: bool,
    /// Maximum duration of a delivery, in seconds.
    pub seconds_max: u64,
    /// Days of failure after which an endpoint is disabled.
    pub disable_days: i64,
    /// Days for which a webhook's payload is kept.
    pub kept_days: i64,
}

/// The thresholds at which operators are alerted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Minutes for which an event may wait.
    pub inbox_minutes: i64,
    /// Minutes for which an email or outgoing webhook may wait.
    pub outbox_minutes: i64,
    /// Maximum number of deliveries with a bad signature in two hours.
    pub bad_signatures_max: i64,
    /// Maximum number of failed Stripe calls in two hours.
    pub stripe_errors_max: i64,
    /// Maximum number of credits that a day's captures may leave uncollected.
    pub uncollected_credits_max: i64,
    /// Hour (UTC) at which revenue is compared.
    pub revenue_hour: i64,
    /// Drop in revenue, in percent, that raises an alert.
    pub revenue_drop_percent: i64,
    /// Minimum number of payments for a day to be used in the comparison.
    pub revenue_payments_min: i64,
}

/// The source of the billing clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSource {
    /// Address of a twin whose clock to follow; empty for real time.
    pub follow: String,
    /// Whether the operator confirmed that the system clock is right; only on the command line.
    #[serde(skip)]
    pub accept: bool,
}

/// Rate limits for callers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Checkout requests per minute and user.
    pub checkout_per_minute: u32,
    /// Portal requests per minute and user.
    pub portal_per_minute: u32,
    /// Sign-in emails per minute and email address.
    pub sign_in_per_minute: u32,
    /// Sign-in emails per minute and network address.
    pub sign_in_per_network: u32,
    /// Sign-in emails per minute in total.
    pub sign_in_in_all: u32,
    /// Invalid sign-in links and tokens per minute and network address.
    pub bad_links_per_minute: u32,
    /// Failed webhook signatures per minute and network address.
    pub bad_signatures_per_minute: u32,
}

/// What operators may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// Credits that support operators may add or remove within 24 hours, in total.
    pub support_credits_a_day_max: u32,
}
