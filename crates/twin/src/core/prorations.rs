//! Prorations: what a change in the middle of a billing period credits and debits.
//!
//! As in flexible billing mode, a credit gives back a share of what was debited, after discounts
//! (docs.stripe.com/billing/subscriptions/billing-mode/compare). Each subscription item remembers
//! its debits, so what was not debited is not credited.

use serde_json::{Value, json};
use stripe::objects::InvoiceStatus;

use super::Core;
use super::discounts::{Applied, Reduced};
use super::lines::{Credit, Draft, share};
use super::lists::inner;
use super::status;
use super::subscription_terms::Grid;
use super::time::day_text;
use super::value::{get, has, ids, int, list, opt, owned, period, price_amount, text};

/// Whether prorations show their discounts separately instead of being smaller by them.
fn is_itemized(subscription: &Value) -> bool {
    text(subscription, "billing_mode.flexible.proration_discounts") == "itemized"
}

fn differs(one: &Value, other: &Value) -> bool {
    get(one, "price.id") != get(other, "price.id") || one["quantity"] != other["quantity"]
}

fn shares(applied: &[Applied], rest: i64, whole: i64) -> Vec<Applied> {
    let part = |(id, amount): &Applied| (id.clone(), share(*amount, rest, whole));
    applied.iter().map(part).collect()
}

impl Core {
    /// The prorations of changing items at `at` for the rest of the period: credits for each item
    /// that changes or is removed, and a debit for each that changes or is added.
    pub(super) fn proration_lines(
        &self,
        subscription: &Value,
        after: &[Value],
        at: i64,
    ) -> Vec<Draft> {
        let before = inner(subscription, "items");
        let mut drafts = Vec::new();
        for item in before {
            let stays = after.iter().find(|one| one["id"] == item["id"]);
            if stays.is_none_or(|one| differs(one, item)) {
                drafts.extend(self.credit_lines(subscription, item, at));
            }
        }
        let nets = self.reduced_items(subscription, after);
        for (item, net) in after.iter().zip(nets) {
            let was = before.iter().find(|one| one["id"] == item["id"]);
            if was.is_none_or(|one| differs(one, item)) {
                let mut timed = item.clone();
                let first = before.first().unwrap_or(&Value::Null);
                for name in ["current_period_start", "current_period_end"] {
                    timed[name] = first[name].clone();
                }
                drafts.push(self.debit_line(subscription, &timed, at, &net));
            }
        }
        drafts
    }

    /// The amounts of a whole period of the items after the discounts of the subscription.
    fn reduced_items(&self, subscription: &Value, items: &[Value]) -> Vec<Reduced> {
        let currency = text(subscription, "currency");
        let mut amounts = Vec::new();
        for item in items {
            let mut own = [Reduced {
                product: owned(item, "price.product"),
                rest: price_amount(get(item, "price"), int(item, "quantity")),
                applied: Vec::new(),
            }];
            self.reduce(&mut own, list(item, "discounts"), currency);
            amounts.extend(own);
        }
        let customer = self.row(text(subscription, "customer"));
        let discounts = self.inherited_discounts(opt(subscription, "id"), customer, self.now);
        self.reduce(&mut amounts, &discounts, currency);
        amounts
    }

    /// The debit for the rest of the period of an item whose whole period costs `net`.
    fn debit_line(&self, subscription: &Value, item: &Value, at: i64, net: &Reduced) -> Draft {
        let (start, end) = period(item);
        let at = at.clamp(start, end);
        // A period that is cut by the anchor or by a cancellation is a part of a whole one.
        let (rest, whole) = (
            end - at,
            Grid::of(subscription, get(item, "price")).whole(start),
        );
        let line = self.period_line(subscription, item, at, end);
        let itemized = is_itemized(subscription);
        let amount = match (status::is_trialing(subscription), itemized) {
            (true, _) => 0,
            (_, true) => share(line.amount, rest, whole),
            _ => share(net.rest, rest, whole),
        };
        Draft {
            amount,
            description: self.proration_text("Remaining time", &line, at),
            proration: true,
            applied: shares(&net.applied, rest, whole),
            itemized,
            discounts: Vec::new(),
            ..line
        }
    }

    /// The credits for the rest of the period of an item: one for each debit that covers it.
    pub(super) fn credit_lines(&self, subscription: &Value, item: &Value, at: i64) -> Vec<Draft> {
        if status::is_trialing(subscription) {
            return Vec::new();
        }
        let debits = self.debits_of(text(subscription, "id"), text(item, "id"));
        let all = debits.iter().enumerate();
        all.filter_map(|(index, debit)| self.credit_line(subscription, item, at, (index, debit)))
            .collect()
    }

