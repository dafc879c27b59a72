//! The parts that pages share. Each renders itself, escaped, so that a template writes
//! `{{ badge }}` and cannot forget anything.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

use crate::escape::Escaped;
use crate::format::When;
use crate::icons::Icon;

/// A sentence with times, strong words, code or links in it.
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
    /// A sentence that starts with `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(vec![Part::Text(text.into())])
    }

    /// Goes on with plain text.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Text(text.into()));
        self
    }

    /// Goes on with a time.
    pub fn time(mut self, when: When) -> Self {
        self.0.push(Part::Time(when));
        self
    }

    /// Goes on with words that matter.
    pub fn strong(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Strong(text.into()));
        self
    }

    /// Goes on with an id or a command.
    pub fn code(mut self, text: impl Into<String>) -> Self {
        self.0.push(Part::Code(text.into()));
        self
    }

    /// Goes on with a link to a path of ours.
    pub fn link(mut self, text: impl Into<String>, href: impl Into<String>) -> Self {
        self.0.push(Part::Link(text.into(), href.into()));
        self
    }

    /// Goes on with a state in a word.
    pub fn badge(mut self, badge: Badge) -> Self {
        self.0.push(Part::Badge(badge));
        self
    }

    /// The sentence without markup, for the text of a mail.
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

/// What a badge or a banner means; each kind has its own colour and its own shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Neither good nor bad: a grey dot.
    #[default]
    Plain,
    /// Fine: a round dot.
    Ok,
    /// Waiting, or good to know: a ring.
    Info,
    /// Needs attention: a diamond.
    Warn,
    /// Failed: a square.
    Bad,
    /// The reader's own: no shape.
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

/// A state in one or two words.
#[derive(Clone, Debug, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = r#"<span class="badge{{ kind }}">{{ label }}</span>"#
)]
pub struct Badge {
    /// What it means.
    pub kind: Kind,
    /// The word.
    pub label: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    /// A badge of any kind.
    pub fn new(kind: Kind, label: impl Into<String>) -> Self {
        Self {
            kind,
            label: label.into(),
        }
    }

    /// A neutral badge.
    pub fn plain(label: impl Into<String>) -> Self {
        Self::new(Kind::Plain, label)
    }

    /// All is well.
    pub fn ok(label: impl Into<String>) -> Self {
        Self::new(Kind::Ok, label)
    }

    /// Something is under way.
    pub fn info(label: impl Into<String>) -> Self {
        Self::new(Kind::Info, label)
    }

    /// Somebody should look.
    pub fn warn(label: impl Into<String>) -> Self {
        Self::new(Kind::Warn, label)
    }

    /// Something failed.
    pub fn bad(label: impl Into<String>) -> Self {
        Self::new(Kind::Bad, label)
    }

    /// The reader's own plan or choice.
    pub fn accent(label: impl Into<String>) -> Self {
        Self::new(Kind::Accent, label)
    }
}

/// How a button looks. One primary button a card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// An ordinary button.
    #[default]
    Normal,
    /// The one that most people want.
    Primary,
    /// Takes something away.
    Danger,
    /// Looks like a link.
    Quiet,
}

/// Something the reader can do: a link, or a form with one button.
#[derive(Clone, Debug, Template)]
#[template(path = "components/action.html")]
pub struct Action {
    /// The words on the button; they say the result ("Pay $23.00 and upgrade").
    pub label: String,
    /// Words that only screen readers say, where the label alone is not unique on its page.
    pub spoken: Option<String>,
    /// How it looks.
    pub look: Look,
    /// An icon before the label.
    pub icon: Option<Icon>,
    /// Small, for dense rows.
    pub small: bool,
    /// As wide as its card.
    pub block: bool,
    /// Where it leads.
    pub target: Target,
}

impl HtmlSafe for Action {}

/// Where an [`Action`] leads.
#[derive(Clone, Debug)]
pub enum Target {
    /// A page of ours.
    Link(String),
    /// A page elsewhere, opened in its own tab without telling it where from.
    External(String),
    /// A form post, with hidden fields.
    Post {
        /// The address.
        action: String,
        /// Names and values of the hidden fields.
        fields: Vec<(String, String)>,
    },
    /// Nothing to do; shown as a button that is off.
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

    /// A link to a page of ours.
    pub fn link(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self::to(label, Target::Link(href.into()))
    }

