//! `/docs`: the API reference as a web page.

use askama::Template;

use crate::layout::{Shell, page};
use crate::links::filters;

#[derive(Clone, Debug, Template)]
#[template(path = "docs.html")]
pub struct DocsPage {
    pub shell: Shell,
    /// The origin of the API, for the examples.
    pub base_url: String,
    /// The operations by group, in the order of the document's tags.
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
    /// The anchor of the operation on the page.
    pub id: String,
    pub method: String,
    /// The path with its parameters in braces.
    pub path: String,
    /// A short summary of the operation.
    pub summary: String,
    /// The full description of the operation.
    pub description: String,
    /// The parameters and body fields.
    pub inputs: Vec<Input>,
    /// The fields of a successful response.
    pub outputs: Vec<Input>,
    /// The possible status codes, separated by commas.
    pub statuses: String,
}

#[derive(Clone, Debug)]
pub struct Input {
    pub name: String,
    /// The location: path, query, header, body or response.
    pub place: &'static str,
    pub kind: String,
    pub is_required: bool,
    pub about: String,
}
