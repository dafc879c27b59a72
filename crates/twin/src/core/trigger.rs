//! Triggers: create the objects that lead to an event, through the API itself.

use serde_json::{Value, json};

use super::value::{owned, text};
use super::{ApiRequest, Core, PayError, Payment};

type Outcome<T> = Result<T, PayError>;

impl Core {
    /// Triggers an event of a type and returns all events that this caused.
    pub fn trigger(&mut self, event_type: &str, now: i64) -> Outcome<Vec<Value>> {
        self.tick(now);
        let before = self.fresh.len();
        self.make_happen(event_type)?;
        let made = self.fresh.get(before..).unwrap_or_default();
        let events: Vec<Value> = made
            .iter()
            .filter_map(|new| self.event(&new.id).cloned())
            .collect();
        if events.iter().any(|event| text(event, "type") == event_type) {
            return Ok(events);
        }
        Err(PayError::NotPossible(format!(
            "The twin cannot trigger {event_type}."
        )))
    }

    fn make_happen(&mut self, event_type: &str) -> Outcome<()> {
        match event_type.split('.').next().unwrap_or("") {
            "checkout" => self.trigger_checkout(event_type),
            "invoice" => self.trigger_invoice(event_type),
            "subscription_schedule" => self.trigger_schedule(event_type),
            "charge" | "refund" | "payment_intent" => self.trigger_payment(event_type),
            _ if event_type.starts_with("customer.subscription.") => {
                self.trigger_subscription(event_type)
            }
            _ => self.trigger_simple(event_type),
        }
    }