    fn credit_line(
        &self,
        subscription: &Value,
        item: &Value,
        at: i64,
        (index, debit): (usize, &Value),
    ) -> Option<Draft> {
        let (start, whole_end) = (int(debit, "start"), int(debit, "end"));
        let given_back = list(debit, "credits")
            .iter()
            .filter(|one| self.is_charged(one));
        let end = given_back
            .map(|one| int(one, "from"))
            .min()
            .unwrap_or(whole_end);
        let from = at.max(start);
        let is_free = int(debit, "net") <= 0;
        if is_free || from >= end || !self.is_charged(debit) {
            return None;
        }
        let (rest, whole) = (end - from, whole_end - start);
        let itemized = is_itemized(subscription);
        let amount = if itemized {
            int(debit, "gross")
        } else {
            int(debit, "net")
        };
        let applied: Vec<Applied> = list(debit, "applied")
            .iter()
            .map(|one| (owned(one, "discount"), -int(one, "amount")))
            .collect();
        let line = Draft {
            quantity: int(debit, "quantity"),
            price: self.row(text(debit, "price")).clone(),
            ..self.period_line(subscription, item, from, end)
        };
        Some(Draft {
            amount: share(-amount, rest, whole),
            description: self.proration_text("Unused time", &line, from),
            proration: true,
            applied: shares(&applied, rest, whole),
            itemized,
            discounts: Vec::new(),
            tax_rates: list(debit, "tax_rates").to_vec(),
            credits: Some(Credit {
                debit: index,
                from,
                shown: self.credited_items(debit),
            }),
            ..line
        })
    }

    pub(super) fn proration_text(&self, kind: &str, line: &Draft, at: i64) -> String {
        let times = if line.quantity == 1 {
            String::new()
        } else {
            format!("{} × ", line.quantity)
        };
        let name = self.product_name(&line.price);
        format!("{kind} on {times}{name} after {}", day_text(at))
    }

    /// The debit of a credit as an invoice item shows it.
    fn credited_items(&self, debit: &Value) -> Value {
        let item = text(debit, "invoice_item");
        let invoice = opt(debit, "invoice").or_else(|| opt(self.row(item), "invoice"));
        let Some(invoice) = invoice else {
            return json!({"invoice_item": item, "type": "invoice_item"});
        };
        let lines = inner(self.row(invoice), "lines");
        let made = lines.iter().find(|line| {
            line["id"] == debit["line"]
                || !item.is_empty()
                    && get(line, "parent.subscription_item_details.invoice_item") == item
        });
        let line = made.map_or(Value::Null, |line| line["id"].clone());
        json!({"invoice_line_item_details": {"invoice": invoice, "invoice_line_items": [line]},
               "type": "invoice_line_items"})
    }

    /// Whether a debit or a credit counts: its invoice item and its invoice exist, and the invoice
    /// is not void.
    fn is_charged(&self, entry: &Value) -> bool {
        let exists = |row: &Value| row.is_object() && row["deleted"] != true;
        let item = opt(entry, "invoice_item").map(|id| self.row(id));
        if item.is_some_and(|row| !exists(row)) {
            return false;
        }
        let invoice = opt(entry, "invoice").or_else(|| opt(item?, "invoice"));
        invoice.is_none_or(|id| {
            let row = self.row(id);
            exists(row) && status::invoice(row) != InvoiceStatus::Void
        })
    }

    /// Remembers the debits for the periods on a new invoice.
    pub(super) fn remember_debits(&mut self, invoice: &str) {
        let row = self.row(invoice).clone();
        for line in inner(&row, "lines") {
            let details = get(line, "parent.subscription_item_details");
            let Some(item) = opt(details, "subscription_item") else {
                continue;
            };
            if get(details, "proration") == true || int(line, "amount") <= 0 {
                continue;
            }
            let debit = self.debit_of_line(&row, line);
            self.add_debit(
                text(&row, "parent.subscription_details.subscription"),
                item,
                debit,
            );
        }
    }

