//! A short label for a state, with its severity.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

/// The severity of a badge or a banner; each kind has its own color and shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Neutral: a gray dot.
    #[default]
    Plain,
    /// OK: a round dot.
    Ok,
    /// Pending or informational: a ring.
    Info,
    /// Needs attention: a diamond.
    Warn,
    Bad,
    /// Refers to the reader: no shape.
    Accent,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "",
            Self::Ok => " ok",
            Self::Info => " info",
            Self::Warn => " warn",
            Self::Bad => " bad",
            Self::Accent => " accent plain",
        })
    }
}

/// A short label for a state.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<span class="badge{{ kind }}">{{ label }}</span>"#
)]
pub struct Badge {
    pub kind: Kind,
    pub label: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    pub fn new(kind: Kind, label: impl Into<String>) -> Self {
        Self {
            kind,
            label: label.into(),
        }
    }

    pub fn plain(label: impl Into<String>) -> Self {
        Self::new(Kind::Plain, label)
    }

    pub fn ok(label: impl Into<String>) -> Self {
        Self::new(Kind::Ok, label)
    }

    pub fn info(label: impl Into<String>) -> Self {
        Self::new(Kind::Info, label)
    }

    pub fn warn(label: impl Into<String>) -> Self {
        Self::new(Kind::Warn, label)
    }

    pub fn bad(label: impl Into<String>) -> Self {
        Self::new(Kind::Bad, label)
    }

    pub fn accent(label: impl Into<String>) -> Self {
        Self::new(Kind::Accent, label)
    }
}
