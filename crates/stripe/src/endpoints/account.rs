//! The Stripe account that we charge through.

use crate::client::Client;
use crate::error::Result;
use crate::form::Form;
use crate::objects::Account;

impl Client {
    /// Reads the account that the key belongs to. This is also the way to check a key.
    ///
    /// # Errors
    ///
    /// Fails with an [`Error`](crate::Error). A wrong key is `Refused` with status 401.
    pub async fn retrieve_account(&self) -> Result<Account> {
        self.get("/v1/account", &Form::new()).await
    }
}