    /// The debit for a period on an invoice.
    fn debit_of_line(&self, invoice: &Value, line: &Value) -> Value {
        let off: i64 = list(line, "discount_amounts")
            .iter()
            .map(|one| int(one, "amount"))
            .sum();
        let gross = int(line, "amount");
        let mut rates = self.rates_of_line(text(invoice, "id"), text(line, "id"));
        if rates.is_empty() {
            rates = ids(list(invoice, "default_tax_rates"));
        }
        json!({
            "invoice": invoice["id"], "line": line["id"], "gross": gross, "net": gross - off,
            "applied": line["discount_amounts"], "start": line["period"]["start"],
            "end": line["period"]["end"], "quantity": line["quantity"],
            "price": get(line, "pricing.price_details.price"),
            "tax_rates": rates, "credits": [],
        })
    }

    /// The debits of a subscription item. States of the first release don't have them, so they are
    /// read from the invoices and invoice items of the subscription then.
    fn debits_of(&self, subscription: &str, item: &str) -> Vec<Value> {
        if let Some(known) = self.note(item, "debits").as_array() {
            return known.clone();
        }
        let mut debits = Vec::new();
        for invoice in self.store.by("invoice", "subscription", subscription) {
            for line in inner(invoice, "lines") {
                let details = get(line, "parent.subscription_item_details");
                let is_period = text(details, "subscription_item") == item
                    && get(details, "proration") == false
                    && int(line, "amount") > 0;
                if is_period {
                    debits.push(self.debit_of_line(invoice, line));
                }
            }
        }
        let customer = text(self.row(subscription), "customer");
        for row in self.store.by("invoiceitem", "customer", customer) {
            let own = "parent.subscription_details.subscription_item";
            if text(row, own) != item || row["proration"] != true {
                continue;
            }
            let (amount, from) = (int(row, "amount"), int(row, "period.start"));
            if amount < 0 {
                let credit = json!({"invoice_item": row["id"], "from": from});
                for debit in &mut debits {
                    if (int(debit, "start")..int(debit, "end")).contains(&from)
                        && let Some(credits) = debit["credits"].as_array_mut()
                    {
                        credits.push(credit.clone());
                    }
                }
            } else if amount > 0 {
                debits.push(json!({
                    "invoice_item": row["id"], "gross": amount, "net": amount, "applied": [],
                    "start": from, "end": row["period"]["end"], "quantity": row["quantity"],
                    "price": get(row, "pricing.price_details.price"),
                    "tax_rates": ids(list(row, "tax_rates")), "credits": [],
                }));
            }
        }
        debits
    }

    /// Remembers what a stored proration debits or gives back.
    pub(super) fn remember_proration(&mut self, draft: &Draft, invoice_item: &str) {
        let Some(item) = draft.item.as_deref().filter(|_| draft.proration) else {
            return;
        };
        let subscription = draft.subscription.as_deref().unwrap_or("");
        if let Some(credit) = &draft.credits {
            let mut debits = self.debits_of(subscription, item);
            if let Some(debit) = debits.get_mut(credit.debit)
                && let Some(credits) = debit["credits"].as_array_mut()
            {
                let given_back = json!({"invoice_item": invoice_item, "from": credit.from});
                if !credits.contains(&given_back) {
                    credits.push(given_back);
                }
            }
            self.set_note(item, "debits", debits);
            return;
        }
        let applied: Vec<Value> = draft
            .applied
            .iter()
            .map(|(id, amount)| json!({"amount": amount, "discount": id}))
            .collect();
        let off: i64 = draft.applied.iter().map(|(_, amount)| amount).sum();
        let net = draft.net_amount();
        let gross = if draft.itemized {
            draft.amount
        } else {
            net + off
        };
        let debit = json!({
            "invoice_item": invoice_item, "gross": gross, "net": net, "applied": applied,
            "start": draft.start, "end": draft.end, "quantity": draft.quantity,
            "price": draft.price["id"], "tax_rates": ids(&draft.tax_rates), "credits": [],
        });
        self.add_debit(subscription, item, debit);
    }

    /// Adds a debit to those of an item and forgets those of past periods.
    fn add_debit(&mut self, subscription: &str, item: &str, debit: Value) {
        let mut debits = self.debits_of(subscription, item);
        let start = int(&debit, "start");
        debits.retain(|one| int(one, "end") > start);
        match debits.iter_mut().find(|one| {
            ["line", "invoice_item"]
                .iter()
                .any(|name| has(one, name) && one[*name] == debit[*name])
        }) {
            // The discounts of a draft can change until it is finalized.
            Some(known) => {
                for name in ["gross", "net", "applied", "tax_rates"] {
                    known[name] = debit[name].clone();
                }
            }
            None => debits.push(debit),
        }
        self.set_note(item, "debits", debits);
    }
}
