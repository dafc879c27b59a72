//! The parts that pages share. Each renders itself, escaped, so that a template writes
//! `{{ badge }}` and cannot forget anything.

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

/// News about the account: what happened, what it means, what to do.
#[derive(Clone, Debug, Template)]
#[template(path = "components/banner.html")]
pub struct Banner {
    pub kind: Kind,
    pub title: String,
    /// What it means, and what happens next automatically.
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

/// How much of a limit is used. A native element, so it works without script and is announced.
#[derive(Clone, Debug, Template)]
#[template(path = "components/meter.html")]
pub struct Meter {
    /// What is counted: "Calls this period".
    pub label: String,
    /// What is read: "7,988 of 10,000".
    pub text: String,
    /// How many are used, at most `max`: the bar cannot be more than full.
    pub value: u64,
    pub max: u64,
    /// From here on the bar is amber.
    pub low: u64,
    /// From here on the bar is red.
    pub high: u64,
}

impl HtmlSafe for Meter {}

impl Meter {
    /// Amber from 70% and red from 95% of the limit.
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
    /// The line under which the others add up.
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

/// A number with a heading and a line beneath, as in the strip on top of a page.
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
    /// What was bought: "Pro, 15 Nov to 15 Dec".
    pub title: String,
    pub kind: String,
    pub amount: String,
    pub badge: Badge,
    /// The receipt, or why there is none yet.
    pub receipt: Receipt,
}

/// Where the receipt of a payment is.
#[derive(Clone, Debug)]
pub enum Receipt {
    Link(String),
    /// Not yet, or never; says why.
    None(String),
}

/// Steps through a long list by cursor; there are no page numbers to go stale.
#[derive(Clone, Debug, Default, Template)]
#[template(path = "components/pager.html")]
pub struct Pager {
    /// What is shown: "50 of 1,284 transactions".
    pub summary: String,
    /// Back to the newest rows.
    pub newest: Option<String>,
    /// The next older rows.
    pub older: Option<String>,
}

impl HtmlSafe for Pager {}

/// Shown where a list would be, when there is nothing in it.
#[derive(Clone, Debug, Template)]
#[template(path = "components/empty.html")]
pub struct Empty {
    pub icon: Icon,
    pub title: String,
    /// When it will be there.
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
    /// The choices of a list with the current one selected.
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
    /// How many rows it has, when that is known.
    pub count: Option<String>,
    pub href: String,
    pub current: bool,
}

/// What happened to a thing, one line.
#[derive(Clone, Debug)]
pub struct TimelineEntry {
    /// Good, bad, to look at, or neither.
    pub kind: Kind,
    pub title: String,
    /// More about it, or the id it concerns.
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
