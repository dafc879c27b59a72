//! The lines of draft invoices: adding, changing and removing them.

use serde_json::Value;

use super::errors::{Answer, ApiError, refuse_param};
use super::lists::inner;
use super::params::metadata;
use super::status;
use super::value::{get, list, opt, owned, text};
use super::{Call, Core};

/// `GET /v1/invoices/{invoice}/lines`
pub(super) fn index(core: &mut Core, call: &Call) -> Answer {
    // The lines of a preview can be read too, though the preview itself can't.
    if let Some(lines) = core.previews.lines_of(call.id()).and_then(Value::as_array) {
        return core.page_of(call, "line_item", lines.iter().collect());
    }
    let invoice = core.need_path("invoice", call.id(), "invoice")?;
    core.page_of(call, "line_item", inner(&invoice, "lines").iter().collect())
}

/// `POST /v1/invoices/{invoice}/add_lines`: each line is an invoice item of the draft.
pub(super) fn add(core: &mut Core, call: &Call) -> Answer {
    core.edit_lines(call, |core, invoice| {
        for (index, line) in list(&call.params, "lines").iter().enumerate() {
            let named = format!("lines[{index}]");
            if let Some(item) = opt(line, "invoice_item") {
                core.take_item(invoice, item, &named)?;
                continue;
            }
            let mut params = line.clone();
            for name in ["customer", "currency"] {
                params[name] = invoice[name].clone();
            }
            params["invoice"] = invoice["id"].clone();
            core.new_invoice_item(&params, &named)?;
        }
        Ok(())
    })
}

/// `POST /v1/invoices/{invoice}/update_lines`
pub(super) fn update_all(core: &mut Core, call: &Call) -> Answer {
    core.edit_lines(call, |core, invoice| {
        for (index, line) in list(&call.params, "lines").iter().enumerate() {
            let item = item_of(invoice, text(line, "id"))?;
            core.change_invoice_item(&item, line, &format!("lines[{index}]"))?;
        }
        Ok(())
    })
}

/// `POST /v1/invoices/{invoice}/lines/{line_item_id}`
pub(super) fn update_one(core: &mut Core, call: &Call) -> Answer {
    let id = call.ids.get(1).map_or("", String::as_str);
    let invoice = core.edit_lines(call, |core, invoice| {
        let item = item_of(invoice, id)?;
        core.change_invoice_item(&item, &call.params, "")
    })?;
    let line = inner(&invoice, "lines")
        .iter()
        .find(|line| line["id"] == id);
    Ok(line.cloned().unwrap_or_default())
}

/// `POST /v1/invoices/{invoice}/remove_lines`: an item is deleted, or waits for another invoice.
pub(super) fn remove(core: &mut Core, call: &Call) -> Answer {
    core.edit_lines(call, |core, invoice| {
        for line in list(&call.params, "lines") {
            let item = item_of(invoice, text(line, "id"))?;
            if text(line, "behavior") == "delete" {
                let item = core.need("invoiceitem", &item, "invoiceitem")?;
                core.delete_invoice_item(&item)?;
                continue;
            }
            core.modify(&item, |row| row["invoice"] = Value::Null);
            core.modify(text(invoice, "id"), |row| {
                if let Some(lines) = row["lines"]["data"].as_array_mut() {
                    lines.retain(|one| one["id"] != line["id"]);
                }
            });
        }
        Ok(())
    })
}

/// The invoice item behind a line. The lines of a period have none and cannot be edited.
fn item_of(invoice: &Value, line: &str) -> Answer<String> {
    let mut lines = inner(invoice, "lines").iter();
    let Some(found) = lines.find(|one| one["id"] == line) else {
        let message = format!("No such invoice line item: '{line}'");
        return refuse_param("resource_missing", "line_item_id", message);
    };
    let own = opt(found, "parent.invoice_item_details.invoice_item")
        .or_else(|| opt(found, "parent.subscription_item_details.invoice_item"));
    own.map(str::to_owned).ok_or_else(not_editable)
}

fn not_editable() -> Box<ApiError> {
    let message = "Invalid invoice: This invoice is no longer editable";
    ApiError::bad("invoice_not_editable", "", message)
}

impl Core {
    /// Edits the lines of the draft in the path, updates its totals and emits the event.
    fn edit_lines(
        &mut self,
        call: &Call,
        edit: impl FnOnce(&mut Core, &Value) -> Answer<()>,
    ) -> Answer {
        let before = self.need_path("invoice", call.id(), "invoice")?;
        if !status::is_draft(&before) {
            return Err(not_editable());
        }
        edit(self, &before)?;
        let mut after = self.need_path("invoice", call.id(), "invoice")?;
        after["metadata"] = metadata(&after["metadata"], get(&call.params, "invoice_metadata"))?;
        self.update_totals(&mut after);
        self.store.put(call.id(), after);
        self.emit_change("invoice.updated", call.id(), &before);
        self.need_path("invoice", call.id(), "invoice")
    }

    /// Puts a pending item of the customer on a draft.
    fn take_item(&mut self, invoice: &Value, item: &str, named: &str) -> Answer<()> {
        let param = format!("{named}[invoice_item]");
        let row = self.need("invoiceitem", item, &param)?;
        if row["customer"] != invoice["customer"] || !row["invoice"].is_null() {
            let message =
                "The invoice item must be pending and belong to the customer of the invoice.";
            return refuse_param("", &param, message);
        }
        let customer = owned(invoice, "customer");
        let pending = self.pending_items(&customer, None);
        let draft = pending
            .iter()
            .find(|draft| draft.invoice_item.as_deref() == Some(item));
        let Some(draft) = draft else {
            return Err(self.missing("invoiceitem", item, &param));
        };
        self.add_line(text(invoice, "id"), item, draft);
        Ok(())
    }
}
