//! The twin over HTTP: deliveries, faults, clock, pages and mailbox, on real loopback sockets.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot continue must fail immediately"
)]

mod clock;
mod control;
mod deliveries;
mod faults;
mod harness;
mod listening;
mod mailbox;
mod pages;
mod start;
