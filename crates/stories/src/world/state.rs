//! What people have, for judgements and for whoever reads why a story failed.

use domain::time::Timestamp;
use serde_json::Value;

use super::World;

impl World {
    /// Adds to the trace what each person has here and at Stripe, for whoever reads why a story failed.
    pub(crate) async fn note_state(&mut self) {
        for who in 0..self.people.len() {
            for account in self.people[who].lives.clone() {
                for lot in self.lots(account).await {
                    let (from, until) = (lot.effective_at, lot.expires_at);
                    let until = until.map_or_else(|| "always".to_owned(), Timestamp::rfc3339);
                    self.note(format!(
                        "person {who}: grant {} of {} from {} until {until}, {} left{}",
                        lot.source_key,
                        lot.amount,
                        from.rfc3339(),
                        lot.unheld(),
                        if lot.voided { ", voided" } else { "" },
                    ));
                }
            }
            let customers = self.customers(who).await;
            for kind in ["subscription", "invoice"] {
                let rows = self.stripe.read(|core| {
                    let all = core.objects(kind).into_iter();
                    let theirs =
                        all.filter(|one| customers.iter().any(|id| one["customer"] == id.as_str()));
                    theirs.map(summary).collect::<Vec<String>>()
                });
                for row in rows {
                    self.note(format!("person {who}: {row}"));
                }
            }
        }
    }

    /// Whether a bank decides about a payment of the person: what is owed of it waits.
    pub(crate) async fn is_in_dispute(&mut self, who: usize) -> bool {
        self.has_dispute(who, &["needs_response", "under_review"])
            .await
    }

    /// Whether a payment of the person has a dispute with one of these statuses.
    pub(crate) async fn has_dispute(&mut self, who: usize, statuses: &[&str]) -> bool {
        let customers = self.customers(who).await;
        self.stripe.read(|core| {
            core.objects("dispute").into_iter().any(|one| {
                let is_so = one["status"]
                    .as_str()
                    .is_some_and(|now| statuses.contains(&now));
                let charge = one["charge"].as_str().and_then(|id| core.object(id));
                let customer = charge.and_then(|charge| charge["customer"].as_str());
                is_so && customer.is_some_and(|id| customers.iter().any(|own| own == id))
            })
        })
    }
}

/// A subscription or an invoice in one line.
fn summary(object: &Value) -> String {
    let items = if object["object"] == "invoice" {
        &object["lines"]["data"]
    } else {
        &object["items"]["data"]
    };
    let of_item = |item: &Value| {
        let period = item.get("period").unwrap_or(item);
        let day = |names: [&str; 2]| {
            let at = names.iter().find_map(|name| period[*name].as_i64());
            at.map_or_else(String::new, |at| Timestamp::from_seconds(at).rfc3339())
        };
        let price = &item["pricing"]["price_details"]["price"];
        let price = price.as_str().or(item["price"]["lookup_key"].as_str());
        format!(
            "{} {} {}..{}",
            price.unwrap_or("-"),
            item["amount"],
            day(["start", "current_period_start"]),
            day(["end", "current_period_end"]),
        )
    };
    let items = items.as_array().into_iter().flatten().map(of_item);
    format!(
        "{} {} {} {}",
        object["id"].as_str().unwrap_or("-"),
        object["status"].as_str().unwrap_or("-"),
        object["billing_reason"].as_str().unwrap_or_default(),
        items.collect::<Vec<String>>().join(", "),
    )
}
