//! Samples of `invoices`: empty, typical and worst.

use super::*;
use crate::components::{Badge, Pager};
use crate::format;
use crate::layout::Nav;
use crate::samples::day;

impl InvoicesPage {
    pub fn samples() -> Vec<(&'static str, Self)> {
        use crate::samples;
        use crate::samples::EVIL;
        use crate::samples::LONG;

        let empty = Self {
            shell: samples::customer(Nav::Billing),
            lead: "Invoices of Acme Robotics".to_owned(),
            rows: Vec::new(),
            pager: Pager::default(),
        };
        let some = Self {
            shell: samples::customer_in_test_mode(Nav::Billing),
            rows: sample_rows(),
            pager: Pager {
                summary: "3 invoices".to_owned(),
                newest: None,
                older: Some(format!("{INVOICES}?after=in_3")),
            },
            ..empty.clone()
        };
        let row = InvoiceRow {
            number: format!("{LONG} {EVIL}"),
            amount: format::money(i64::MAX, "kwd", 3),
            discount: Some(EVIL.to_owned()),
            credits: vec![EVIL.to_owned(), LONG.to_owned()],
            badge: Badge::bad(EVIL),
            url: Some("https://x.example/\"><script>".to_owned()),
            pdf: Some("https://x.example/\"><script>".to_owned()),
            ..sample_rows().remove(0)
        };
        let worst = Self {
            shell: samples::worst(Nav::Billing),
            lead: EVIL.to_owned(),
            rows: vec![row; ROWS],
            pager: Pager::default(),
        };
        vec![("empty", empty), ("typical", some), ("worst", worst)]
    }
}

/// Rows shared by the samples.
pub(crate) fn sample_rows() -> Vec<InvoiceRow> {
    let row = |number: &str, days, amount: &str, status: &str| InvoiceRow {
        number: number.to_owned(),
        when: day(days),
        amount: amount.to_owned(),
        discount: None,
        credits: Vec::new(),
        badge: badge(status),
        url: Some("https://invoice.stripe.example/i/1".to_owned()),
        pdf: Some("https://invoice.stripe.example/i/1/pdf".to_owned()),
    };
    let mut rows = vec![
        row("A1B2-0003", -1, "$23.00", "open"),
        row("A1B2-0002", -7, "$19.00", "paid"),
        row("A1B2-0001", -38, "$9.50", "paid"),
    ];
    rows[2].discount = Some("$9.50 off".to_owned());
    rows[1].credits = vec!["$5.00 credited: A1B2-0002-CN-01".to_owned()];
    rows
}
