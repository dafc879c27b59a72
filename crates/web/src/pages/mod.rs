//! The handlers of the HTML pages, one file per page. They fill view structs of the `views` crate
//! with display-ready text; templates neither compute nor query.

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
