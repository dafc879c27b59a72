//! The sections of the configuration file.

use std::path::PathBuf;

use domain::words;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use store::api_keys::KeyMode;

use crate::network::Network;

words! {
    /// What may be done with the money of a plan that is ended at once.
    pub enum CancelNow {
        /// What was paid for the rest of the period is refunded.
        Refund = "refund",
        /// Nothing is refunded.
        Keep = "keep",
        /// A plan cannot be ended at once.
        Off = "off",
    }
}

words! {
    /// The moment at which a commit counts as done.
    pub enum Durability {
        /// Once it is on disk.
        Full = "full",
        /// Once the operating system has it.
        Relaxed = "relaxed",
    }
}

words! {
    /// How the connection to the mail server is encrypted.
    pub enum Encryption {
        /// It begins in plain text and is encrypted before anything is said.
        Starttls = "starttls",
        /// It is encrypted from its first byte.
        Tls = "tls",
        /// It is not encrypted.
        None = "none",
    }
}

impl Database {
    /// When a commit counts as done; a word that is none counts as `full`.
    pub fn durability(&self) -> Durability {
        Durability::from_word(&self.durability).unwrap_or(Durability::Full)
    }
}

impl Mail {
    /// How the connection to the mail server is encrypted; a word that is none counts as
    /// `starttls`.
    pub fn encryption(&self) -> Encryption {
        Encryption::from_word(&self.encryption).unwrap_or(Encryption::Starttls)
    }
}

impl Billing {
    /// What may be done with the money of a plan that is ended at once; a word that is none counts
    /// as `off`.
    pub fn cancel_now(&self) -> CancelNow {
        CancelNow::from_word(&self.cancel_now).unwrap_or(CancelNow::Off)
    }
}

/// The address to listen on, and what the service is called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The address and port to listen on.
    pub listen: String,
    /// The public origin, without a slash at its end.
    pub base_url: String,
    /// What the pages call the product.
    pub name: String,
    /// Largest request body, in bytes.
    pub body_bytes_max: usize,
    /// Longest the body of a request may take to arrive, in seconds.
    pub body_seconds_max: u64,
    /// Longest a request may take, in seconds.
    pub request_seconds_max: u64,
    /// How many connections may be open at once.
    pub connections_max: usize,
    /// Longest the head of a request may take to arrive, and a connection may be idle, in seconds.
    pub head_seconds_max: u64,
    /// Addresses of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// Whether the bench's reference endpoint is there.
    pub noop: bool,
}

/// Descriptors that are not for connections: database, control socket, calls to Stripe.
const FILES_RESERVED: usize = 128;

impl Service {
    /// Connections at once: as many as are set, and as the system gives this process descriptors.
    pub fn connections(&self) -> usize {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let soft = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        let room = soft.map_or(usize::MAX, |soft| soft.saturating_sub(FILES_RESERVED));
        self.connections_max.min(room).max(8)
    }

    /// Requests other than webhooks at once: an eighth of the places is kept from them.
    pub fn requests_max(&self) -> usize {
        let all = self.connections();
        all - all / 8
    }

    /// The trusted proxies; what cannot be read is a fault of [`Settings::check`].
    pub fn proxies(&self) -> Vec<Network> {
        let all = self.trusted_proxies.iter();
        all.filter_map(|text| Network::parse(text)).collect()
    }
}

/// How the database is opened.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://PATH`, `postgres://...` or empty. May carry a password.
    pub url: SecretString,
    /// Folder of the embedded database.
    pub data: PathBuf,
    /// Keys that personal data is sealed with: `name:base64`, separated by commas, the one in use
    /// first.
    pub encryption_keys: SecretString,
    /// How safe a commit is: `full` or `relaxed`.
    pub durability: String,
    /// How many threads read.
    pub readers: usize,
    /// Threads that write, on PostgreSQL.
    pub writers: usize,
    /// Jobs that may wait for one of them.
    pub queue_max: usize,
}

/// The connection to Stripe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    /// Stripe's secret key; its prefix says whether real money moves.
    pub secret_key: SecretString,
    /// Stripe's publishable key, which may be shown.
    pub publishable_key: String,
    /// Signing secrets, separated by commas.
    pub webhook_secret: SecretString,
    /// The address of Stripe's API.
    pub api_base: String,
    /// The version every call pins.
    pub api_version: String,
    /// Longest one try may take, in seconds.
    pub call_seconds_max: u64,
    /// Longest a call with its retries may take, in seconds.
    pub deadline_seconds: u64,
    /// How often lost events are looked for in Stripe's list, in seconds; 0 for never.
    pub events_poll_seconds: i64,
    /// How often the books are audited and Stripe's refunds and disputes paged, in hours; 0 for
    /// never.
    pub audit_hours: i64,
    /// The id of a price made by hand for the tier FREE; empty for the one that `setup` made.
    pub price_id_free: String,
    /// The same for the tier PRO.
    pub price_id_pro: String,
    /// The same for the tier `PRO_PLUS`.
    pub price_id_pro_plus: String,
    /// The same for the tier ENTERPRISE.
    pub price_id_enterprise: String,
    /// The same for the pack of 500 credits.
    pub price_id_credits_500: String,
    /// The same for the pack of 1000 credits.
    pub price_id_credits_1000: String,
    /// The same for the pack of 5000 credits.
    pub price_id_credits_5000: String,
    /// The same for the pack of 10000 credits.
    pub price_id_credits_10000: String,
}

