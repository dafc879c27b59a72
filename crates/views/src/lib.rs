//! HTML pages and emails: view structs that hold ready-made text, and the templates that show them.
//!
//! Templates neither compute nor query. [`layout`] is the frame around every page, [`components`]
//! the parts that pages share, [`format`] turns numbers into text, [`words`] says each billing state
//! the same way everywhere, [`assets`] is the stylesheet and the script.

pub mod admin;
pub mod assets;
pub mod billing;
pub mod calls;
pub mod cancel;
pub mod chart;
pub mod components;
pub mod confirm;
pub mod credits;
pub mod docs;
pub mod error;
pub mod escape;
pub mod format;
pub mod fragments;
#[cfg(any(test, feature = "samples"))]
pub mod gallery;
pub mod icons;
pub mod invoices;
pub mod keys;
pub mod layout;
pub mod links;
pub mod login;
pub mod mails;
pub mod members;
pub mod offer;
pub mod plans;
pub mod pricing;
#[cfg(any(test, feature = "samples"))]
pub mod samples;
pub mod sessions;
pub mod settings;
pub mod success;
pub mod upgrade;
pub mod usage;
pub mod words;
#[cfg(any(test, feature = "samples"))]
pub mod words_to_avoid;

#[cfg(test)]
mod tests;

pub use askama::Template;
