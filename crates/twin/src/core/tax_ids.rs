//! Tax ids of customers.

use serde_json::{Value, json};

use super::errors::{Answer, refuse_param};
use super::time::HOUR;
use super::value::{get, list, opt, owned, required, text};
use super::{Call, Core};

/// The time after which a tax id is verified.
const VERIFIED_AFTER: i64 = HOUR;

/// `GET /v1/customers/{customer}/tax_ids`
pub(super) fn of_customer(core: &mut Core, call: &Call) -> Answer {
    core.need_path("customer", call.id(), "customer")?;
    core.page_in(call, "tax_id", ("customer", call.id()), |_| true)
}

/// `POST /v1/customers/{customer}/tax_ids`
pub(super) fn create_of_customer(core: &mut Core, call: &Call) -> Answer {
    core.need_path("customer", call.id(), "customer")?;
    let id = core.new_tax_id(call.id(), &call.params, "")?;
    core.need("tax_id", &id, "id")
}

/// `GET /v1/customers/{customer}/tax_ids/{id}`
pub(super) fn one_of_customer(core: &mut Core, call: &Call) -> Answer {
    core.tax_id_in(call)
}

/// `DELETE /v1/tax_ids/{id}`, also under its customer
pub(super) fn delete(core: &mut Core, call: &Call) -> Answer {
    let row = core.tax_id_in(call)?;
    let gone = core.erase("tax_id", &owned(&row, "id"));
    core.emit_object("customer.tax_id.deleted", row, None);
    Ok(gone)
}

/// `GET /v1/tax_ids`: those of the account itself, of which there are none, or of a customer.
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    let is_customers = opt(&call.params, "owner.type").is_none_or(|kind| kind == "customer");
    let customer = opt(&call.params, "owner.customer").filter(|_| is_customers);
    let Some(customer) = customer else {
        return core.page(call, "tax_id", &["owner"], |_| false);
    };
    core.need("customer", customer, "owner[customer]")?;
    core.page(call, "tax_id", &["owner"], |row| {
        text(row, "customer") == customer
    })
}

/// `POST /v1/tax_ids`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let kind = opt(&call.params, "owner.type").unwrap_or("self");
    if kind != "customer" {
        let message = "Only tax ids of customers are served by this twin.";
        return refuse_param("", "owner[type]", message);
    }
    let customer = required(get(&call.params, "owner"), "customer")?;
    core.need("customer", customer, "owner[customer]")?;
    let id = core.new_tax_id(customer, &call.params, "")?;
    core.need("tax_id", &id, "id")
}

/// The country of a type of tax id, which begins with its code.
fn country_of(kind: &str, value: &str) -> Value {
    match kind.split('_').next().unwrap_or("") {
        "eu" => value.get(..2).map_or(Value::Null, |code| {
            if code == "EL" {
                "GR".into()
            } else {
                code.into()
            }
        }),
        "unknown" => Value::Null,
        code => code.to_uppercase().into(),
    }
}

/// Whether a value has the shape of its type. Types without a known shape take every number.
fn has_shape(kind: &str, value: &str) -> bool {
    let plain: String = value.chars().filter(|one| !" -.".contains(*one)).collect();
    let digits = |text: &str, lengths: &[usize]| {
        lengths.contains(&text.len()) && text.bytes().all(|one| one.is_ascii_digit())
    };
    let after = |prefix: &str| plain.strip_prefix(prefix).unwrap_or("");
    match kind {
        "eu_vat" => {
            let country = plain.get(..2).unwrap_or("");
            let rest = plain.get(2..).unwrap_or("");
            EU.contains(&country)
                && (8..=12).contains(&rest.len())
                && rest.bytes().all(|one| one.is_ascii_alphanumeric())
        }
        "gb_vat" => digits(after("GB"), &[9, 12]),
        "us_ein" => digits(&plain, &[9]),
        "au_abn" => digits(&plain, &[11]),
        "ca_bn" => digits(&plain, &[9]),
        "br_cnpj" => plain.len() == 14 || digits(&plain.replace('/', ""), &[14]),
        "br_cpf" => digits(&plain, &[11]),
        "in_gst" => plain.len() == 15,
        "jp_cn" => digits(&plain, &[13]),
        "ch_vat" => plain.starts_with("CHE"),
        "no_vat" => digits(plain.trim_end_matches("MVA"), &[9]),
        "nz_gst" => digits(&plain, &[8, 9]),
        _ => !plain.is_empty() && plain.bytes().any(|one| one.is_ascii_alphanumeric()),
    }
}

