//! The Stripe twin as the commands start it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use billing::clock::{SystemClock, SystemRng};
use domain::ids::Rng;
use domain::time::Clock;
use twin::client::Control;

/// The key the demo shows the twin, which takes any test key.
pub const STRIPE_KEY: &str = "sk_test_demo_localboxs_billing";

/// A new twin's source of ids: another each time, so that two never make the same.
pub fn seed() -> u64 {
    let bits = SystemRng.bits();
    u64::try_from(bits >> 64).expect("the upper half has 64 bits")
}

/// What both kinds of running a twin share.
pub fn config(port: u16, save_file: Option<&Path>, product_key: &str) -> twin::Config {
    let mut config = twin::Config::at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    config.seed = seed();
    config.save_file = save_file.map(Path::to_owned);
    config.product_key = Some(product_key.to_owned());
    config.real_time = twin::RealTime::told_by(|| SystemClock.now().micros());
    config
}

/// Where a running twin's mailbox takes mails in.
pub async fn smtp(url: &str) -> Option<SocketAddr> {
    let found = Control::new(url).ok()?.get("/_twin/smtp").await.ok()?;
    found["address"].as_str()?.parse().ok()
}
