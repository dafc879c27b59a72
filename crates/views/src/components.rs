//! Components that pages share. Each renders itself, escaped, so a template only has to write
//! `{{ badge }}`.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::format::When;
use crate::icons::Icon;
use crate::links::filters;

mod action;
mod badge;
mod json;
mod prose;

pub use action::{Action, Look, Target};
pub use badge::{Badge, Kind};
pub use json::Json;
pub use prose::Prose;

/// A message about the account: what happened, what it means, what to do.
#[derive(Clone, Debug, Template)]
#[template(path = "components/banner.html")]
pub struct Banner {
    pub kind: Kind,
    pub title: String,
    /// What it means, and what happens automatically next.
    pub text: Prose,
    pub actions: Vec<Action>,
}

impl HtmlSafe for Banner {}

impl Banner {
    pub fn new(kind: Kind, title: impl Into<String>, text: impl Into<Prose>) -> Self {
        Self {
            kind,
            title: title.into(),
            text: text.into(),
            actions: Vec::new(),
        }
    }

    pub fn with(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    fn icon(&self) -> Icon {
        match self.kind {
            Kind::Warn | Kind::Bad => Icon::Alert,
            Kind::Ok => Icon::Check,
            Kind::Plain | Kind::Info | Kind::Accent => Icon::Info,
        }
    }
}

/// How much of a limit is used. A native element, so it works without script and with screen
/// readers.
#[derive(Clone, Debug, Template)]
#[template(path = "components/meter.html")]
pub struct Meter {
    /// The label: "Calls this period".
    pub label: String,
    /// The value as text: "7,988 of 10,000".
    pub text: String,
    /// The used amount, at most `max`, so that the bar is never more than full.
    pub value: u64,
    pub max: u64,
    /// The bar is amber from this value on.
    pub low: u64,
    /// The bar is red from this value on.
    pub high: u64,
}

impl HtmlSafe for Meter {}

impl Meter {
    /// A meter that is amber from 70% and red from 95% of the limit.
    pub fn new(label: impl Into<String>, text: impl Into<String>, value: u64, limit: u64) -> Self {
        let max = limit.max(1);
        let share = |percent: u64| {
            let part = u128::from(max) * u128::from(percent) / 100;
            u64::try_from(part).expect("a share is at most the whole")
        };
        Self {
            label: label.into(),
            text: text.into(),
            value: value.min(max),
            max,
            low: share(70),
            high: share(95),
        }
    }
}

/// A name and its value, as in an order summary.
#[derive(Clone, Debug)]
pub struct Fact {
    pub name: String,
    pub value: Prose,
    /// Whether it is the total of the others.
    pub total: bool,
}

impl Fact {
    pub fn new(name: impl Into<String>, value: impl Into<Prose>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            total: false,
        }
    }

    pub fn total(name: impl Into<String>, value: impl Into<Prose>) -> Self {
        Self {
            total: true,
            ..Self::new(name, value)
        }
    }
}

/// A number with a heading and a line below, for the strip at the top of a page.
#[derive(Clone, Debug)]
pub struct Stat {
    pub name: String,
    pub value: String,
    pub note: String,
}

impl Stat {
    pub fn new(name: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            note: note.into(),
        }
    }
}

/// One payment or refund in the account's history.
#[derive(Clone, Debug)]
pub struct TransactionRow {
    pub when: When,
    /// The product: "Pro, 15 Nov to 15 Dec".
    pub title: String,
    pub kind: String,
    pub amount: String,
    pub badge: Badge,
    /// The receipt, or the reason why there is none.
    pub receipt: Receipt,
}

/// The receipt of a payment.
#[derive(Clone, Debug)]
pub enum Receipt {
    Link(String),
    /// There is none, at least not yet; the text says why.
    None(String),
}

/// Cursor-based navigation of a long list; unlike page numbers, cursors don't become outdated.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "components/pager.html")]
pub struct Pager {
    /// The displayed part of the list: "50 of 1,284 transactions".
    pub summary: String,
    /// The link to the newest rows.
    pub newest: Option<String>,
    /// The link to the next older rows.
    pub older: Option<String>,
}

impl HtmlSafe for Pager {}

/// Shown in place of an empty list.
#[derive(Clone, Debug, Template)]
#[template(path = "components/empty.html")]
pub struct Empty {
    pub icon: Icon,
    pub title: String,
    /// When there will be entries.
    pub text: String,
    pub action: Option<Action>,
}

impl HtmlSafe for Empty {}

#[derive(Clone, Debug)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub selected: bool,
}

impl Choice {
    /// Makes the choices of a list with the current one selected.
    pub fn list(choices: &[(&str, &str)], current: &str) -> Vec<Self> {
        let choice = |&(value, label): &(&str, &str)| Self {
            value: value.to_owned(),
            label: label.to_owned(),
            selected: value == current,
        };
        choices.iter().map(choice).collect()
    }
}

/// A saved view above a list.
#[derive(Clone, Debug)]
pub struct Tab {
    pub label: String,
    /// The number of rows, if known.
    pub count: Option<String>,
    pub href: String,
    pub current: bool,
}

/// One entry in the history of an object.
#[derive(Clone, Debug)]
pub struct TimelineEntry {
    /// Success, failure, warning or neutral.
    pub kind: Kind,
    pub title: String,
    /// Further details, or the id of the object concerned.
    pub detail: Option<String>,
    pub when: When,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_text_has_no_power_in_any_part() {
        let evil = "<script>alert(1)</script>\"'&";

        let parts = [
            Badge::bad(evil).to_string(),
            Banner::new(Kind::Bad, evil, evil)
                .with(Action::link(evil, evil))
                .to_string(),
            Prose::new(evil)
                .strong(evil)
                .code(evil)
                .link(evil, evil)
                .to_string(),
            Action::post(evil, evil)
                .field(evil, evil)
                .spoken(evil)
                .to_string(),
            Json::new(evil).to_string(),
            Json::new(r#"{"<b>": "<script>", "l": ["<i>", 1]}"#).to_string(),
        ];

        for part in parts {
            assert!(!part.contains("<script"), "{part}");
            assert!(!part.contains("<b>") && !part.contains("<i>"), "{part}");
        }
    }

    #[test]
    fn a_meter_beyond_its_limit_is_full() {
        let meter = Meter::new("Calls", "12 of 10", 12, 10);

        assert_eq!((meter.value, meter.max), (10, 10));
        assert_eq!(
            Meter::new("Calls", "", u64::MAX, u64::MAX).low,
            u64::MAX / 10 * 7 + 3
        );
    }
}
