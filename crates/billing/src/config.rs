//! The only reader of configuration files and the environment.
//!
//! Three layers: `billing.default.toml`, which is built in and names every setting; the operator's
//! file; environment variables. All faults are reported at once.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::catalog::Catalog;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::network::Network;
use crate::outbound;

const DEFAULTS: &str = include_str!("../../../billing.default.toml");

const CATALOG: &str = include_str!("../../../catalog.toml");

/// Shortest secret that is shared with the host application.
const SHARED_SECRET_BYTES_MIN: usize = 32;

/// A setting's place in the file and the variables that stand before it, strongest first.
const VARIABLES: &[(&str, &str, &[&str])] = &[
    ("service", "listen", &["LISTEN"]),
    (
        "service",
        "base_url",
        &["NEXTAUTH_URL", "NEXT_PUBLIC_BASE_URL"],
    ),
    ("service", "noop", &["LBX_NOOP"]),
    ("database", "url", &["DATABASE_URL"]),
    ("database", "data", &["LBX_DATA"]),
    ("database", "encryption_keys", &["LBX_ENCRYPTION_KEYS"]),
    ("stripe", "secret_key", &["STRIPE_SECRET_KEY"]),
    (
        "stripe",
        "publishable_key",
        &[
            "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY",
            "STRIPE_PUBLISHABLE_KEY",
        ],
    ),
    ("stripe", "webhook_secret", &["STRIPE_WEBHOOK_SECRET"]),
    ("stripe", "api_base", &["STRIPE_API_BASE"]),
    ("stripe", "price_id_free", &["STRIPE_PRICE_ID_FREE"]),
    ("stripe", "price_id_pro", &["STRIPE_PRICE_ID_PRO"]),
    ("stripe", "price_id_pro_plus", &["STRIPE_PRICE_ID_PRO_PLUS"]),
    (
        "stripe",
        "price_id_enterprise",
        &["STRIPE_PRICE_ID_ENTERPRISE"],
    ),
    (
        "stripe",
        "price_id_credits_500",
        &["STRIPE_PRICE_ID_CREDITS_500"],
    ),
    (
        "stripe",
        "price_id_credits_1000",
        &["STRIPE_PRICE_ID_CREDITS_1000"],
    ),
    (
        "stripe",
        "price_id_credits_5000",
        &["STRIPE_PRICE_ID_CREDITS_5000"],
    ),
    (
        "stripe",
        "price_id_credits_10000",
        &["STRIPE_PRICE_ID_CREDITS_10000"],
    ),
    ("billing", "enabled", &["STRIPE_BILLING_ENABLED"]),
    (
        "billing",
        "cohort_percent",
        &["STRIPE_BILLING_COHORT_PERCENT"],
    ),
    ("billing", "cohort", &["STRIPE_BILLING_COHORT"]),
    ("billing", "catalog", &["LBX_CATALOG"]),
    ("session", "secret", &["NEXTAUTH_SECRET", "AUTH_SECRET"]),
    ("session", "hand_over_secret", &["LBX_HAND_OVER_SECRET"]),
    ("session", "hand_over_jwks", &["LBX_HAND_OVER_JWKS"]),
    ("session", "admins", &["LBX_ADMINS"]),
    ("oidc", "issuer", &["LBX_OIDC_ISSUER"]),
    ("oidc", "client_id", &["LBX_OIDC_CLIENT_ID"]),
    ("oidc", "client_secret", &["LBX_OIDC_CLIENT_SECRET"]),
    (
        "telemetry",
        "otlp_endpoint",
        &["OTEL_EXPORTER_OTLP_ENDPOINT"],
    ),
    ("telemetry", "service_name", &["OTEL_SERVICE_NAME"]),
    ("mail", "host", &["SMTP_HOST"]),
    ("mail", "port", &["SMTP_PORT"]),
    ("mail", "user", &["SMTP_USER"]),
    ("mail", "password", &["SMTP_PASSWORD", "SMTP_PASS"]),
    ("mail", "from", &["SMTP_FROM"]),
    (
        "webhooks",
        "allow_loopback",
        &["LBX_WEBHOOKS_ALLOW_LOOPBACK"],
    ),
    ("clock", "follow", &["LBX_CLOCK"]),
];

