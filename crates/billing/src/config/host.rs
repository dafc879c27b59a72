//! The section of the configuration file about the host application's sessions.

use domain::words;
use serde::Deserialize;

words! {
    /// What a host session counts as that doesn't say whether its address is verified.
    pub enum Unverified {
        /// It signs no one in.
        Refuse = "refuse",
        /// Its address counts as verified.
        Accept = "accept",
    }
}

/// The host application's sessions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The claim of the host application's tokens that names the user.
    pub identity_claim: String,
    /// Name of the host application's session cookie, where it was renamed; empty otherwise.
    pub cookie_name: String,
    /// What a session counts as that doesn't say whether its address is verified: `refuse` or
    /// `accept`.
    pub unverified: String,
}

impl Host {
    /// What a session counts as that doesn't say whether its address is verified; an unknown word
    /// counts as `refuse`.
    pub fn unverified(&self) -> Unverified {
        Unverified::from_word(&self.unverified).unwrap_or(Unverified::Refuse)
    }
}
