//! The calls about products and prices.

use crate::client::{Client, path_of};
use crate::error::Result;
use crate::form::Form;
use crate::objects::{Coupon, List, Price, Product};

impl Client {
    /// Reads a coupon with the products that it is limited to, or fails with `NotFound`.
    pub async fn retrieve_coupon(&self, id: &str) -> Result<Coupon> {
        self.get(
            &path_of("/v1/coupons", id, "")?,
            &Form::new().expand("applies_to"),
        )
        .await
    }

    /// Creates a product. The caller may choose its `id`.
    pub async fn create_product(&self, params: &Form, key: &str) -> Result<Product> {
        self.post("/v1/products", params, key).await
    }

    /// Reads a product, or fails with `NotFound`.
    pub async fn retrieve_product(&self, id: &str) -> Result<Product> {
        self.get(&path_of("/v1/products", id, "")?, &Form::new())
            .await
    }

    /// Updates a product. Only the given parameters change.
    pub async fn update_product(&self, id: &str, params: &Form, key: &str) -> Result<Product> {
        self.post(&path_of("/v1/products", id, "")?, params, key)
            .await
    }

    /// Lists products, newest first. Filters: `active`, `ids[]`.
    pub async fn list_products(&self, filter: &Form, items_max: usize) -> Result<List<Product>> {
        self.list("/v1/products", filter, items_max).await
    }

    /// Creates a price. With `transfer_lookup_key`, it takes over the lookup key from the price
    /// that has it.
    pub async fn create_price(&self, params: &Form, key: &str) -> Result<Price> {
        self.post("/v1/prices", params, key).await
    }

    /// Reads a price, or fails with `NotFound`.
    pub async fn retrieve_price(&self, id: &str) -> Result<Price> {
        self.get(&path_of("/v1/prices", id, "")?, &Form::new())
            .await
    }

    /// Updates a price: `active`, `lookup_key` or metadata. The amount cannot change.
    pub async fn update_price(&self, id: &str, params: &Form, key: &str) -> Result<Price> {
        self.post(&path_of("/v1/prices", id, "")?, params, key)
            .await
    }

    /// Lists prices, newest first. Filters: `active`, `product`, `lookup_keys[]` (at most ten).
    pub async fn list_prices(&self, filter: &Form, items_max: usize) -> Result<List<Price>> {
        self.list("/v1/prices", filter, items_max).await
    }
}