/// Every setting, as read; [`Settings::check`] tells whether they fit together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where and how to listen.
    pub service: Service,
    /// Where the rows are.
    pub database: Database,
    /// How to reach Stripe.
    pub stripe: Stripe,
    /// What is sold and under which rules.
    pub billing: Billing,
    /// How people sign in.
    pub session: Session,
    /// How people sign in with a provider.
    pub oidc: Oidc,
    /// Where traces go.
    pub telemetry: Telemetry,
    /// How mails leave.
    pub mail: Mail,
    /// How notices leave.
    pub webhooks: Webhooks,
    /// When operators are told.
    pub alerts: Alerts,
    /// Where the billing clock comes from.
    pub clock: ClockSource,
    /// How much of it at once.
    pub limits: Limits,
    /// What operators may do.
    pub operators: Operators,
}

/// Where and how to listen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Address and port.
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
    /// Connections at once.
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

/// Where the rows are.
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
    /// `full` or `relaxed`.
    pub durability: String,
    /// Threads that read.
    pub readers: usize,
    /// Threads that write, on PostgreSQL.
    pub writers: usize,
    /// Jobs that may wait for one of them.
    pub queue_max: usize,
}

/// How to reach Stripe.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    /// The secret key.
    pub secret_key: SecretString,
    /// The publishable key.
    pub publishable_key: String,
    /// Signing secrets, separated by commas.
    pub webhook_secret: SecretString,
    /// Where Stripe is.
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
    /// Price ids made by hand.
    pub price_id_free: String,
    /// See above.
    pub price_id_pro: String,
    /// See above.
    pub price_id_pro_plus: String,
    /// See above.
    pub price_id_enterprise: String,
    /// See above.
    pub price_id_credits_500: String,
    /// See above.
    pub price_id_credits_1000: String,
    /// See above.
    pub price_id_credits_5000: String,
    /// See above.
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
    /// The feature flag.
    pub enabled: bool,
    /// How many accounts of a hundred see it.
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
    /// Where "contact us" leads.
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

/// How people sign in.
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
    /// Email addresses of administrators.
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
    /// Of a thousand requests, how many are traced.
    pub sampled_per_mille: u16,
}

/// How mails leave.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Host of the mail server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User, where it asks for one.
    pub user: String,
    /// Password of that user.
    pub password: SecretString,
    /// Who the mails come from.
    pub from: String,
    /// `starttls`, `tls` or `none`.
    pub encryption: String,
}

/// How notices leave.
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

/// When operators are told.
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

/// Where the billing clock comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSource {
    /// Address of a twin to follow; empty for real time.
    pub follow: String,
}

/// How much of it at once.
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

