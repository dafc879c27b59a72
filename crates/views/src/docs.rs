//! `/docs`: the API reference for people.

use askama::Template;

use crate::layout::{Page, Shell};
use crate::links::filters;

/// The page.
#[derive(Clone, Debug, Template)]
#[template(path = "docs.html")]
pub struct DocsPage {
    /// The frame around the page.
    pub shell: Shell,
    /// Origin of the API, for the examples.
    pub base_url: String,
    /// Operations in groups, in the order of the document's tags.
    pub groups: Vec<Group>,
}

impl Page for DocsPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

/// Operations that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What readers see above it.
    pub title: String,
    /// The operations of the group.
    pub operations: Vec<Operation>,
}

/// One operation of the API.
#[derive(Clone, Debug)]
pub struct Operation {
    /// Anchor of the operation on the page.
    pub id: String,
    /// In capitals: `POST`.
    pub method: String,
    /// Path with its parameters in braces.
    pub path: String,
    /// What it does, in a few words.
    pub summary: String,
    /// What it does, in full.
    pub description: String,
    /// Parameters, and fields of the body.
    pub inputs: Vec<Input>,
    /// Fields of a successful answer.
    pub outputs: Vec<Input>,
    /// Status codes it answers, separated by commas.
    pub statuses: String,
}

/// A parameter or a field.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Where it is: path, query, header, body or answer.
    pub place: &'static str,
    /// Its type, as a word.
    pub kind: String,
    /// Whether it must be given.
    pub is_required: bool,
    /// What it means.
    pub about: String,
}