    /// A link to somebody else's page.
    pub fn external(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self::to(label, Target::External(href.into())).icon(Icon::External)
    }

    /// A form that posts to `action`.
    pub fn post(label: impl Into<String>, action: impl Into<String>) -> Self {
        Self::to(
            label,
            Target::Post {
                action: action.into(),
                fields: Vec::new(),
            },
        )
    }

    /// A button that is off ("Your current plan").
    pub fn off(label: impl Into<String>) -> Self {
        Self::to(label, Target::None)
    }

    /// Adds a hidden field; only a post has any.
    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Target::Post { fields, .. } = &mut self.target {
            fields.push((name.to_owned(), value.into()));
        }
        self
    }

    /// Makes it the one that most people want.
    pub fn primary(mut self) -> Self {
        self.look = Look::Primary;
        self
    }

    /// Marks that it takes something away.
    pub fn danger(mut self) -> Self {
        self.look = Look::Danger;
        self
    }

    /// Makes it look like a link.
    pub fn quiet(mut self) -> Self {
        self.look = Look::Quiet;
        self
    }

    /// Makes it small.
    pub fn small(mut self) -> Self {
        self.small = true;
        self
    }

    /// Makes it as wide as its card.
    pub fn block(mut self) -> Self {
        self.block = true;
        self
    }

    /// Puts an icon before the label.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// Adds words for screen readers only.
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

/// News about the account: what happened, what it means, what to do.
#[derive(Clone, Debug, Template)]
#[template(path = "components/banner.html")]
pub struct Banner {
    /// How bad it is.
    pub kind: Kind,
    /// What happened.
    pub title: String,
    /// What it means, and what happens next by itself.
    pub text: Prose,
    /// What the reader can do.
    pub actions: Vec<Action>,
}

impl HtmlSafe for Banner {}

impl Banner {
    /// A banner without buttons.
    pub fn new(kind: Kind, title: impl Into<String>, text: impl Into<Prose>) -> Self {
        Self {
            kind,
            title: title.into(),
            text: text.into(),
            actions: Vec::new(),
        }
    }

    /// Adds a button.
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
    /// The limit.
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
    /// The name.
    pub name: String,
    /// The value.
    pub value: Prose,
    /// The line under which the others add up.
    pub total: bool,
}

impl Fact {
    /// An ordinary line.
    pub fn new(name: impl Into<String>, value: impl Into<Prose>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            total: false,
        }
    }

    /// The sum.
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
    /// What it counts.
    pub name: String,
    /// The number.
    pub value: String,
    /// What to make of it.
    pub note: String,
}

impl Stat {
    /// A stat with its note.
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
    /// The day.
    pub when: When,
    /// What was bought: "Pro, 15 Nov to 15 Dec".
    pub title: String,
    /// The kind: "Subscription".
    pub kind: String,
    /// The amount, signed.
    pub amount: String,
    /// What became of it.
    pub badge: Badge,
    /// The receipt, or why there is none yet.
    pub receipt: Receipt,
}

/// Where the receipt of a payment is.
#[derive(Clone, Debug)]
pub enum Receipt {
    /// At Stripe.
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
    /// What is missing, drawn.
    pub icon: Icon,
    /// What is missing.
    pub title: String,
    /// When it will be there.
    pub text: String,
    /// How to get it.
    pub action: Option<Action>,
}

impl HtmlSafe for Empty {}

/// A choice in a drop-down list.
#[derive(Clone, Debug)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
    /// Chosen now.
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
    /// Its name.
    pub label: String,
    /// How many rows it has, when that is known.
    pub count: Option<String>,
    /// Its address.
    pub href: String,
    /// Shown now.
    pub current: bool,
}

/// What happened to a thing, one line.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Good, bad, to look at, or neither.
    pub kind: Kind,
    /// What happened.
    pub title: String,
    /// More about it, or the id it concerns.
    pub detail: Option<String>,
    /// When.
    pub when: When,
}

/// JSON, indented, escaped and coloured. Text that is not JSON is shown as it is.
#[derive(Clone, Debug)]
pub struct Json(String);

/// A longer payload is cut in the page; the whole of it is at Stripe.
const JSON_BYTES_MAX: usize = 60_000;

