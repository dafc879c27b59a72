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
pub mod credits;
pub mod fragments;
pub mod home;
pub mod invoices;
pub mod keys;
pub mod login;
pub mod members;
pub mod offer;
pub mod pricing;
pub mod sessions;
pub mod settings;
pub mod standing;
pub mod success;
pub mod upgrade;
pub mod usage;
pub mod usage_chart;

pub use crate::frame::error_page;
