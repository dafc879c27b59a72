//! Our own Stripe account.

use crate::client::Client;
use crate::error::Result;
use crate::form::Form;
use crate::objects::Account;

impl Client {
    /// The account that the key belongs to: also the way to check a key.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error); a wrong key is `Refused` with status 401.
    pub async fn retrieve_account(&self) -> Result<Account> {
        self.get("/v1/account".to_owned(), Form::new()).await
    }
}
