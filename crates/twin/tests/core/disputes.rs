//! Disputes to their deadline, and the issuer's warnings before them.

use serde_json::{Value, json};

use crate::shop::{DAY, Shop, string};

impl Shop {
    /// Pays with a card and returns the charge.
    fn charge_card(&mut self, card: &str) -> String {
        let body = format!("amount=4000&currency=usd&confirm=true&payment_method={card}");
        string(&self.post("/v1/payment_intents", &body)["latest_charge"])
    }

    fn disputed(&mut self, card: &str) -> String {
        let charge = self.charge_card(card);
        string(&self.get(&format!("/v1/charges/{charge}/dispute"))["id"])
    }
}

#[test]
fn a_dispute_without_evidence_is_lost_at_its_deadline() {
    let mut shop = Shop::open();
    let dispute = shop.disputed("pm_card_createDispute");
    let due = shop.see(&json!(dispute))["evidence_details"]["due_by"]
        .as_i64()
        .unwrap();
    shop.happened();

    shop.wait(due - shop.now - 1);
    assert!(shop.happened().is_empty());
    shop.wait(1);

    assert_eq!(shop.happened(), ["charge.dispute.closed"]);
    let lost = shop.see(&json!(dispute));
    assert_eq!(lost["status"], "lost");
    assert_eq!(lost["balance_transactions"].as_array().unwrap().len(), 1);
}

#[test]
fn an_inquiry_without_an_answer_closes_at_its_deadline() {
    let mut shop = Shop::open();
    let dispute = shop.disputed("pm_card_createDisputeInquiry");

    shop.wait(30 * DAY);

    assert_eq!(shop.see(&json!(dispute))["status"], "warning_closed");
}

#[test]
fn staged_evidence_is_not_submitted_and_does_not_save_a_dispute() {
    let mut shop = Shop::open();
    let dispute = shop.disputed("pm_card_createDispute");
    let path = format!("/v1/disputes/{dispute}");

    let staged = shop.post(
        &path,
        "submit=false&evidence[uncategorized_text]=winning_evidence",
    );
    shop.wait(30 * DAY);

    assert_eq!(staged["status"], "needs_response");
    assert_eq!(staged["evidence_details"]["has_evidence"], true);
    assert_eq!(staged["evidence_details"]["submission_count"], 0);
    assert_eq!(shop.see(&json!(dispute))["status"], "lost");
}

#[test]
fn staged_evidence_counts_when_it_is_submitted() {
    let mut shop = Shop::open();
    let dispute = shop.disputed("pm_card_createDispute");
    let path = format!("/v1/disputes/{dispute}");
    shop.post(
        &path,
        "submit=false&evidence[uncategorized_text]=winning_evidence",
    );
    shop.happened();

    let won = shop.post(&path, "submit=true");
    let (status, _) = shop.refused("POST", &path, "evidence[uncategorized_text]=more");
    let (closed, _) = shop.refused("POST", &format!("{path}/close"), "");

    assert_eq!(won["status"], "won");
    assert_eq!(won["evidence_details"]["submission_count"], 1);
    assert_eq!(
        shop.happened(),
        [
            "charge.dispute.updated",
            "charge.dispute.updated",
            "charge.updated",
            "charge.dispute.funds_reinstated",
            "charge.dispute.closed"
        ]
    );
    assert_eq!((status, closed), (400, 400));
}

#[test]
fn evidence_under_review_waits_for_a_decision() {
    let mut shop = Shop::open();
    let dispute = shop.disputed("pm_card_createDispute");
    let path = format!("/v1/disputes/{dispute}");

    shop.post(&path, "evidence[product_description]=Credits");
    shop.wait(60 * DAY);
    let (status, _) = shop.refused("POST", &path, "evidence[receipt]=x");
    let tagged = shop.post(&path, "metadata[a]=b");

    assert_eq!(tagged["status"], "under_review");
    assert_eq!(status, 400);
}

#[test]
fn a_dispute_that_does_not_exist_is_not_found() {
    let mut shop = Shop::open();

    assert_eq!(
        shop.refused("POST", "/v1/disputes/du_1", "submit=true").0,
        404
    );
}

#[test]
fn a_disputed_charge_cannot_be_refunded() {
    let mut shop = Shop::open();
    let charge = shop.charge_card("pm_card_createDispute");

    let (_, error) = shop.refused("POST", "/v1/refunds", &format!("charge={charge}"));

    assert_eq!(error["code"], "charge_disputed");
}

#[test]
fn the_issuer_warns_of_fraud_until_the_charge_is_refunded() {
    let mut shop = Shop::open();
    let charge = shop.charge_card("pm_card_createIssuerFraudRecord");
    assert!(shop.did("radar.early_fraud_warning.created"));
    let listed = shop.get(&format!("/v1/radar/early_fraud_warnings?charge={charge}"));
    let warning = listed["data"][0].clone();

    shop.post("/v1/refunds", &format!("charge={charge}&amount=100"));
    assert_eq!(shop.see(&warning["id"])["actionable"], true);
    shop.post("/v1/refunds", &format!("charge={charge}"));

    assert_eq!(warning["actionable"], true);
    assert_eq!(shop.see(&warning["id"])["actionable"], false);
    assert!(shop.did("radar.early_fraud_warning.updated"));
}

#[test]
fn every_movement_of_money_is_a_balance_transaction() {
    let mut shop = Shop::open();
    let charge = shop.charge_card("pm_card_visa");
    shop.post("/v1/refunds", &format!("charge={charge}&amount=1000"));
    shop.disputed("pm_card_createDispute");

    let all = shop.get("/v1/balance_transactions");
    let refunds = shop.get("/v1/balance_transactions?type=refund");
    let of_charge = shop.get(&format!("/v1/balance_transactions?source={charge}"));
    let euros = shop.get("/v1/balance_transactions?currency=eur");
    let one = string(&of_charge["data"][0]["id"]);
    let alias = shop.get(&format!("/v1/balance/history/{one}"));

    let types: Vec<&Value> = all["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["type"])
        .collect();
    assert_eq!(types, ["adjustment", "charge", "refund", "charge"]);
    assert_eq!(refunds["data"][0]["net"], -1000);
    assert_eq!((&alias["fee"], &alias["net"]), (&json!(146), &json!(3854)));
    assert_eq!(alias["available_on"], shop.now + 2 * DAY);
    assert!(euros["data"].as_array().unwrap().is_empty());
    assert_eq!(shop.get(&format!("/v1/balance_transactions/{one}")), alias);
}
