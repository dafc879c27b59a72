//! `/docs`: the API reference for people.

use askama::Template;

use crate::layout::{Shell, page};
use crate::links::filters;

#[derive(Clone, Debug, Template)]
#[template(path = "docs.html")]
pub struct DocsPage {
    pub shell: Shell,
    /// Origin of the API, for the examples.
    pub base_url: String,
    /// Operations in groups, in the order of the document's tags.
    pub groups: Vec<Group>,
}

page!(DocsPage);

#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    pub title: String,
    pub operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
pub struct Operation {
    /// Anchor of the operation on the page.
    pub id: String,
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

#[derive(Clone, Debug)]
pub struct Input {
    pub name: String,
    /// Where it is: path, query, header, body or answer.
    pub place: &'static str,
    pub kind: String,
    pub is_required: bool,
    pub about: String,
}
