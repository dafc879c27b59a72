//! Samples of `fragments`: empty, typical and worst.

use super::*;
use crate::components::Prose;
use crate::invoices;

impl InvoiceList {
    /// With rows, without rows, and with markup.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let some = Self {
            rows: invoices::samples::sample_rows(),
            last: Some("in_3".to_owned()),
        };
        let none = Self {
            rows: Vec::new(),
            last: None,
        };
        let mut worst = some.clone();
        worst.rows[0].number = crate::samples::EVIL.to_owned();
        worst.last = Some("\"><script>".to_owned());
        vec![("some", some), ("none", none), ("worst", worst)]
    }
}

impl UsageChart {
    /// A month of usage, and none.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let month = Self {
            chart: Some(crate::billing::samples::sample_chart()),
        };
        vec![("month", month), ("nothing", Self { chart: None })]
    }
}

impl CreditBalance {
    /// Many credits, few credits, and markup.
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples::EVIL;
        use crate::samples::day;

        let plenty = Self {
            available: "12,228".to_owned(),
            held: None,
            expiring: None,
            state: None,
            add_url: "https://billing.example/dashboard/billing/credits".to_owned(),
        };
        let low = Self {
            available: "1,228".to_owned(),
            held: Some("12".to_owned()),
            expiring: Some(Prose::new("500 expire on ").time(day(7))),
            state: Some("Low".to_owned()),
            ..plenty.clone()
        };
        let worst = Self {
            held: Some(EVIL.to_owned()),
            state: Some(EVIL.to_owned()),
            add_url: "https://x.example/\"><script>".to_owned(),
            ..low.clone()
        };
        vec![("plenty", plenty), ("low", low), ("worst", worst)]
    }
}

impl PaymentMethodFragment {
    /// A card, an expiring card, no card.
    pub fn samples() -> Vec<(&'static str, Self)> {
        let card = Self {
            name: Some("Visa ending 4242".to_owned()),
            expires: "Expires 08/2028".to_owned(),
            warning: None,
            update_url: "https://billing.example/dashboard/billing".to_owned(),
        };
        let expiring = Self {
            warning: Some("This card expires soon. Update it to keep your plan.".to_owned()),
            ..card.clone()
        };
        let none = Self {
            name: None,
            ..card.clone()
        };
        vec![("card", card), ("expiring", expiring), ("none", none)]
    }
}