impl Stripe {
    /// The signing secrets, empty ones left out.
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

    /// Whether real money moves.
    pub fn is_live(&self) -> bool {
        let key = self.secret_key.expose_secret();
        key.starts_with("sk_live_") || key.starts_with("rk_live_")
    }

    /// The mode of Stripe that the key is for.
    pub fn mode(&self) -> KeyMode {
        if self.is_live() {
            KeyMode::Live
        } else {
            KeyMode::Test
        }
    }

    /// Price ids made by hand, as (tier or pack, price id).
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
    /// Whether the billing feature is on.
    pub enabled: bool,
    /// The share of accounts that see billing, in percent.
    pub cohort_percent: i64,
    /// Accounts that see it besides: ids, or hashes of mail addresses.
    pub cohort: Vec<String>,
    /// Path of the catalog; empty for the built-in one.
    pub catalog: String,
    /// Days a failed payment keeps its tier.
    pub grace_days: i64,
    /// Days a processed event's payload is kept.
    pub payload_days: i64,
    /// Days promotional credits last where nobody names an end.
    pub promo_days: i64,
    /// The address that "contact us" links to.
    pub contact_url: String,
    /// Whether Stripe's page takes promotion codes for a plan.
    pub promotion_codes: bool,
    /// Whether it takes them for credits.
    pub promotion_codes_for_credits: bool,
    /// Whether a pack that a code took the whole price off brings its credits.
    pub credits_without_payment: bool,
    /// Whether Stripe works out and adds tax.
    pub automatic_tax: bool,
    /// Whether an account has one trial only.
    pub trial_once_per_account: bool,
    /// Whether a card has one trial only.
    pub trial_once_per_card: bool,
    /// What ending a plan at once does: `refund`, `keep` or `off`.
    pub cancel_now: String,
}

impl Billing {
    /// Whether billing is shown to this account: the flag is on, and the account is listed or falls
    /// into the share. An account keeps its place in the share as the share grows.
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

/// How people sign in, and how long sessions last.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Opens the host application's own session; several separated by commas.
    pub secret: SecretString,
    /// Signs the tokens with which the host application hands people over; as above.
    pub hand_over_secret: SecretString,
    /// Where the host application publishes the keys that it signs those tokens with.
    pub hand_over_jwks: String,
    /// Days a sign-in lasts.
    pub days: i64,
    /// Days after which a sign-in that is not used is over.
    pub idle_days: i64,
    /// Minutes a sign-in link lasts.
    pub link_minutes: i64,
    /// Mail addresses of administrators.
    pub admins: Vec<String>,
}

/// Signing in by OpenID Connect; of effect in a build with the feature `oidc`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider's issuer; empty: nobody signs in that way.
    pub issuer: String,
    /// What the provider calls this service.
    pub client_id: String,
    /// The secret that it gave it.
    pub client_secret: SecretString,
    /// What the button on the sign-in page says.
    pub label: String,
}

/// Where traces go; of effect in a build with the feature `otel`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// The collector's OTLP address over HTTP; empty: nothing is sent.
    pub otlp_endpoint: String,
    /// What the spans call this service.
    pub service_name: String,
    /// The share of requests that are traced, in thousandths.
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
    /// User, where it asks for one.
    pub user: String,
    /// Password of that user.
    pub password: SecretString,
    /// The sender of emails.
    pub from: String,
    /// `starttls`, `tls` or `none`.
    pub encryption: String,
}

/// Where outgoing webhooks may be sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Whether endpoints may be on this machine.
    pub allow_loopback: bool,
    /// Longest a delivery may take, in seconds.
    pub seconds_max: u64,
    /// Days of failure after which an endpoint is disabled.
    pub disable_days: i64,
    /// Days the text of a notice is kept.
    pub kept_days: i64,
}

/// The thresholds at which operators are alerted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alerts {
    /// Minutes an event may wait.
    pub inbox_minutes: i64,
    /// Minutes a mail or a notice may wait.
    pub outbox_minutes: i64,
    /// Deliveries with a bad signature that two hours may bring.
    pub bad_signatures_max: i64,
    /// Calls to Stripe that may fail in two hours.
    pub stripe_errors_max: i64,
    /// Credits that captures of a day may leave uncollected.
    pub uncollected_credits_max: i64,
    /// Hour, in UTC, at which revenue is compared.
    pub revenue_hour: i64,
    /// Percent by which it may fall.
    pub revenue_drop_percent: i64,
    /// Payments a day must have had to be compared with.
    pub revenue_payments_min: i64,
}

/// The source of the billing clock.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSource {
    /// Address of a twin to follow; empty for real time.
    pub follow: String,
}

/// How often callers may ask.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Checkout requests a minute and user.
    pub checkout_per_minute: u32,
    /// Portal requests a minute and user.
    pub portal_per_minute: u32,
    /// Sign-in mails a minute and mail address.
    pub sign_in_per_minute: u32,
    /// Sign-in mails a minute and network address.
    pub sign_in_per_network: u32,
    /// Sign-in mails a minute, all together.
    pub sign_in_in_all: u32,
    /// Wrong sign-in links and tokens a minute and network address.
    pub bad_links_per_minute: u32,
    /// Failed webhook signatures a minute and network address.
    pub bad_signatures_per_minute: u32,
}

/// What operators may do.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operators {
    /// Credits that the role support may add or take in 24 hours, in all.
    pub support_credits_a_day_max: u32,
}