/// The prefixes of VAT numbers in the European Union. Greece has its own.
const EU: [&str; 28] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR", "HU", "IE", "IT",
    "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "XI",
];

impl Core {
    /// Adds the tax ids in `tax_id_data` to a new customer.
    pub(super) fn add_tax_ids(&mut self, customer: &str, sent: &Value) -> Answer<()> {
        for (index, one) in list(sent, "tax_id_data").iter().enumerate() {
            self.new_tax_id(customer, one, &format!("tax_id_data[{index}]"))?;
        }
        Ok(())
    }

    fn new_tax_id(&mut self, customer: &str, sent: &Value, outer: &str) -> Answer<String> {
        const TAX_IDS_MAX: usize = 5;
        let (kind, value) = (required(sent, "type")?, required(sent, "value")?);
        if !has_shape(kind, value) {
            let param = if outer.is_empty() {
                "value".into()
            } else {
                format!("{outer}[value]")
            };
            return refuse_param(
                "tax_id_invalid",
                &param,
                format!("Invalid value for {kind}."),
            );
        }
        if self.store.by("tax_id", "customer", customer).count() >= TAX_IDS_MAX {
            let message = format!("A customer can have at most {TAX_IDS_MAX} tax ids.");
            return refuse_param("", "", message);
        }
        let id = self.rng.id("txi");
        // Only numbers of the EU, the United Kingdom and Australia are verified, later.
        let verification = match kind {
            "eu_vat" | "gb_vat" | "au_abn" => {
                json!({"status": "pending", "verified_address": null, "verified_name": null})
            }
            _ => json!({"status": "unavailable", "verified_address": null, "verified_name": null}),
        };
        let row = json!({
            "id": id, "object": "tax_id", "country": country_of(kind, value), "created": self.now,
            "customer": customer, "customer_account": null, "livemode": false,
            "owner": {"customer": customer, "type": "customer"}, "type": kind, "value": value,
            "verification": verification,
        });
        let is_verified = text(&row, "verification.status") == "pending";
        self.store.put(&id, row);
        self.emit("customer.tax_id.created", &id);
        if is_verified {
            self.wake(self.now + VERIFIED_AFTER, &id);
        }
        Ok(id)
    }

    /// Verifies a tax id. A number that ends in zeros only is not found, as in test mode.
    pub(super) fn tax_id_due(&mut self, id: &str) {
        let row = self.row(id).clone();
        if text(&row, "verification.status") != "pending" {
            return;
        }
        let is_unknown = text(&row, "value").ends_with("000000000");
        self.modify_and_emit("customer.tax_id.updated", id, |row| {
            let status = if is_unknown { "unverified" } else { "verified" };
            row["verification"]["status"] = status.into();
        });
    }

    /// The tax ids of a customer as an invoice shows them.
    pub(super) fn tax_ids_of(&self, customer: &str) -> Vec<Value> {
        let rows = self.store.by("tax_id", "customer", customer);
        rows.map(|row| json!({"type": row["type"], "value": row["value"]}))
            .collect()
    }

    /// The tax ids of a customer as an included list.
    pub(super) fn tax_id_list(&self, customer: &str) -> Value {
        let rows = self.store.by("tax_id", "customer", customer).rev();
        json!({"object": "list", "data": rows.collect::<Vec<_>>(), "has_more": false,
               "url": format!("/v1/customers/{customer}/tax_ids")})
    }

    /// The tax id in a path, which may begin with its customer.
    fn tax_id_in(&self, call: &Call) -> Answer {
        let id = call.ids.last().map_or("", String::as_str);
        let row = self.need_path("tax_id", id, "id")?;
        if call.ids.len() > 1 && text(&row, "customer") != call.id() {
            return Err(self.missing("tax_id", id, "id").with_status(404));
        }
        Ok(row)
    }
}