/// Reads the environment; a parameter so that tests have their own.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The process's environment; empty variables count as not set.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Settings {
    /// Where Stripe is, when nothing else is configured.
    pub const STRIPE: &str = "https://api.stripe.com";

    /// Reads the three layers. Faults are sentences, all of them.
    pub fn load(file: Option<&Path>, environment: Environment) -> Result<Settings, Vec<String>> {
        let mut table: toml::Table = DEFAULTS.parse().expect("the built-in defaults are TOML");
        let mut faults = Vec::new();
        if let Some(path) = file {
            match read_table(path) {
                Ok(theirs) => overlay(&mut table, theirs, &mut faults),
                Err(fault) => faults.push(fault),
            }
        }
        for (section, name, variables) in VARIABLES {
            let set: Vec<(&str, String)> = variables
                .iter()
                .filter_map(|variable| Some((*variable, environment(variable)?)))
                .collect();
            if let [(first, one), (second, other), ..] = set.as_slice()
                && one != other
            {
                faults.push(format!("{first} and {second} are both set, and differ"));
            }
            if let Some((variable, text)) = set.into_iter().next() {
                set_text(&mut table, section, name, variable, &text, &mut faults);
            }
        }
        match table.try_into::<Settings>() {
            Ok(mut settings) if faults.is_empty() => {
                let trimmed = settings.service.base_url.trim_end_matches('/').to_owned();
                settings.service.base_url = trimmed;
                Ok(settings)
            }
            Ok(_) => Err(faults),
            Err(error) => {
                faults.push(error.message().to_owned());
                Err(faults)
            }
        }
    }

    /// What is missing or does not fit together for `serve`. All of it, in sentences; empty when
    /// the service may start.
    pub fn check(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let key = self.stripe.secret_key.expose_secret();
        let known = ["sk_test_", "sk_live_", "rk_test_", "rk_live_"];
        if key.is_empty() {
            faults.push("STRIPE_SECRET_KEY is missing".to_owned());
        } else if !known.iter().any(|prefix| key.starts_with(prefix)) {
            faults
                .push("STRIPE_SECRET_KEY does not begin with sk_test_, sk_live_ or rk_".to_owned());
        }
        if self.billing.enabled && self.stripe.webhook_secrets().is_empty() {
            faults.push(
                "STRIPE_WEBHOOK_SECRET is missing: without it no event could be believed; \
                 `setup` makes one"
                    .to_owned(),
            );
        }
        let origin = &self.service.base_url;
        let is_https = origin.starts_with("https://");
        if !is_https && !origin.starts_with("http://") {
            faults.push("NEXTAUTH_URL is not an http or https address".to_owned());
        } else if origin.splitn(4, '/').nth(3).is_some() {
            faults.push("NEXTAUTH_URL is an origin: it has no path".to_owned());
        }
        if self.stripe.is_live() && !is_https {
            faults.push("a live Stripe key needs an https NEXTAUTH_URL".to_owned());
        }
        if self.stripe.is_live() && self.stripe.api_base != Settings::STRIPE {
            faults.push("a live Stripe key never goes to another address than Stripe's".to_owned());
        }
        if self.stripe.is_live() && !self.clock.follow.is_empty() {
            faults.push("with a live Stripe key the billing clock is real time".to_owned());
        }
        if self.service.listen.parse::<SocketAddr>().is_err() {
            faults.push("service.listen is not an address and port".to_owned());
        }
        if !(1..=3_650).contains(&self.billing.promo_days) {
            faults.push("billing.promo_days is between 1 and 3650".to_owned());
        }
        if !(0..=30).contains(&self.billing.grace_days) {
            faults.push("billing.grace_days is between 0 and 30".to_owned());
        }
        if !matches!(self.billing.cancel_now.as_str(), "refund" | "keep" | "off") {
            faults.push("billing.cancel_now is refund, keep or off".to_owned());
        }
        if !["full", "relaxed"].contains(&self.database.durability.as_str()) {
            faults.push("database.durability is full or relaxed".to_owned());
        }
        if !["starttls", "tls", "none"].contains(&self.mail.encryption.as_str()) {
            faults.push("mail.encryption is starttls, tls or none".to_owned());
        }
        self.check_people(&mut faults);
        if !(0..=23).contains(&self.alerts.revenue_hour) {
            faults.push("alerts.revenue_hour is between 0 and 23".to_owned());
        }
        if !(1..=30).contains(&self.webhooks.seconds_max) {
            faults.push("webhooks.seconds_max is between 1 and 30".to_owned());
        }
        if let Err(fault) = self.vault() {
            faults.push(format!("LBX_ENCRYPTION_KEYS: {fault}"));
        }
        if let Err(found) = self.catalog() {
            faults.extend(found.into_iter().map(|fault| format!("catalog: {fault}")));
        }
        if let Err(error) = self.database_url() {
            faults.push(format!("DATABASE_URL: {error}"));
        }
        faults
    }

    /// What concerns sign-in and who is let in.
    fn check_people(&self, faults: &mut Vec<String>) {
        for (name, secret) in [
            ("NEXTAUTH_SECRET", &self.session.secret),
            ("LBX_HAND_OVER_SECRET", &self.session.hand_over_secret),
        ] {
            let all = secret.expose_secret().split(',').map(str::trim);
            if all
                .filter(|one| !one.is_empty())
                .any(|one| one.len() < SHARED_SECRET_BYTES_MIN)
            {
                faults.push(format!(
                    "{name} is shorter than {SHARED_SECRET_BYTES_MIN} characters: whoever guesses \
                     it signs in as anybody"
                ));
            }
        }
        let keys = &self.session.hand_over_jwks;
        if !keys.is_empty() && !outbound::is_safe(keys) {
            faults.push("LBX_HAND_OVER_JWKS is not an https address".to_owned());
        }
        self.check_features(faults);
        for proxy in &self.service.trusted_proxies {
            if Network::parse(proxy).is_none() {
                faults.push(format!(
                    "service.trusted_proxies: {proxy} is not an address or a network"
                ));
            }
        }
        if !(0..=100).contains(&self.billing.cohort_percent) {
            faults.push("billing.cohort_percent is between 0 and 100".to_owned());
        }
        let publishable = &self.stripe.publishable_key;
        let wanted = if self.stripe.is_live() {
            "pk_live_"
        } else {
            "pk_test_"
        };
        let has_key = !self.stripe.secret_key.expose_secret().is_empty();
        if has_key && !publishable.is_empty() && !publishable.starts_with(wanted) {
            faults.push(format!(
                "the publishable key does not begin with {wanted}, as the secret key asks"
            ));
        }
    }

    /// What only some builds can do.
    fn check_features(&self, faults: &mut Vec<String>) {
        let Oidc {
            issuer, client_id, ..
        } = &self.oidc;
        if !issuer.is_empty() {
            if !outbound::is_safe(issuer) {
                faults.push("LBX_OIDC_ISSUER is not an https address".to_owned());
            }
            if client_id.is_empty() {
                faults.push("LBX_OIDC_CLIENT_ID is missing".to_owned());
            }
            if cfg!(not(feature = "oidc")) {
                faults.push(
                    "LBX_OIDC_ISSUER is set, but this program was built without the feature oidc"
                        .to_owned(),
                );
            }
        }
        if !self.telemetry.otlp_endpoint.is_empty() && cfg!(not(feature = "otel")) {
            faults.push(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set, but this program was built without the \
                 feature otel"
                    .to_owned(),
            );
        }
        if self.telemetry.sampled_per_mille > 1_000 {
            faults.push("telemetry.sampled_per_mille is between 0 and 1000".to_owned());
        }
    }

    /// The text of the catalog.
    pub fn catalog_text(&self) -> Result<String, String> {
        if self.billing.catalog.is_empty() {
            return Ok(CATALOG.to_owned());
        }
        let path = &self.billing.catalog;
        std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))
    }

    /// The catalog.
    pub fn catalog(&self) -> Result<Catalog, Vec<String>> {
        Catalog::parse(&self.catalog_text().map_err(|fault| vec![fault])?)
    }

    /// The database: `DATABASE_URL`, else the embedded file in the data folder.
    pub fn database_url(&self) -> store::Result<store::DatabaseUrl> {
        let url = self.database.url.expose_secret();
        if url.is_empty() {
            Ok(store::DatabaseUrl::Sqlite(
                self.database.data.join("billing.db"),
            ))
        } else {
            store::DatabaseUrl::parse(url)
        }
    }

    /// The keys that personal data is sealed with; none where none is configured.
    pub fn vault(&self) -> Result<Option<store::Vault>, String> {
        let text = self.database.encryption_keys.expose_secret();
        let mut keys = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let pair = part.split_once(':');
            let (name, secret) = pair.ok_or("a key is written as name:base64")?;
            let secret = STANDARD.decode(secret);
            keys.push((
                name.to_owned(),
                secret.map_err(|_| format!("the key {name} is not base64"))?,
            ));
        }
        if keys.is_empty() {
            return Ok(None);
        }
        store::Vault::new(&keys).map(Some)
    }

    /// How the database is used.
    pub fn database_options(&self) -> store::Options {
        store::Options {
            readers: self.database.readers,
            writers: self.database.writers,
            queue_max: self.database.queue_max,
            // A fault in the keys keeps `App::open` from coming this far.
            vault: self.vault().ok().flatten(),
            durability: match self.database.durability.as_str() {
                "relaxed" => store::Durability::Relaxed,
                _ => store::Durability::Full,
            },
            ..store::Options::default()
        }
    }

    /// Whether cookies may be marked Secure.
    pub fn is_https(&self) -> bool {
        self.service.base_url.starts_with("https://")
    }
}

