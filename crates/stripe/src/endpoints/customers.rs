//! The calls about customers.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{Customer, List};

impl Client {
    /// Creates a customer. Calls with the same key create one.
    pub async fn create_customer(&self, params: &Form, key: &str) -> Result<Customer> {
        self.post("/v1/customers", params, key).await
    }

    /// Reads a customer. A deleted one is returned too, with `deleted` set.
    pub async fn retrieve_customer(&self, id: &str) -> Result<Customer> {
        self.get(&path_of("/v1/customers", id, "")?, &Form::new())
            .await
    }

    /// Updates a customer. Only the given parameters change.
    pub async fn update_customer(&self, id: &str, params: &Form, key: &str) -> Result<Customer> {
        self.post(&path_of("/v1/customers", id, "")?, params, key)
            .await
    }

    /// Deletes a customer and immediately cancels all its subscriptions.
    pub async fn delete_customer(&self, id: &str) -> Result<Customer> {
        self.delete(&path_of("/v1/customers", id, "")?, &Form::new())
            .await
    }

    /// Lists customers, newest first. Filters: `email`, `created[gte]`.
    pub async fn list_customers(&self, filter: &Form, items_max: usize) -> Result<List<Customer>> {
        self.list("/v1/customers", filter, items_max).await
    }

    /// Finds customers by a metadata entry. The search index lags by up to a minute.
    pub async fn search_customers_by_metadata(
        &self,
        key: &str,
        value: &str,
        items_max: usize,
    ) -> Result<List<Customer>> {
        let query = format!("metadata[{}]:{}", quoted(key), quoted(value));
        self.search("/v1/customers/search", &query, items_max).await
    }
}

/// Quotes a value for a search query.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_search_cannot_escape_its_quotes() {
        assert_eq!(quoted("acc_1"), "'acc_1'");
        assert_eq!(quoted("a' OR email:'b"), r"'a\' OR email:\'b'");
        assert_eq!(quoted(r"a\"), r"'a\\'");
    }
}
