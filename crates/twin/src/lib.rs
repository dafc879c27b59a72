//! A Stripe that runs on this machine.
//!
//! [`core`] is Stripe as one synchronous state machine. [`serve`] puts it behind HTTP: the API under
//! `/v1`, hosted pages, webhook deliveries, a billing clock that can be moved, a mailbox, and a
//! control interface under `/_twin` with [`client`] to call it.

pub mod client;
pub mod core;

mod api;
mod chaos;
mod clock;
mod control;
mod delivery;
mod faults;
mod http;
mod listen;
mod mail;
mod pages;
mod pdf;
mod requests;
mod routes;
mod save;
mod server;
mod shell;
mod smtp;

pub use clock::RealTime;
pub use mail::Mail;
pub use server::{Config, Handle, StartError, serve};

/// HTTP clients ask for a provider of cryptography even where no call is encrypted.
fn install_crypto() {
    // An error means that the program has installed one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