fn read_table(path: &Path) -> Result<toml::Table, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    text.parse()
        .map_err(|error: toml::de::Error| format!("{shown}: {}", error.message()))
}

/// Lays the operator's file over the defaults; an unknown setting is a fault, not a surprise.
fn overlay(base: &mut toml::Table, theirs: toml::Table, faults: &mut Vec<String>) {
    for (section, value) in theirs {
        let Some(toml::Value::Table(known)) = base.get_mut(&section) else {
            faults.push(format!("there is no section [{section}]"));
            continue;
        };
        let toml::Value::Table(values) = value else {
            faults.push(format!("[{section}] is a section"));
            continue;
        };
        for (name, value) in values {
            if known.contains_key(&name) {
                known.insert(name, value);
            } else {
                faults.push(format!("there is no setting {section}.{name}"));
            }
        }
    }
}

/// Sets a value from a variable's text, in the type of its default.
fn set_text(
    table: &mut toml::Table,
    section: &str,
    name: &str,
    variable: &str,
    text: &str,
    faults: &mut Vec<String>,
) {
    let known = table
        .get_mut(section)
        .and_then(toml::Value::as_table_mut)
        .and_then(|section| section.get_mut(name))
        .expect("every variable names a setting that has a default");
    let read = match known {
        toml::Value::Boolean(_) => match text {
            "true" | "1" | "yes" => Some(toml::Value::Boolean(true)),
            "false" | "0" | "no" => Some(toml::Value::Boolean(false)),
            _ => None,
        },
        toml::Value::Integer(_) => text.parse().ok().map(toml::Value::Integer),
        toml::Value::Array(_) => {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let parts = parts.map(|part| toml::Value::String(part.to_owned()));
            Some(toml::Value::Array(parts.collect()))
        }
        _ => Some(toml::Value::String(text.to_owned())),
    };
    match read {
        Some(value) => *known = value,
        None => faults.push(format!("{variable} cannot be read")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_defaults_name_every_setting() {
        assert!(Settings::load(None, &none).is_ok());
    }

    #[test]
    fn everything_missing_or_malformed_is_listed_at_once() {
        let environment = |name: &str| match name {
            "NEXTAUTH_URL" => Some("ftp://x".to_owned()),
            "DATABASE_URL" => Some("mysql://x".to_owned()),
            _ => None,
        };
        let settings = Settings::load(None, &environment).unwrap();

        let faults = settings.check().join("\n");

        for part in [
            "STRIPE_SECRET_KEY",
            "STRIPE_WEBHOOK_SECRET",
            "NEXTAUTH_URL",
            "DATABASE_URL",
        ] {
            assert!(faults.contains(part), "{part} in {faults}");
        }
    }

    #[test]
    fn two_origins_that_differ_are_refused() {
        let environment = |name: &str| match name {
            "NEXTAUTH_URL" => Some("https://a.example".to_owned()),
            "NEXT_PUBLIC_BASE_URL" => Some("https://b.example".to_owned()),
            _ => None,
        };

        assert_eq!(Settings::load(None, &environment).unwrap_err().len(), 1);
    }

    #[test]
    fn case_a17_a_live_key_goes_to_stripe_over_https_only() {
        let environment = |name: &str| match name {
            "STRIPE_SECRET_KEY" => Some("sk_live_x".to_owned()),
            "STRIPE_WEBHOOK_SECRET" => Some("whsec_x".to_owned()),
            "STRIPE_API_BASE" => Some("http://127.0.0.1:12111".to_owned()),
            _ => None,
        };

        assert_eq!(Settings::load(None, &environment).unwrap().check().len(), 2);
    }

    #[test]
    fn secrets_are_not_shown() {
        let environment =
            |name: &str| (name == "STRIPE_SECRET_KEY").then(|| "sk_test_hidden".to_owned());
        let settings = Settings::load(None, &environment).unwrap();

        assert!(!format!("{settings:?}").contains("hidden"));
    }
}
