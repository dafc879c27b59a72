//! HTML pages and emails: view structs that contain ready-made text, and the templates that show
//! them.
//!
//! Templates neither compute nor query. [`layout`] is the frame around every page, [`components`]
//! are the parts that pages share, [`format`] turns numbers into text, [`banners`] describes each
//! billing state consistently, [`labels`] names the words of the store and the journal, [`emails`]
//! renders the emails, [`assets`] contains the stylesheet and the script.

#![expect(
    missing_docs,
    reason = "a view's fields are named for what they hold; only what a name cannot say is documented"
)]

pub mod admin;
pub mod assets;
pub mod banners;
pub mod billing;
pub mod calls;
pub mod cancel;
pub mod chart;
pub mod components;
pub mod confirm;
pub mod credits;
pub mod docs;
pub mod emails;
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

pub mod labels;
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
#[cfg(any(test, feature = "samples"))]
pub mod words_to_avoid;

#[cfg(test)]
mod tests;

pub use askama::Template;
