//! Parts of pages that a host application can embed.

use askama::Template;

use crate::chart::Chart;
use crate::components::Prose;
use crate::invoices::InvoiceRow;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug, Template)]
#[template(path = "fragments/credit_balance.html")]
pub struct CreditBalance {
    /// For example "1,228".
    pub available: String,
    /// For example "12"; `None` when nothing is held.
    pub held: Option<String>,
    /// For example "500 expire on 15 Dec 2026"; `None` when nothing expires soon.
    pub expiring: Option<Prose>,
    /// A word for the state if credits are low or used up.
    pub state: Option<String>,
    /// The full URL of the credits page.
    pub add_url: String,
}

#[derive(Clone, Debug, Template)]
#[template(path = "fragments/payment_method.html")]
pub struct PaymentMethodFragment {
    /// For example "Visa ending 4242"; `None` when there is no card.
    pub name: Option<String>,
    /// For example "Expires 08/2028".
    pub expires: String,
    /// What to do if the card expires within 30 days or has expired.
    pub warning: Option<String>,
    /// The full URL of the billing page.
    pub update_url: String,
}

#[derive(Clone, Debug, Template)]
#[template(path = "fragments/invoice_list.html")]
pub struct InvoiceList {
    /// The rows, newest first.
    pub rows: Vec<InvoiceRow>,
    /// The cursor for requesting older invoices with `after`; `None` when there are none.
    pub last: Option<String>,
}

/// A chart of an account's usage, with the numbers in a table.
#[derive(Clone, Debug, Template)]
#[template(path = "fragments/usage_chart.html")]
pub struct UsageChart {
    /// The chart; `None` while there is no usage.
    pub chart: Option<Chart>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_a_part_of_a_page_without_style_script_or_power_of_markup() {
        let balances = CreditBalance::samples()
            .into_iter()
            .map(|(_, part)| part.render());
        let methods = PaymentMethodFragment::samples()
            .into_iter()
            .map(|(_, part)| part.render());

        let invoices = InvoiceList::samples()
            .into_iter()
            .map(|(_, part)| part.render());
        let charts = UsageChart::samples()
            .into_iter()
            .map(|(_, part)| part.render());

        let all = balances.chain(methods).chain(invoices).chain(charts);
        for html in all.map(Result::unwrap) {
            assert!(html.starts_with("<section class=\"lbx-"), "{html}");
            for never in ["<html", "style=", "<script", "<img"] {
                assert!(!html.contains(never), "{html}");
            }
        }
    }

    #[test]
    fn the_balance_tells_what_is_held_and_what_expires_soon() {
        let (_, low) = CreditBalance::samples().remove(1);

        let html = low.render().unwrap();

        assert!(
            html.contains("12 held") && html.contains("500 expire on"),
            "{html}"
        );
    }
}
