//! The codes of countries.

use serde_json::Value;

use super::errors::{Answer, refuse_param};
use super::params::inside;
use super::value::opt;

/// Whether a text is a country's code of two letters (ISO 3166-1 alpha-2).
pub fn is_country(code: &str) -> bool {
    const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM \
        BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ \
        DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR \
        GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN \
        KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR \
        MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR \
        PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ \
        TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS \
        XK YE YT ZA ZM ZW";
    CODES.split_whitespace().any(|one| one == code)
}

/// The country of an address, if its code is known. Customers can have any text as their country,
/// but tax is only calculated for a code. <https://github.com/stripe/stripe-node/issues/1680>
pub fn country_of(address: &Value) -> Option<&str> {
    opt(address, "country").filter(|code| is_country(code))
}

/// Refuses a country whose code is not known. The wording is from
/// <https://github.com/stripe/stripe-ios/issues/1985>.
pub fn check_country(country: Option<&str>, param: &str) -> Answer<()> {
    let Some(country) = country.filter(|code| !is_country(&code.to_uppercase())) else {
        return Ok(());
    };
    let message = format!(
        "Country '{country}' is unknown. Try using a 2-character alphanumeric country code instead, such as 'US', 'EG', or 'GB'. A full list of country codes is available at https://en.wikipedia.org/wiki/ISO_3166-1_alpha-2#Officially_assigned_code_elements"
    );
    refuse_param("", param, message)
}

/// Refuses an unknown country in the billing details of a payment method.
pub fn check_billing_country(sent: &Value, outer: &str) -> Answer<()> {
    let param = format!("{}[address][country]", inside(outer, "billing_details"));
    check_country(opt(sent, "billing_details.address.country"), &param)
}
