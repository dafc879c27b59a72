//! `/dashboard/keys`: API keys.

use askama::Template;

use crate::components::{Action, Badge, Choice};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::Shell;
use crate::settings;

/// This page.
pub const KEYS: &str = "/dashboard/keys";

/// The list of keys, the form for a new one, and the new one itself.
#[derive(Clone, Debug, Template)]
#[template(path = "keys.html")]
pub struct KeysPage {
    /// The frame.
    pub shell: Shell,
    /// The key that was just made; never shown again.
    pub created: Option<NewKey>,
    /// The keys, newest first.
    pub keys: Vec<KeyRow>,
    /// The form.
    pub form: KeyForm,
    /// The form that bounds a key; none where there is no key to bound, or nobody to do it.
    pub limits: Option<LimitKey>,
    /// Why no more keys can be made, when they cannot.
    pub full: Option<String>,
}

/// A key that was just made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name.
    pub name: String,
    /// The key itself: "lbx_test_...".
    pub secret: String,
    /// A call that uses it, to try at once.
    pub example: String,
}

/// One key.
#[derive(Clone, Debug)]
pub struct KeyRow {
    /// Its id, in the addresses.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The part of it that is no secret: "lbx_test_8fK2…".
    pub prefix: String,
    /// Permissions, in words: "Spend credits".
    pub scope: String,
    /// When it was made.
    pub created: When,
    /// When it was last used.
    pub last_used: Option<When>,
    /// "Active", "Revoked".
    pub badge: Badge,
    /// It can still be revoked.
    pub active: bool,
    /// What it may spend.
    pub limits: Vec<KeyLimit>,
}

/// What a key may spend in a window.
#[derive(Clone, Debug)]
pub struct KeyLimit {
    /// Its id, in the addresses.
    pub id: String,
    /// "500 credits a day"
    pub most: String,
    /// "350"
    pub left: String,
}

impl KeyLimit {
    fn remove(&self) -> Action {
        Action::post("Remove", format!("{KEYS}/limits/{}/remove", self.id))
            .small()
            .spoken(format!("the limit of {}", self.most))
    }
}

/// The form that bounds a key.
#[derive(Clone, Debug)]
pub struct LimitKey {
    /// The keys that can be bounded (`subject`).
    pub subjects: Vec<Choice>,
    /// How long it counts (`window`).
    pub windows: Vec<Choice>,
    /// The most, as typed.
    pub credits: String,
    /// The field that is wrong, and why.
    pub error: Option<(String, String)>,
}

/// The form for a new key.
#[derive(Clone, Debug)]
pub struct KeyForm {
    /// The name, as typed.
    pub name: String,
    /// What is wrong with it.
    pub name_error: Option<String>,
    /// What the key may do (`scope`).
    pub scopes: Vec<Choice>,
}

impl KeyForm {
    /// The empty form. Only those who run the host application get the `server` scope offered.
    pub fn empty(may_make_server_keys: bool) -> Self {
        let all = [
            ("meter", "Spend credits (meter)"),
            ("server", "Any account (server)"),
        ];
        let offered = if may_make_server_keys {
            &all[..]
        } else {
            &all[..1]
        };
        Self {
            name: String::new(),
            name_error: None,
            scopes: Choice::list(offered, "meter"),
        }
    }
}

impl KeyRow {
    fn revoke(&self) -> Action {
        Action::link("Revoke", format!("/dashboard/keys/{}/revoke", self.id))
            .small()
            .spoken(&self.name)
    }
}

impl KeysPage {
    /// No keys, some, a new one, a refused name, the worst names.
    pub fn samples() -> Vec<(&'static str, Self)> {
        samples::all()
    }
}

mod samples {
    use super::*;
    use crate::format;
    use crate::layout::Nav;
    use crate::samples;
    use crate::samples::EVIL;
    use crate::samples::LONG;
    use crate::samples::NOW;
    use crate::samples::day;

    pub fn all() -> Vec<(&'static str, KeysPage)> {
        let typical = || KeysPage {
            shell: samples::customer_in_test_mode(Nav::Keys),
            created: None,
            keys: vec![
                key("key_1", "prod-web", "Spend credits", true),
                key("key_2", "host-application", "Act for any account", true),
                key("key_3", "old-laptop", "Spend credits", false),
            ],
            form: KeyForm::empty(true),
            limits: Some(bound()),
            full: None,
        };
        let empty = KeysPage {
            keys: Vec::new(),
            form: KeyForm::empty(false),
            limits: None,
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
            limits: Some(LimitKey {
                credits: "-1".to_owned(),
                error: Some((
                    "credits".to_owned(),
                    "credits must be between 0 and 9.".to_owned(),
                )),
                ..bound()
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
            limits: Some(LimitKey {
                subjects: Choice::list(&[("\"><script>", EVIL)], ""),
                credits: EVIL.to_owned(),
                error: Some(("credits".to_owned(), EVIL.to_owned())),
                ..bound()
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

    fn bound() -> LimitKey {
        let keys = [("key:key_1", "prod-web (lbx_test_8fK2\u{2026})")];
        LimitKey {
            subjects: Choice::list(&keys, ""),
            windows: settings::windows(),
            credits: String::new(),
            error: None,
        }
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
                    most: "500 credits a day".to_owned(),
                    left: "350".to_owned(),
                }],
            },
        }
    }
}
