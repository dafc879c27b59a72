//! Discounts and the coupons that they redeem.

use super::{Expandable, or_default};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A discount of a customer, a subscription or an item.
///
/// Since clover, the coupon is in `source`. Use [`coupon`](Self::coupon), which reads every version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Discount {
    /// The id, `di_...`.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// The end of a repeating discount, in seconds since 1970.
    pub end: Option<i64>,
    #[serde(default, rename = "coupon")]
    top_coupon: Expandable<Coupon>,
    source: Option<DiscountSource>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct DiscountSource {
    #[serde(default)]
    coupon: Expandable<Coupon>,
}

impl Discount {
    /// The coupon, wherever the version keeps it.
    #[must_use]
    pub fn coupon(&self) -> &Expandable<Coupon> {
        match &self.source {
            Some(source) => source.coupon.or(&self.top_coupon),
            None => &self.top_coupon,
        }
    }
}

/// A coupon: what a discount takes off, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Coupon {
    /// The id.
    pub id: String,
    /// How long it applies: `once`, `repeating` or `forever`.
    pub duration: Option<String>,
    /// The percentage that is taken off, in ten-thousandths of a percent.
    #[serde(default, deserialize_with = "ten_thousandths")]
    pub percent_off: Option<i64>,
    /// The amount that is taken off, in minor units.
    pub amount_off: Option<i64>,
    /// The currency of `amount_off`.
    pub currency: Option<String>,
    /// The products that it applies to, if it is limited. Only included if it is expanded.
    pub applies_to: Option<CouponProducts>,
}

/// The products that a coupon applies to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CouponProducts {
    /// The ids of the products.
    #[serde(default, deserialize_with = "or_default")]
    pub products: Vec<String>,
}

/// Reads a number with decimals from its text, never through a float.
fn ten_thousandths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Value::Number(number) = Value::deserialize(deserializer)? else {
        return Ok(None);
    };
    let text = number.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = format!("{decimals:0<4}");
    let value = whole
        .parse::<i64>()
        .ok()
        .zip(
            decimals
                .get(..4)
                .and_then(|digits| digits.parse::<i64>().ok()),
        )
        .and_then(|(whole, part)| whole.checked_mul(10_000)?.checked_add(part));
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_coupon_is_read_wherever_the_version_keeps_it() {
        let discount = |body: Value| serde_json::from_value::<Discount>(body).unwrap();
        let acacia =
            discount(json!({"id": "di_1", "coupon": {"id": "half", "percent_off": 33.33}}));
        let dahlia =
            discount(json!({"id": "di_1", "source": {"type": "coupon", "coupon": "half"}}));

        assert_eq!(acacia.coupon().id(), Some("half"));
        assert_eq!(acacia.coupon().get().unwrap().percent_off, Some(333_300));
        assert_eq!(dahlia.coupon().id(), Some("half"));
    }
}
