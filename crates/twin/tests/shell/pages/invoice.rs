use serde_json::json;

use super::*;
use crate::harness::*;

#[tokio::test]
async fn a_paid_invoice_is_shown_and_saved_as_a_pdf() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let invoices = twin
        .api_get(&format!("/v1/invoices?customer={customer}"))
        .await;
    let invoice = &invoices["data"][0];
    let hosted = invoice["hosted_invoice_url"].as_str().unwrap();
    let path = hosted.strip_prefix(&twin.handle.url()).unwrap();

    let (status, page) = twin.page(path).await;
    assert_eq!(status, 200);
    assert!(page.contains("$10.00") && page.contains("paid"));
    assert!(!page.contains("Card number"), "nothing is left to pay");
    assert!(
        twin.page(&portal).await.1.contains(path),
        "the portal links to it"
    );
    let pdf = twin
        .http
        .get(invoice["invoice_pdf"].as_str().unwrap())
        .send()
        .await
        .unwrap();

    assert_eq!(pdf.headers()["content-type"], "application/pdf");
    assert!(pdf.bytes().await.unwrap().starts_with(b"%PDF-1.4"));
}

#[tokio::test]
async fn an_open_invoice_is_paid_on_its_page() {
    let twin = start().await;
    let (customer, portal) = subscriber(&twin).await;
    let card_path = format!("{portal}/card");
    let fails_later = twin
        .post_form(&card_path, &card("4000 0000 0000 0341"))
        .await;
    assert_eq!(fails_later.status(), 303);
    twin.control("/_twin/clock", json!({"advance": "32d"}))
        .await;
    let open = twin
        .api_get(&format!("/v1/invoices?customer={customer}&status=open"))
        .await;
    let hosted = open["data"][0]["hosted_invoice_url"].as_str().unwrap();
    let path = hosted.strip_prefix(&twin.handle.url()).unwrap();
    let (_, page) = twin.page(path).await;
    assert!(page.contains("Pay $10.00") && page.contains("Card number"));

    let declined = twin.post_form(path, &card(DECLINED)).await;
    let paid = twin.post_form(path, &card(GOOD)).await;

    assert_eq!(
        (declined.status().as_u16(), paid.status().as_u16()),
        (402, 303)
    );
    assert!(twin.page(path).await.1.contains("badge ok"));
}
