//! Samples of `keys`: empty, typical and worst.

use super::*;
use crate::components::{Badge, Choice};
use crate::format;
use crate::layout::Nav;
use crate::samples;
use crate::samples::EVIL;
use crate::samples::LONG;
use crate::samples::NOW;
use crate::samples::day;

impl KeysPage {
    /// No keys, some, a new one, a rejected name, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        all()
    }
}

#[expect(clippy::too_many_lines, reason = "a table of samples")]
pub fn all() -> Vec<(&'static str, KeysPage)> {
    let typical = || KeysPage {
        shell: samples::customer_in_test_mode(Nav::Keys),
        created: None,
        keys: vec![
            key("key_1", "prod-web", "Spend credits", true),
            key("key_2", "host-application", "Act for any account", true),
            key("key_3", "old-laptop", "Spend credits", false),
            KeyRow {
                badge: Badge::warn("Stopped: its creator left"),
                ..key("key_4", "noahs-script", "Spend credits", false)
            },
        ],
        form: KeyForm::empty(true),
        new_limit: Some(new_limit()),
        full: None,
    };
    let empty = KeysPage {
        keys: Vec::new(),
        form: KeyForm::empty(false),
        new_limit: None,
        ..typical()
    };
    let created = KeysPage {
        created: Some(NewKey {
            name: "prod-web".to_owned(),
            secret: "lbx_test_8fK2mN4pQ6rS8tV0wX2yZ4aB6cD8eF0g".to_owned(),
            example: "curl -X POST http://127.0.0.1:3000/api/v1/debits \\\n  -H \
                      \"Authorization: Bearer lbx_test_8fK2mN4pQ6rS8tV0wX2yZ4aB6cD8eF0g\" \
                      \\\n  -H \"Idempotency-Key: first-call\" \\\n  -H \"Content-Type: \
                      application/json\" \\\n  -d '{\"credits\": 1}'"
                .to_owned(),
        }),
        ..typical()
    };
    let refused = KeysPage {
        form: KeyForm {
            name: "prod-web".to_owned(),
            name_error: Some("Another key already has this name.".to_owned()),
            ..KeyForm::empty(true)
        },
        ..typical()
    };
    let limit_refused = KeysPage {
        new_limit: Some(NewLimit {
            credits: "-1".to_owned(),
            error: Some((
                "credits".to_owned(),
                "credits must be between 0 and 9.".to_owned(),
            )),
            ..new_limit()
        }),
        ..typical()
    };
    let worst = KeysPage {
        shell: samples::worst(Nav::Keys),
        created: Some(NewKey {
            name: EVIL.to_owned(),
            secret: "x".repeat(200),
            example: EVIL.to_owned(),
        }),
        keys: vec![key("\"><script>", &format!("{LONG} {EVIL}"), EVIL, true); 50],
        form: KeyForm {
            name: EVIL.to_owned(),
            name_error: Some(EVIL.to_owned()),
            ..KeyForm::empty(true)
        },
        new_limit: Some(NewLimit {
            subjects: Choice::list(&[("\"><script>", EVIL)], ""),
            credits: EVIL.to_owned(),
            error: Some(("credits".to_owned(), EVIL.to_owned())),
            ..new_limit()
        }),
        full: Some(EVIL.to_owned()),
    };
    vec![
        ("empty", empty),
        ("typical", typical()),
        ("created", created),
        ("refused", refused),
        ("limit-refused", limit_refused),
        ("worst", worst),
    ]
}

fn new_limit() -> NewLimit {
    let keys = [("key:key_1", "prod-web (lbx_test_8fK2\u{2026})")];
    NewLimit::new(Choice::list(&keys, ""))
}

fn key(id: &str, name: &str, scope: &str, active: bool) -> KeyRow {
    KeyRow {
        id: id.to_owned(),
        name: name.to_owned(),
        prefix: "lbx_test_8fK2\u{2026}".to_owned(),
        scope: scope.to_owned(),
        created: day(-30),
        last_used: active.then(|| format::moment(NOW)),
        badge: if active {
            Badge::ok("Active")
        } else {
            Badge::plain("Revoked")
        },
        active,
        limits: match (active, scope) {
            (true, "Act for any account") | (false, _) => Vec::new(),
            (true, _) => vec![KeyLimit {
                id: "limit_1".to_owned(),
                limit: "500 credits a day".to_owned(),
                left: "350".to_owned(),
            }],
        },
    }
}
