use super::*;
use crate::units::{UNITS_MAX, Units};

const TEXT: &str = include_str!("../../../../catalog.toml");

#[test]
fn the_demos_catalog_is_valid() {
    let catalog = Catalog::parse(TEXT).unwrap();

    assert_eq!(catalog.free().name, "FREE");
    assert_eq!(
        catalog.tier("PRO").unwrap().price,
        Some(MinorUnits::new(1900, Currency::USD))
    );
    assert_eq!(catalog.pack(5000).unwrap().price.amount, 500);
    assert_eq!(
        catalog.price("embeddings", Some(&Quantity::Units(Units::whole(3)))),
        Ok(Priced {
            credits: Credits::from_micros(300_000),
            units: Quantity::Units(Units::whole(3)),
        })
    );
}

#[test]
fn case_k21_a_price_that_stripe_cannot_charge_is_a_fault() {
    let in_currency = |currency: &str, price: &str, other: &str| {
        let text = TEXT.replace("\"usd\"", &format!("{currency:?}"));
        let text = text.replace("\"19.00\"", &format!("{price:?}"));
        let mut text = text.replace("\"49.00\"", &format!("{other:?}"));
        text = text.replace("\"190.00\"", &format!("{price:?}"));
        text = text.replace("\"490.00\"", &format!("{other:?}"));
        for pack in ["0.50", "1.00", "5.00", "10.00"] {
            text = text.replace(&format!("{pack:?}"), &format!("{other:?}"));
        }
        Catalog::parse(&text)
    };

    assert!(in_currency("jpy", "1900", "4900").is_ok());
    assert!(in_currency("isk", "1900", "4900.00").is_ok());
    assert!(in_currency("kwd", "5.75", "14.990").is_ok());
    for (currency, price, other) in [
        ("jpy", "19.00", "49"),
        ("isk", "19.50", "49"),
        ("kwd", "5.755", "14.99"),
    ] {
        let faults = in_currency(currency, price, other).unwrap_err();
        // The price of a month and that of a year.
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(
            faults.iter().all(|fault| fault.contains("\"PRO\"")),
            "{faults:?}"
        );
        assert!(faults[1].contains("price_yearly"), "{faults:?}");
    }
}

#[test]
fn all_faults_are_reported_together() {
    let text = "currency = \"dollars\"\n[[tier]]\nname = \"pro\"\ntitle = \"Pro\"\nprice = \"1.999\"\nallowance = \"x\"\n";

    let faults = Catalog::parse(text).unwrap_err();

    assert_eq!(faults.len(), 6, "{faults:?}");
}

#[test]
fn a_trial_has_days_and_a_price_after_it() {
    let with =
        |days: &str| TEXT.replace("price = \"19.00\"", &format!("price = \"19.00\"\n{days}"));

    let catalog = Catalog::parse(&with("trial_days = 14")).unwrap();
    assert_eq!(catalog.tier("PRO").unwrap().trial_days, Some(14));
    assert_eq!(catalog.tier("FREE").unwrap().trial_days, None);
    for wrong in ["trial_days = 0", "trial_days = 731"] {
        assert_eq!(
            Catalog::parse(&with(wrong)).unwrap_err().len(),
            1,
            "{wrong}"
        );
    }
    let free = TEXT.replace("price = \"0\"", "price = \"0\"\ntrial_days = 7");
    assert_eq!(Catalog::parse(&free).unwrap_err().len(), 1);
}

#[test]
fn a_call_of_too_much_or_of_an_unknown_operation_has_no_price() {
    let catalog = Catalog::parse(TEXT).unwrap();

    for units in [-1, UNITS_MAX + 1] {
        let units = Quantity::Units(Units::whole(units));
        assert_eq!(catalog.price("call", Some(&units)), Err(PriceError::Units));
    }
    let unknown = PriceError::UnknownOperation("x".to_owned());
    assert_eq!(catalog.price("x", None), Err(unknown));
}

#[test]
fn a_plan_is_sold_by_the_month_and_by_the_year() {
    let catalog = Catalog::parse(TEXT).unwrap();
    let pro = catalog.tier("PRO").unwrap();
    let dollars = |cents| Some(MinorUnits::new(cents, Currency::USD));

    assert_eq!(pro.price_by(Interval::Month), dollars(1_900));
    assert_eq!(pro.price_by(Interval::Year), dollars(19_000));
    assert_eq!(pro.lookup_key_by(Interval::Month), "lbx_tier_pro");
    assert_eq!(pro.lookup_key_by(Interval::Year), "lbx_tier_pro_yearly");
    // A catalog without yearly prices stays valid.
    let old = TEXT.replace("price_yearly = \"190.00\"\n", "");
    let old = Catalog::parse(&old).unwrap();
    assert_eq!(old.tier("PRO").unwrap().price_by(Interval::Year), None);
    assert_eq!(old.free().price_by(Interval::Year), None);
}

#[test]
fn months_are_free_only_if_they_are_by_computation() {
    let saving = |year: &str| {
        let text = TEXT.replace("\"190.00\"", &format!("{year:?}"));
        Catalog::parse(&text).unwrap().tier("PRO").unwrap().saving()
    };

    assert_eq!(saving("190.00"), Some(Saving::Months(2)));
    assert_eq!(saving("209.00"), Some(Saving::Months(1)));
    let rest = MinorUnits::new(2_900, Currency::USD);
    assert_eq!(saving("199.00"), Some(Saving::Amount(rest)));
    assert_eq!(saving("228.00"), None);
    assert_eq!(saving("240.00"), None);
}

#[test]
fn a_faulty_yearly_price_names_its_tier() {
    for (from, to, tier) in [
        ("\"190.00\"", "\"0\"", "PRO"),
        ("\"190.00\"", "\"abc\"", "PRO"),
        ("\"190.00\"", "\"-5\"", "PRO"),
        (
            "price = \"0\"",
            "price = \"0\"\nprice_yearly = \"10.00\"",
            "FREE",
        ),
        (
            "allowance = \"50000\"",
            "allowance = \"50000\"\nprice_yearly = \"9.00\"",
            "ENTERPRISE",
        ),
    ] {
        let faults = Catalog::parse(&TEXT.replace(from, to)).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        let name = format!("tier \"{tier}\": price_yearly");
        assert!(faults[0].contains(&name), "{faults:?}");
    }
}
