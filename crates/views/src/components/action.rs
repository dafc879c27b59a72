//! An action offered to the reader: a link or a button.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::icons::Icon;
use crate::links::filters;

/// The style of a button. At most one primary button per card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    #[default]
    Normal,
    Primary,
    Danger,
    Quiet,
}

/// An action offered to the reader: a link, or a form with one button.
#[derive(Clone, Debug, Template)]
#[template(path = "components/action.html")]
pub struct Action {
    /// The label of the button, which states the result ("Pay $23.00 and upgrade").
    pub label: String,
    /// Text for screen readers only, where the label alone isn't unique on its page.
    pub spoken: Option<String>,
    pub look: Look,
    pub icon: Option<Icon>,
    /// Whether it is small, for dense rows.
    pub small: bool,
    pub block: bool,
    pub target: Target,
}

impl HtmlSafe for Action {}

/// The target of an [`Action`].
#[derive(Clone, Debug)]
pub enum Target {
    /// One of our pages.
    Link(String),
    /// An external page, linked without a referrer.
    External(String),
    /// A form post, with hidden fields.
    Post {
        action: String,
        /// Names and values of the hidden fields.
        fields: Vec<(String, String)>,
    },
    /// No action; shown as a disabled button.
    None,
}

impl Action {
    fn to(label: impl Into<String>, target: Target) -> Self {
        Self {
            label: label.into(),
            spoken: None,
            look: Look::Normal,
            icon: None,
            small: false,
            block: false,
            target,
        }
    }

    /// A link to one of our pages.
    pub fn link(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self::to(label, Target::Link(href.into()))
    }

    pub fn external(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self::to(label, Target::External(href.into())).icon(Icon::External)
    }

    pub fn post(label: impl Into<String>, action: impl Into<String>) -> Self {
        Self::to(
            label,
            Target::Post {
                action: action.into(),
                fields: Vec::new(),
            },
        )
    }

    /// A disabled button ("Your current plan").
    pub fn off(label: impl Into<String>) -> Self {
        Self::to(label, Target::None)
    }

    /// Adds a hidden field; has no effect on anything but a POST.
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Target::Post { fields, .. } = &mut self.target {
            fields.push((name.to_owned(), value.into()));
        }
        self
    }

    /// Makes it the primary action.
    pub fn primary(mut self) -> Self {
        self.look = Look::Primary;
        self
    }

    pub fn danger(mut self) -> Self {
        self.look = Look::Danger;
        self
    }

    pub fn quiet(mut self) -> Self {
        self.look = Look::Quiet;
        self
    }

    pub fn small(mut self) -> Self {
        self.small = true;
        self
    }

    /// Makes it as wide as its card.
    pub fn block(mut self) -> Self {
        self.block = true;
        self
    }

    pub fn icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// Adds text for screen readers only.
    pub fn spoken(mut self, words: impl Into<String>) -> Self {
        self.spoken = Some(words.into());
        self
    }

    fn class(&self) -> String {
        let mut class = String::from("btn");
        class.push_str(match self.look {
            Look::Normal => "",
            Look::Primary => " primary",
            Look::Danger => " danger",
            Look::Quiet => " quiet",
        });
        if self.small {
            class.push_str(" small");
        }
        if self.block {
            class.push_str(" block");
        }
        class
    }
}
