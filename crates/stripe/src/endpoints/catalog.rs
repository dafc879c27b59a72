//! Products and prices.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{List, Price, Product};

impl Client {
    /// Makes a product; `id` may be our own name for it.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn create_product(&self, params: &Form, idempotency_key: &str) -> Result<Product> {
        self.post("/v1/products".to_owned(), params.clone(), idempotency_key)
            .await
    }

    /// A product.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_product(&self, id: &str) -> Result<Product> {
        self.get(path_of("/v1/products", id, "")?, Form::new())
            .await
    }

    /// Changes a product.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn update_product(
        &self,
        id: &str,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<Product> {
        self.post(
            path_of("/v1/products", id, "")?,
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Products, newest first. Filter: `active`, `ids[]`.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_products(&self, filter: &Form, items_max: usize) -> Result<List<Product>> {
        self.list("/v1/products", filter.clone(), items_max).await
    }

    /// Makes a price. With `transfer_lookup_key` it takes a name over from the price that has it.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn create_price(&self, params: &Form, idempotency_key: &str) -> Result<Price> {
        self.post("/v1/prices".to_owned(), params.clone(), idempotency_key)
            .await
    }

    /// A price.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn retrieve_price(&self, id: &str) -> Result<Price> {
        self.get(path_of("/v1/prices", id, "")?, Form::new()).await
    }

    /// Changes a price: `active`, `lookup_key`, metadata; never the amount.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn update_price(
        &self,
        id: &str,
        params: &Form,
        idempotency_key: &str,
    ) -> Result<Price> {
        self.post(
            path_of("/v1/prices", id, "")?,
            params.clone(),
            idempotency_key,
        )
        .await
    }

    /// Prices, newest first. Filter: `active`, `product`, `lookup_keys[]` (at most ten).
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub async fn list_prices(&self, filter: &Form, items_max: usize) -> Result<List<Price>> {
        self.list("/v1/prices", filter.clone(), items_max).await
    }
}
