//! The table of rates that automatic tax uses, and the tax rates as objects.

use serde_json::{Value, json};

use super::amounts::{WHOLE, percent};
use super::countries::{check_country, is_country};
use super::errors::{Answer, refuse_param};
use super::params::metadata;
use super::value::{copy_or_null, flag, get, list, opt, or_null, owned, text};
use super::views::not_possible;
use super::{Call, Core, PayError, TaxView};

/// The id of the stored table.
const TABLE: &str = "taxes#";

/// `POST /v1/tax_rates`
pub(super) fn create(core: &mut Core, call: &Call) -> Answer {
    let sent = &call.params;
    check_percentage(get(sent, "percentage"))?;
    check_country(opt(sent, "country"), "country")?;
    let id = core.new_tax_rate(sent);
    let kept = metadata(&Value::Null, get(sent, "metadata"))?;
    core.modify(&id, |row| row["metadata"] = kept);
    core.emit("tax_rate.created", &id);
    core.need("tax_rate", &id, "tax_rate")
}

/// `POST /v1/tax_rates/{tax_rate}`: the percentage of a rate never changes.
pub(super) fn update(core: &mut Core, call: &Call) -> Answer {
    const CHANGEABLE: [&str; 6] = [
        "country",
        "description",
        "display_name",
        "jurisdiction",
        "state",
        "tax_type",
    ];
    let kind = ("tax_rate", "tax_rate");
    core.update(kind, call, &["tax_rate.updated"], |_, after| {
        check_country(opt(&call.params, "country"), "country")?;
        copy_or_null(after, &call.params, &CHANGEABLE);
        if let Some(active) = get(&call.params, "active").as_bool() {
            after["active"] = active.into();
        }
        Ok(())
    })
}

fn check_percentage(sent: &Value) -> Answer<()> {
    if (0..=WHOLE).contains(&percent(sent)) && !sent.to_string().starts_with('-') {
        return Ok(());
    }
    refuse_param("", "percentage", "Percentage must be between 0 and 100.")
}

fn view(entry: &Value) -> TaxView {
    TaxView {
        country: owned(entry, "country"),
        state: opt(entry, "state").map(str::to_owned),
        percentage: get(entry, "percentage").to_string(),
        inclusive: flag(entry, "inclusive"),
    }
}

impl Core {
    fn new_tax_rate(&mut self, sent: &Value) -> String {
        let id = self.rng.id("txr");
        let percentage = get(sent, "percentage").clone();
        let row = json!({
            "id": id, "object": "tax_rate",
            "active": get(sent, "active").as_bool().unwrap_or(true),
            "country": or_null(sent, "country"), "created": self.now,
            "description": or_null(sent, "description"),
            "display_name": text(sent, "display_name"), "effective_percentage": percentage,
            "flat_amount": null, "inclusive": flag(sent, "inclusive"),
            "jurisdiction": or_null(sent, "jurisdiction"), "jurisdiction_level": null,
            "livemode": false, "metadata": {}, "percentage": percentage, "rate_type": "percentage",
            "state": or_null(sent, "state"), "tax_type": or_null(sent, "tax_type"),
        });
        self.store.put(&id, row);
        id
    }

    /// Sets the tax of a country, or of a state in it, for automatic tax. `percentage` is a decimal
    /// such as `8.875`; `inclusive` says whether prices without a tax behavior include the tax.
    pub fn set_tax(
        &mut self,
        country: &str,
        state: Option<&str>,
        percentage: &str,
        inclusive: bool,
    ) -> Result<TaxView, PayError> {
        let number = percentage.parse::<serde_json::Number>().map(Value::Number);
        let number = number.unwrap_or_default();
        if !is_country(country) || !number.is_number() || check_percentage(&number).is_err() {
            return Err(not_possible(
                "A tax needs a country such as `US` and a percentage between 0 and 100.",
            ));
        }
        self.clear_tax(country, state);
        let (name, kind) = if country == "US" {
            ("Sales tax", "sales_tax")
        } else {
            ("VAT", "vat")
        };
        let mut entry = json!({"country": country, "state": state, "percentage": number,
                               "inclusive": inclusive});
        for (place, included) in [("inclusive_rate", true), ("exclusive_rate", false)] {
            // Stripe's own rates cannot be used for anything else.
            let rate = json!({"active": false, "country": country, "display_name": name,
                "inclusive": included, "jurisdiction": state.unwrap_or(country),
                "percentage": number, "state": state, "tax_type": kind});
            entry[place] = self.new_tax_rate(&rate).into();
        }
        let shown = view(&entry);
        let mut entries = self.tax_entries();
        entries.push(entry);
        self.store.put(TABLE, json!({ "entries": entries }));
        Ok(shown)
    }

    /// Removes the tax of a country or of a state in it, and returns whether there was one.
    pub fn clear_tax(&mut self, country: &str, state: Option<&str>) -> bool {
        let mut entries = self.tax_entries();
        let count = entries.len();
        entries.retain(|one| text(one, "country") != country || opt(one, "state") != state);
        let removed = entries.len() < count;
        if removed {
            self.store.put(TABLE, json!({ "entries": entries }));
        }
        removed
    }

    /// The taxes that automatic tax knows, in the order in which they were set.
    pub fn taxes(&self) -> Vec<TaxView> {
        self.tax_entries().iter().map(view).collect()
    }

    fn tax_entries(&self) -> Vec<Value> {
        list(self.row(TABLE), "entries").to_vec()
    }

    /// The tax of a state, or else of the country.
    pub(super) fn tax_entry(&self, country: &str, state: Option<&str>) -> Option<Value> {
        let entries = self.tax_entries();
        let of = |state: Option<&str>| {
            let mut found = entries.iter();
            found.find(|one| text(one, "country") == country && opt(one, "state") == state)
        };
        of(state).or_else(|| of(None)).cloned()
    }
}
