//! Components shared by the operators' pages: a page of tables, and a page with one form.

use askama::Template;

use crate::components::{Action, Banner, Choice, Fact, Kind, Pager, Prose, Stat, Tab};
use crate::layout::{Shell, page};
use crate::links::filters;

#[cfg(any(test, feature = "samples"))]
mod samples;

#[derive(Clone, Debug)]
pub struct Table {
    pub title: String,
    pub columns: Vec<Column>,
    /// The rows, each with as many cells as there are columns.
    pub rows: Vec<Vec<Prose>>,
    pub empty: String,
    /// Actions on the whole list.
    pub actions: Vec<Action>,
    pub pager: Option<Pager>,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub label: &'static str,
    /// The CSS class: `r num` for numbers, `wide-only` for columns hidden on phones.
    pub class: &'static str,
}

impl Column {
    /// Whether this is a single-line text field.
    pub fn is_text(&self) -> bool {
        !self.class.contains("num")
    }
}

impl Table {
    /// Makes a table with these columns, given as heading and class.
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

/// The filter form of a list.
#[derive(Clone, Debug)]
pub struct Filters {
    pub action: String,
    pub fields: Vec<Field>,
}

#[derive(Clone, Debug, Template)]
#[template(path = "admin/list.html")]
pub struct ListPage {
    pub shell: Shell,
    /// The parent page: its label and its address.
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
    /// Makes an empty page.
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
    /// The error in the input, if any.
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

    /// Sets the error message if it is about this field.
    pub fn error(mut self, wrong: Option<&(String, String)>) -> Self {
        let meant = wrong.filter(|(name, _)| name == self.name);
        self.error = meant.map(|(_, error)| error.clone());
        self
    }

    /// The field for the reason of an action, which is kept in the audit log.
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
    /// The parent page: its label and its address.
    pub crumb: (String, String),
    pub title: String,
    pub text: Prose,
    pub banners: Vec<Banner>,
    pub fields: Vec<Field>,
    pub facts: Vec<Fact>,
    /// The HTTP method: `get` for reads, `post` for changes.
    pub method: &'static str,
    pub action: String,
    pub hidden: Vec<(&'static str, String)>,
    /// The label of the button, which names the action.
    pub label: String,
    pub danger: bool,
    pub back: Action,
}

page!(FormPage);

impl FormPage {
    /// Makes a form that posts to `action`, with a link back to the previous page.
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

/// Makes an address whose query contains the filter values that are set.
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

/// Makes the tabs of a list that filter it by values of `field`, with the current one marked.
pub fn tabs(path: &str, field: &str, views: &[(&str, &str)], current: &str) -> Vec<Tab> {
    let tab = |&(label, value): &(&str, &str)| Tab {
        label: label.to_owned(),
        count: None,
        href: address(path, &[(field, value)]),
        current: current == value,
    };
    views.iter().map(tab).collect()
}

/// The trimmed text; `None` if it is empty.
pub fn set(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// An unfinished request to Stripe that needs attention. `what` is what is left of it, as the start
/// of a sentence, and `home` the page of its account.
pub fn unfinished(
    (what, error, attempts): (&str, &str, u64),
    since: crate::format::When,
    next: Option<crate::format::When>,
    (home, id): (&str, &str),
) -> Banner {
    let tried = crate::format::counted(attempts, "attempt", "attempts");
    let text = Prose::new(format!("{}. {tried} since ", error.trim_end_matches('.'))).time(since);
    let text = match next {
        Some(next) => text.text("; the next one is at ").time(next).text("."),
        None => text.text("; no further ones are made automatically."),
    };
    let retry = format!("{home}/requests/{id}/retry");
    let dismiss = format!("{home}/requests/{id}/dismiss");
    Banner::new(
        Kind::Bad,
        format!("Needs attention: {what} is overdue"),
        text,
    )
    .with(Action::post("Try again", retry).primary())
    .with(Action::link("It was settled another way", dismiss).quiet())
}
