//! A test double of Stripe that runs on this machine.
//!
//! [`core`] is Stripe as one synchronous state machine. [`serve`] puts it behind HTTP: the API
//! under `/v1`, hosted pages, webhook deliveries, a billing clock that can be advanced, a mailbox,
//! and a control interface under `/_twin` that [`client`] calls.

pub mod client;
pub mod core;

mod acknowledgments;
mod api;
mod app;
mod chaos;
mod clock;
mod control;
mod deliveries;
mod delivery;
mod delivery_log;
mod faults;
mod http;
mod listen;
mod listeners;
mod mailbox;
mod outgoing;
mod pages;
mod pdf;
mod rate_limits;
mod requests;
mod routes;
mod save;
mod server;
mod shell;
mod smtp;
mod stopping;

pub use clock::RealTime;
pub use mailbox::Email;
pub use server::{Config, Handle, StartError, serve};

/// Installs a cryptography provider. HTTP clients need one even when no call is encrypted.
fn install_crypto() {
    // An error means that the program has already installed one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
