//! A sentence that may contain times, strong text, code or links.

use std::fmt;

use askama::filters::HtmlSafe;

use super::badge::Badge;
use crate::escape::Escaped;
use crate::format::When;

/// A sentence that may contain times, strong text, code or links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prose(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Strong(String),
    Code(String),
    Time(When),
    Link(String, String),
    Badge(Badge),
}

impl Prose {
    pub fn new(text: impl Into<String>) -> Self {
        Self(vec![Part::Text(text.into())])
    }

    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Text(text.into()));
        self
    }

    pub fn time(mut self, when: When) -> Self {
        self.0.push(Part::Time(when));
        self
    }

    pub fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Strong(text.into()));
        self
    }

    /// Appends an id or a command.
    pub fn code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Code(text.into()));
        self
    }

    /// Appends a link to one of our paths.
    pub fn link(mut self, text: impl Into<String>, href: impl Into<String>) -> Self {
        self.0.push(Part::Link(text.into(), href.into()));
        self
    }

    pub fn badge(mut self, badge: Badge) -> Self {
        self.0.push(Part::Badge(badge));
        self
    }

    /// The sentence without markup, for the text of an email.
    pub fn plain(&self) -> String {
        let words = self.0.iter().map(|part| match part {
            Part::Text(text) | Part::Strong(text) | Part::Code(text) | Part::Link(text, _) => {
                text.as_str()
            }
            Part::Time(when) => when.text.as_str(),
            Part::Badge(badge) => badge.label.as_str(),
        });
        words.collect()
    }
}

impl From<&str> for Prose {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Prose {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Prose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => write!(f, "{}", Escaped(text))?,
                Part::Strong(text) => write!(f, "<strong>{}</strong>", Escaped(text))?,
                Part::Code(text) => write!(f, "<code>{}</code>", Escaped(text))?,
                Part::Time(when) => write!(f, "{when}")?,
                Part::Badge(badge) => write!(f, "{badge}")?,
                Part::Link(text, href) => {
                    write!(f, r#"<a href="{}">{}</a>"#, Escaped(href), Escaped(text))?;
                }
            }
        }
        Ok(())
    }
}

impl HtmlSafe for Prose {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format;

    #[test]
    fn a_sentence_reads_the_same_without_markup() {
        let prose = Prose::new("Ends on ").time(format::day(0)).text(".");

        assert_eq!(prose.plain(), "Ends on 1 Jan 1970.");
    }
}