impl Json {
    /// Indents `text` without changing its order or its numbers; keys, strings and numbers get
    /// their colours.
    pub fn new(text: &str) -> Self {
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            return Self(cut(&Escaped(text).to_string()).to_owned());
        }
        let mut html = String::new();
        for line in indented(text).lines().map(coloured) {
            if html.len() + line.len() > JSON_BYTES_MAX {
                html.push_str("… cut here; the whole event is at Stripe");
                break;
            }
            html.push_str(&line);
            html.push('\n');
        }
        Self(html)
    }
}

/// Valid JSON with one member or element a line. Serde's own pretty printer would need a value
/// in between, which loses the order of the members and the digits of the numbers.
fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut characters = json
        .chars()
        .filter(|c| !matches!(c, '\n' | '\r'))
        .peekable();
    while let Some(character) = characters.next() {
        if in_string {
            out.push(character);
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            continue;
        }
        match character {
            ' ' | '\t' => {}
            '"' => {
                in_string = true;
                out.push('"');
            }
            ':' => out.push_str(": "),
            ',' => new_line(&mut out, ",", depth),
            '{' | '[' => {
                while characters.peek().is_some_and(char::is_ascii_whitespace) {
                    characters.next();
                }
                if let Some(close @ ('}' | ']')) = characters.peek().copied() {
                    characters.next();
                    out.extend([character, close]);
                } else {
                    depth += 1;
                    new_line(&mut out, if character == '{' { "{" } else { "[" }, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, "", depth);
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, before: &str, depth: usize) {
    out.push_str(before);
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Json {}

fn cut(text: &str) -> &str {
    if text.len() <= JSON_BYTES_MAX {
        return text;
    }
    let end = (0..=JSON_BYTES_MAX)
        .rev()
        .find(|&at| text.is_char_boundary(at));
    &text[..end.expect("zero is a boundary")]
}

/// One line of pretty-printed JSON: an indent, perhaps `"key": `, and a value or a bracket.
fn coloured(line: &str) -> String {
    let body = line.trim_start();
    let indent = &line[..line.len() - body.len()];
    let (key, value) = match body.split_once("\": ") {
        Some((key, value)) if body.starts_with('"') => (Some(format!("{key}\"")), value),
        _ => (None, body),
    };
    let key = key.map_or_else(String::new, |key| {
        format!(r#"<span class="k">{}</span>: "#, Escaped(&key))
    });
    let (value, comma) = match value.strip_suffix(',') {
        Some(value) => (value, ","),
        None => (value, ""),
    };
    let class = match value.chars().next() {
        Some('"') => "s",
        Some('{' | '}' | '[' | ']') | None => "",
        Some(_) => "n",
    };
    let value = match class {
        "" => Escaped(value).to_string(),
        class => format!(r#"<span class="{class}">{}</span>"#, Escaped(value)),
    };
    format!("{indent}{key}{value}{comma}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format;

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

    #[test]
    fn json_is_indented_in_its_own_order_with_its_own_digits() {
        let text = r#"{"z":[],"id":"evt_1", "n":-1.50e3,
            "ok":true,"a: b":["x\": y\\"]}"#;

        let json = Json::new(text).to_string();

        let mut plain = json.replace("&#34;", "\"").replace("</span>", "");
        for class in ["k", "s", "n"] {
            plain = plain.replace(&format!(r#"<span class="{class}">"#), "");
        }
        let expected = "{\n  \"z\": [],\n  \"id\": \"evt_1\",\n  \"n\": -1.50e3,\n  \"ok\": true,\n  \
                        \"a: b\": [\n    \"x\\\": y\\\\\"\n  ]\n}\n";
        assert_eq!(plain, expected);
        assert!(json.contains(r#"  <span class="k">&#34;id&#34;</span>: <span class="s">"#));
        assert!(json.contains(r#"<span class="n">true</span>,"#));
    }

    #[test]
    fn a_long_payload_is_cut_between_characters() {
        let long = format!("x{}", "é".repeat(JSON_BYTES_MAX));

        assert_eq!(cut(&long).len(), JSON_BYTES_MAX - 1);
        assert_eq!(cut(&long[..11]), "xééééé");
        let list = Json::new(&format!("[{}1]", "1,".repeat(JSON_BYTES_MAX))).to_string();
        assert!(list.len() < JSON_BYTES_MAX + 100 && list.contains("cut here"));
    }

    #[test]
    fn a_sentence_reads_the_same_without_markup() {
        let prose = Prose::new("Ends on ").time(format::day(0)).text(".");

        assert_eq!(prose.plain(), "Ends on 1 Jan 1970.");
    }
}
