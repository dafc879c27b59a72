//! Parts of pages for a host application to embed.

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
    /// "12"; none when nothing is held.
    pub held: Option<String>,
    /// "500 expire on 15 Dec 2026"; none when nothing expires soon.
    pub expiring: Option<Prose>,
    /// Credits are low or gone: the word that says so.
    pub state: Option<String>,
    /// The credits page, a whole address.
    pub add_url: String,
}

#[derive(Clone, Debug, Template)]
#[template(path = "fragments/payment_method.html")]
pub struct PaymentMethodFragment {
    /// "Visa ending 4242"; none says that there is no card.
    pub name: Option<String>,
    /// For example "Expires 08/2028".
    pub expires: String,
    /// It expires within 30 days, or has: what to do about it.
    pub warning: Option<String>,
    /// The billing page, a whole address.
    pub update_url: String,
}

#[derive(Clone, Debug, Template)]
#[template(path = "fragments/invoice_list.html")]
pub struct InvoiceList {
    /// The rows, newest first.
    pub rows: Vec<InvoiceRow>,
    /// The invoice to ask for older ones `after`; none when there are none.
    pub last: Option<String>,
}

/// What an account used, drawn, with the numbers as a table.
#[derive(Clone, Debug, Template)]
#[template(path = "fragments/usage_chart.html")]
pub struct UsageChart {
    /// None while nothing was used.
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
