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
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("PRO"), "{faults:?}");
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
