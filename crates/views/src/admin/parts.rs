//! What operators' pages share: a page of tables, and a page with one form.

use askama::Template;

use crate::components::{Action, Banner, Choice, Fact, Pager, Prose, Stat, Tab};
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug)]
pub struct Table {
    pub title: String,
    pub columns: Vec<Column>,
    /// Its rows; as many cells as columns.
    pub rows: Vec<Vec<Prose>>,
    pub empty: String,
    /// What can be done with all of it.
    pub actions: Vec<Action>,
    pub pager: Option<Pager>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub label: &'static str,
    /// `r num` for numbers, `wide-only` for what a phone leaves out.
    pub class: &'static str,
}

impl Column {
    /// Whether this is a single-line text field.
    pub fn is_text(&self) -> bool {
        !self.class.contains("num")
    }
}

impl Table {
    /// A table of these columns: heading and class.
    pub fn new(
        title: impl Into<String>,
        columns: &[(&'static str, &'static str)],
        empty: impl Into<String>,
    ) -> Self {
        let column = |&(label, class): &(&'static str, &'static str)| Column { label, class };
        Self {
            title: title.into(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
            empty: empty.into(),
            actions: Vec::new(),
            pager: None,
        }
    }

    pub fn rows(mut self, rows: impl IntoIterator<Item = Vec<Prose>>) -> Self {
        self.rows = rows.into_iter().collect();
        self
    }

    /// The cells of a row, each with its column.
    pub fn cells<'a>(&'a self, row: &'a [Prose]) -> Vec<(&'a Column, &'a Prose)> {
        self.columns.iter().zip(row).collect()
    }
}

/// The fields that a list is narrowed by.
#[derive(Clone, Debug)]
pub struct Filters {
    pub action: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, Template)]
#[template(path = "admin/list.html")]
pub struct ListPage {
    pub shell: Shell,
    /// Where it belongs: the words and the address.
    pub crumb: Option<(String, String)>,
    pub title: String,
    pub lead: Prose,
    pub banners: Vec<Banner>,
    pub stats: Vec<Stat>,
    pub actions: Vec<Action>,
    pub filters: Option<Filters>,
    pub tables: Vec<Table>,
}

page!(ListPage);

impl ListPage {
    /// A page with nothing on it yet.
    pub fn new(shell: Shell, title: impl Into<String>, lead: impl Into<Prose>) -> Self {
        Self {
            shell,
            crumb: None,
            title: title.into(),
            lead: lead.into(),
            banners: Vec::new(),
            stats: Vec::new(),
            actions: Vec::new(),
            filters: None,
            tables: Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub enum FieldKind {
    /// The type of the input: `text`, `date`.
    Input(&'static str),
    Textarea(u8),
    Select(Vec<Choice>),
    Checkbox(bool),
}

#[derive(Clone, Debug)]
pub struct Field {
    pub name: &'static str,
    pub label: String,
    pub kind: FieldKind,
    pub value: String,
    pub required: bool,
    pub hint: &'static str,
    /// What is wrong with what was typed.
    pub error: Option<String>,
}

impl Field {
    pub fn new(name: &'static str, label: impl Into<String>, kind: FieldKind, value: &str) -> Self {
        Self {
            name,
            label: label.into(),
            kind,
            value: value.to_owned(),
            required: false,
            hint: "",
            error: None,
        }
    }

    pub fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// With what is wrong, if this field is meant.
    pub fn error(mut self, wrong: Option<&(String, String)>) -> Self {
        let meant = wrong.filter(|(name, _)| name == self.name);
        self.error = meant.map(|(_, error)| error.clone());
        self
    }

    /// Why something is done, in a line that stays in the audit log.
    pub fn reason(value: &str) -> Self {
        Self::new("reason", "Reason", FieldKind::Input("text"), value)
            .required()
            .hint("Kept in the audit log for good: name no person, a ticket's number is enough.")
    }
}

#[derive(Clone, Debug, Template)]
#[template(path = "admin/form.html")]
pub struct FormPage {
    pub shell: Shell,
    /// Where it belongs: the words and the address.
    pub crumb: (String, String),
    pub title: String,
    pub text: Prose,
    pub banners: Vec<Banner>,
    pub fields: Vec<Field>,
    pub facts: Vec<Fact>,
    /// `get` looks, `post` acts.
    pub method: &'static str,
    pub action: String,
    pub hidden: Vec<(&'static str, String)>,
    /// The button, named for the act.
    pub label: String,
    pub danger: bool,
    pub back: Action,
}

page!(FormPage);

impl FormPage {
    /// A form that posts to `action`, with the way back to where it came from.
    pub fn new(
        shell: Shell,
        crumb: (String, String),
        title: impl Into<String>,
        label: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        let back = Action::link("Not now", crumb.1.clone());
        Self {
            shell,
            crumb,
            title: title.into(),
            text: Prose::default(),
            banners: Vec::new(),
            fields: Vec::new(),
            facts: Vec::new(),
            method: "post",
            action: action.into(),
            hidden: Vec::new(),
            label: label.into(),
            danger: false,
            back,
        }
    }

    fn is_wrong(&self) -> bool {
        self.fields.iter().any(|field| field.error.is_some())
    }
}

/// An address with what is set of a filter.
pub fn address(path: &str, parts: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    }
}

/// Tabs of a list that `field` narrows to one of its values, with the current one marked.
pub fn tabs(path: &str, field: &str, views: &[(&str, &str)], current: &str) -> Vec<Tab> {
    let tab = |&(label, value): &(&str, &str)| Tab {
        label: label.to_owned(),
        count: None,
        href: address(path, &[(field, value)]),
        current: current == value,
    };
    views.iter().map(tab).collect()
}

/// A word that was typed, if one was.
pub fn set(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}
