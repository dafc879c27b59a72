//! Operator actions: credits, refunds, agreed prices, events, alerts, acting on behalf of an
//! account.

pub mod accounts;
pub mod adopt;
pub mod agreed_prices;
pub mod alerts;
pub mod audit_log;
pub mod credits;
pub mod disputes;
pub mod events;
pub mod on_behalf;
pub mod payments;
pub mod reason;
pub mod refunds;
pub mod saved_searches;
pub mod unfinished;
