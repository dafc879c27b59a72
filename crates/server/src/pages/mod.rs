//! HTML: one file a page, with a view struct that holds ready-made text and the samples that
//! show it empty, typical and at its worst. Templates neither compute nor query.
//!
//! The rooms: [`layout`] is the frame around every page, [`components`] the parts that pages
//! share, [`format`] turns numbers into words, [`words`] says each billing state the same way
//! everywhere, [`assets`] is the stylesheet and the script.

pub mod admin;
pub mod assets;
pub mod billing;
pub mod calls;
pub mod cancel;
pub mod chart;
pub mod components;
pub mod confirm;
pub mod credits;
pub mod error;
pub mod format;
pub mod fragments;
pub mod home;
pub mod icons;
pub mod invoices;
pub mod keys;
pub mod layout;
pub mod login;
pub mod mails;
pub mod members;
pub mod offer;
pub mod plans;
pub mod pricing;
pub mod samples;
pub mod serve;
pub mod sessions;
pub mod settings;
pub mod success;
pub mod upgrade;
pub mod usage;
pub mod words;

pub use serve::error_page;

#[cfg(test)]
mod tests;
