//! `/dashboard/keys`: API keys.

use askama::Template;

use crate::components::{Action, Badge, Choice};
use crate::format::When;
use crate::icons::Icon;
use crate::layout::{Shell, page};
use crate::links::filters;
use crate::settings::NewLimit;

#[cfg(any(test, feature = "samples"))]
mod samples;

pub const KEYS: &str = "/dashboard/keys";

/// The list of keys, the form for a new one, and a newly created one.
#[derive(Clone, Debug, Template)]
#[template(path = "keys.html")]
pub struct KeysPage {
    pub shell: Shell,
    /// The newly created key, which is never shown again.
    pub created: Option<NewKey>,
    /// The keys, newest first.
    pub keys: Vec<KeyRow>,
    pub form: KeyForm,
    /// The form that limits a key; `None` if there is no key to limit, or the reader may not.
    pub new_limit: Option<NewLimit>,
    /// Why no more keys can be created, if so.
    pub full: Option<String>,
}

page!(KeysPage);

#[derive(Clone, Debug)]
pub struct NewKey {
    pub name: String,
    /// The secret key: "`lbx_test`_...".
    pub secret: String,
    /// An example call that uses it.
    pub example: String,
}

#[derive(Clone, Debug)]
pub struct KeyRow {
    pub id: String,
    pub name: String,
    /// The part of it that isn't secret: "`lbx_test_8fK2`…".
    pub prefix: String,
    /// The permissions, in words: "Spend credits".
    pub scope: String,
    pub created: When,
    pub last_used: Option<When>,
    /// For example "Active", "Revoked".
    pub badge: Badge,
    pub active: bool,
    pub limits: Vec<KeyLimit>,
}

/// The spend limit of a key in a window.
#[derive(Clone, Debug)]
pub struct KeyLimit {
    pub id: String,
    /// For example "500 credits a day".
    pub limit: String,
    /// For example "350".
    pub left: String,
}

impl KeyLimit {
    fn remove(&self) -> Action {
        Action::post("Remove limit", format!("{KEYS}/limits/{}/remove", self.id))
            .small()
            .spoken(format!("of {}", self.limit))
    }
}

#[derive(Clone, Debug)]
pub struct KeyForm {
    pub name: String,
    pub name_error: Option<String>,
    /// The permissions to choose from (`scope`).
    pub scopes: Vec<Choice>,
}

impl KeyForm {
    /// The empty form. The `server` scope is offered only to administrators.
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
