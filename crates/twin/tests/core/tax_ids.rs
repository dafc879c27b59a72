//! Tax ids of customers.

use serde_json::json;

use crate::shop::{Shop, string};

#[test]
fn tax_ids_of_a_customer_are_checked_verified_and_deleted() {
    let mut shop = Shop::open();
    let (customer, other) = (shop.customer(""), shop.customer(""));
    let path = format!("/v1/customers/{customer}/tax_ids");
    shop.happened();

    let made = shop.post(&path, "type=eu_vat&value=DE123456789");
    let id = string(&made["id"]);
    let (_, wrong) = shop.refused("POST", &path, "type=eu_vat&value=123");
    let (missing, _) = shop.refused("GET", &format!("/v1/customers/{other}/tax_ids/{id}"), "");
    let created = shop.did("customer.tax_id.created");
    shop.wait(3600);
    let verified = shop.get(&format!("{path}/{id}"));
    let updated = shop.did("customer.tax_id.updated");
    let listed = shop.get(&path);
    shop.delete(&format!("/v1/tax_ids/{id}"));

    assert_eq!(
        (&made["country"], &made["verification"]["status"]),
        (&json!("DE"), &json!("pending"))
    );
    assert_eq!((&wrong["code"], missing), (&json!("tax_id_invalid"), 404));
    assert_eq!(verified["verification"]["status"], "verified");
    assert_eq!(listed["data"][0]["id"], made["id"]);
    assert!(created && updated && shop.did("customer.tax_id.deleted"));
    assert_eq!(shop.get(&path)["data"], json!([]));
}

#[test]
fn invoices_and_expanded_customers_show_tax_ids() {
    let mut shop = Shop::open();
    let body = "email=a@b.example&tax_id_data[0][type]=us_ein&tax_id_data[0][value]=12-3456789";
    let customer = string(&shop.post("/v1/customers", body)["id"]);

    let invoice = shop.post("/v1/invoices", &format!("customer={customer}"));
    let shown = shop.get(&format!("/v1/customers/{customer}?expand[]=tax_ids"));

    assert_eq!(
        invoice["customer_tax_ids"],
        json!([{"type": "us_ein", "value": "12-3456789"}])
    );
    assert_eq!(shown["tax_ids"]["data"][0]["value"], "12-3456789");
}
