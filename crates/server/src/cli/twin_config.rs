//! The configuration with which the commands start a Stripe twin.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use billing::clock::{SystemClock, SystemRng};
use domain::ids::Rng;
use domain::time::Clock;
use twin::client::Control;

/// The secret key that the demo uses with the twin, which accepts any test key.
pub const STRIPE_KEY: &str = "sk_test_demo_localboxs_billing";

/// A random seed for a new twin's ids, so that no two twins create the same ids.
pub fn seed() -> u64 {
    let bits = SystemRng.bits();
    u64::try_from(bits >> 64).expect("the upper half has 64 bits")
}

/// The configuration that `demo`, `twin serve` and `bench` share.
pub fn config(port: u16, save_file: Option<&Path>) -> twin::Config {
    let mut config = twin::Config::at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    config.seed = seed();
    config.save_file = save_file.map(Path::to_owned);
    config.real_time = twin::RealTime::from_fn(|| SystemClock.now().micros());
    config
}

/// The SMTP address of a running twin's mailbox.
pub async fn smtp_address(url: &str) -> Option<SocketAddr> {
    let found = Control::new(url).ok()?.get("/_twin/smtp").await.ok()?;
    found["address"].as_str()?.parse().ok()
}