    /// Calls the API from inside the core.
    fn call(&mut self, method: &str, path: &str, body: &str) -> Outcome<Value> {
        let request = ApiRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.to_owned(),
            api_key: Some("sk_test_trigger".to_owned()),
            ..ApiRequest::default()
        };
        let answer = self.api(&request, self.now);
        match answer.status {
            200 => Ok(answer.body),
            // A declined card is often the purpose of the trigger.
            402 => Ok(answer.body["error"].clone()),
            _ => Err(PayError::NotPossible(owned(&answer.body, "error.message"))),
        }
    }

    fn post(&mut self, path: &str, body: &str) -> Outcome<Value> {
        self.call("POST", path, body)
    }

    fn made_customer(&mut self, card: &str) -> Outcome<String> {
        let customer = self.post("/v1/customers", "description=(created by the twin)")?;
        let id = owned(&customer, "id");
        if !card.is_empty() {
            self.give_card(&id, card)?;
        }
        Ok(id)
    }

    fn give_card(&mut self, customer: &str, card: &str) -> Outcome<()> {
        let path = format!("/v1/payment_methods/{card}/attach");
        let method = self.post(&path, &format!("customer={customer}"))?;
        let method = text(&method, "id");
        let body = format!("invoice_settings[default_payment_method]={method}");
        self.post(&format!("/v1/customers/{customer}"), &body)
            .map(drop)
    }

    fn made_price(&mut self, recurring: bool) -> Outcome<String> {
        let product = self.post("/v1/products", "name=myproduct")?;
        let interval = if recurring {
            "&recurring[interval]=month"
        } else {
            ""
        };
        let body = format!(
            "product={}&unit_amount=1500&currency=usd{interval}",
            text(&product, "id")
        );
        Ok(owned(&self.post("/v1/prices", &body)?, "id"))
    }

    fn made_subscription(&mut self, card: &str, more: &str) -> Outcome<Value> {
        let customer = self.made_customer(card)?;
        let price = self.made_price(true)?;
        self.post(
            "/v1/subscriptions",
            &format!("customer={customer}&items[0][price]={price}{more}"),
        )
    }

    fn made_session(&mut self) -> Outcome<String> {
        let price = self.made_price(false)?;
        let body = format!(
            "mode=payment&success_url=https://example.com/ok&line_items[0][price]={price}&line_items[0][quantity]=2"
        );
        Ok(owned(&self.post("/v1/checkout/sessions", &body)?, "id"))
    }

    fn made_payment(&mut self, card: &str) -> Outcome<Value> {
        let body = format!(
            "amount=2000&currency=usd&confirm=true&payment_method={card}&payment_method_types[]=card"
        );
        self.post("/v1/payment_intents", &body)
    }

    fn trigger_checkout(&mut self, event_type: &str) -> Outcome<()> {
        let id = self.made_session()?;
        let now = self.now;
        match event_type.trim_start_matches("checkout.session.") {
            "completed" => {
                self.pay_checkout(&id, Payment::Method("pm_card_visa".to_owned()), now)?;
            }
            "expired" => drop(self.post(&format!("/v1/checkout/sessions/{id}/expire"), "")?),
            outcome @ ("async_payment_succeeded" | "async_payment_failed") => {
                self.pay_checkout(&id, Payment::Delayed, now)?;
                self.settle_checkout(&id, outcome == "async_payment_succeeded", now)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn trigger_payment(&mut self, event_type: &str) -> Outcome<()> {
        let card = match event_type {
            "charge.failed" | "payment_intent.payment_failed" => "pm_card_visa_chargeDeclined",
            "payment_intent.requires_action" => "pm_card_authenticationRequired",
            "refund.failed" => "pm_card_refundFail",
            kind if kind.starts_with("charge.dispute") => "pm_card_createDispute",
            _ => "pm_card_visa",
        };
        let intent = self.made_payment(card)?;
        let charge = owned(&intent, "latest_charge");
        match event_type {
            "payment_intent.canceled" => {
                let open = self.post("/v1/payment_intents", "amount=2000&currency=usd")?;
                self.post(
                    &format!("/v1/payment_intents/{}/cancel", text(&open, "id")),
                    "",
                )?;
            }
            "charge.refunded"
            | "refund.created"
            | "refund.updated"
            | "charge.refund.updated"
            | "refund.failed" => {
                let refund = self.post("/v1/refunds", &format!("charge={charge}"))?;
                self.post(
                    &format!("/v1/refunds/{}", text(&refund, "id")),
                    "metadata[order_id]=6735",
                )?;
                if event_type == "refund.failed" {
                    self.refund_due(text(&refund, "id"));
                }
            }
            "charge.updated" => {
                self.post(&format!("/v1/charges/{charge}"), "metadata[order_id]=6735")?;
            }
            "charge.dispute.closed"
            | "charge.dispute.updated"
            | "charge.dispute.funds_reinstated" => {
                let dispute = self.dispute_of(&charge).unwrap_or_default();
                let body = "evidence[uncategorized_text]=winning_evidence";
                self.post(&format!("/v1/disputes/{dispute}"), body)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn trigger_subscription(&mut self, event_type: &str) -> Outcome<()> {
        let word = event_type.trim_start_matches("customer.subscription.");
        let (card, more) = match word {
            "trial_will_end" => ("pm_card_visa", "&trial_period_days=1"),
            "paused" | "resumed" => (
                "",
                "&trial_period_days=7&trial_settings[end_behavior][missing_payment_method]=pause",
            ),
            _ => ("pm_card_visa", ""),
        };
        let subscription = self.made_subscription(card, more)?;
        let path = format!("/v1/subscriptions/{}", text(&subscription, "id"));
        let item = owned(&subscription, "items.data.0.id");
        let customer = owned(&subscription, "customer");
        match word {
            "updated" => drop(self.post(&path, "metadata[foo]=bar")?),
            "deleted" => drop(self.call("DELETE", &path, "")?),
            "paused" | "resumed" => {
                self.post(&path, "trial_end=now")?;
                if word == "resumed" {
                    self.give_card(&customer, "pm_card_visa")?;
                    self.post(&format!("{path}/resume"), "")?;
                }
            }
            "pending_update_applied" | "pending_update_expired" => {
                self.decline_next(Some(&customer), "insufficient_funds");
                let body = format!(
                    "items[0][id]={item}&items[0][quantity]=2&proration_behavior=always_invoice&payment_behavior=pending_if_incomplete"
                );
                self.post(&path, &body)?;
                if word == "pending_update_applied" {
                    self.retry_open_invoices(&customer);
                } else {
                    self.expire_pending(text(&subscription, "id"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn trigger_invoice(&mut self, event_type: &str) -> Outcome<()> {
        let card = match event_type {
            "invoice.payment_failed" => "pm_card_chargeCustomerFail",
            "invoice.payment_action_required" => "pm_card_threeDSecure2Required",
            _ => "pm_card_visa",
        };
        let customer = self.made_customer(card)?;
        let body = format!(
            "amount=2000&currency=usd&customer={customer}&description=(created by the twin)"
        );
        self.post("/v1/invoiceitems", &body)?;
        let more = match event_type {
            "invoice.sent" => "&collection_method=send_invoice&days_until_due=7",
            _ => "",
        };
        let body = format!("customer={customer}&pending_invoice_items_behavior=include{more}");
        let invoice = owned(&self.post("/v1/invoices", &body)?, "id");
        let path = format!("/v1/invoices/{invoice}");
        match event_type.trim_start_matches("invoice.") {
            "created" => {}
            "deleted" => drop(self.call("DELETE", &path, "")?),
            "updated" => drop(self.post(&path, "metadata[foo]=bar")?),
            word @ ("finalized" | "sent" | "voided" | "marked_uncollectible") => {
                self.post(&format!("{path}/finalize"), "")?;
                let verb = match word {
                    "sent" => "send",
                    "voided" => "void",
                    "marked_uncollectible" => "mark_uncollectible",
                    _ => return Ok(()),
                };
                self.post(&format!("{path}/{verb}"), "")?;
            }
            _ => drop(self.post(&format!("{path}/pay"), "")?),
        }
        Ok(())
    }

    fn trigger_schedule(&mut self, event_type: &str) -> Outcome<()> {
        let subscription = self.made_subscription("pm_card_visa", "")?;
        let id = text(&subscription, "id");
        let schedule = self.post(
            "/v1/subscription_schedules",
            &format!("from_subscription={id}"),
        )?;
        let path = format!("/v1/subscription_schedules/{}", text(&schedule, "id"));
        match event_type.trim_start_matches("subscription_schedule.") {
            "updated" => self.post(&path, "metadata[foo]=bar").map(drop),
            "released" => self.post(&format!("{path}/release"), "").map(drop),
            "canceled" => self.post(&format!("{path}/cancel"), "").map(drop),
            _ => Ok(()),
        }
    }

    fn trigger_simple(&mut self, event_type: &str) -> Outcome<()> {
        let customer = self.made_customer("pm_card_visa")?;
        match event_type {
            "customer.updated" => {
                self.post(&format!("/v1/customers/{customer}"), "metadata[foo]=bar")?;
            }
            "customer.deleted" => {
                self.call("DELETE", &format!("/v1/customers/{customer}"), "")?;
            }
            "payment_method.detached" | "payment_method.updated" => {
                let row = self.object(&customer).cloned().unwrap_or(json!({}));
                let method = owned(&row, "invoice_settings.default_payment_method");
                let (verb, body) = match event_type {
                    "payment_method.updated" => ("", "metadata[foo]=bar"),
                    _ => ("/detach", ""),
                };
                self.post(&format!("/v1/payment_methods/{method}{verb}"), body)?;
            }
            "price.created" | "product.created" => {
                self.made_price(true)?;
            }
            "price.updated" => {
                let price = self.made_price(true)?;
                self.post(&format!("/v1/prices/{price}"), "metadata[foo]=bar")?;
            }
            "product.updated" | "product.deleted" => {
                let product = self.post("/v1/products", "name=myproduct")?;
                let path = format!("/v1/products/{}", text(&product, "id"));
                match event_type {
                    "product.deleted" => self.call("DELETE", &path, "")?,
                    _ => self.post(&path, "metadata[foo]=bar")?,
                };
            }
            "coupon.created" => drop(self.post("/v1/coupons", "percent_off=25&duration=once")?),
            _ => {}
        }
        Ok(())
    }
}
