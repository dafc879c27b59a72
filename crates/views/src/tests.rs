//! Renders all samples of all pages, and checks the rules that apply to each.

use std::collections::BTreeMap;
use std::fs;

use crate::emails;
use crate::gallery::{all, all_with, parts, write_samples};
use crate::layout::Page;
use crate::links::Links;
use crate::samples::EVIL;
use crate::words_to_avoid;

/// The tags of a page, from `<` to `>`, without the text between them.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(tag, _)| tag)
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let rest = tag.split_once(&format!(" {name}=\""))?.1;
    Some(rest.split_once('"')?.0)
}

/// The names of a tag's attributes, ignoring quoted text.
fn names(tag: &str) -> Vec<&str> {
    let outside = tag.split('"').step_by(2);
    outside
        .flat_map(|part| part.split_whitespace())
        .filter(|word| word.contains('='))
        .collect()
}

fn each(rule: impl Fn(&str, &str)) {
    for (name, html) in all() {
        rule(&name, &html);
    }
}

#[test]
fn every_page_has_a_title_of_its_own_and_one_heading_of_the_first_order() {
    each(|name, html| {
        let title = html
            .split_once("<title>")
            .unwrap()
            .1
            .split_once(" · ")
            .unwrap()
            .0;
        assert!(!title.trim().is_empty(), "{name} has no title");
        assert_eq!(html.matches("<h1").count(), 1, "{name} has not one h1");
        assert!(
            html.contains(r#"<main id="main""#),
            "{name} has no main part"
        );
    });
}

#[test]
fn no_page_has_inline_style_or_script_so_the_security_policy_holds() {
    each(|name, html| {
        for tag in tags(html) {
            assert!(attribute(tag, "style").is_none(), "{name}: <{tag}>");
            assert!(!tag.starts_with("style"), "{name}: <{tag}>");
            let handler = names(tag).into_iter().find(|name| name.starts_with("on"));
            assert!(handler.is_none(), "{name}: <{tag}>");
        }
        let scripts: Vec<&str> = tags(html)
            .into_iter()
            .filter(|tag| tag.starts_with("script"))
            .collect();
        assert_eq!(scripts.len(), 1, "{name}: {scripts:?}");
        assert!(
            html.contains("defer></script>"),
            "{name} has a script with content"
        );
    });
}

#[test]
fn markup_in_names_is_text() {
    each(|name, html| {
        assert!(!html.contains("<img"), "{name}");
        assert!(!html.contains("alert(\"x\")"), "{name}");
        assert!(!html.contains("\"><script"), "{name}");
    });
    assert!(EVIL.contains("<script>") && EVIL.contains("<img"));
    assert!(
        all()
            .iter()
            .any(|(_, html)| html.contains("&#60;script&#62;"))
    );
}

#[test]
fn every_form_says_how_and_where_it_is_sent_and_no_form_stands_in_another() {
    each(|name, html| {
        let mut open = false;
        for tag in tags(html) {
            if tag.starts_with("form") {
                assert!(!open, "{name}: a form in a form");
                open = true;
                let method = attribute(tag, "method").unwrap_or_default();
                assert!(["get", "post"].contains(&method), "{name}: <{tag}>");
                assert!(
                    attribute(tag, "action").is_some_and(|to| to.starts_with('/')),
                    "{name}: <{tag}>"
                );
            }
            open &= tag != "/form";
        }
    });
}

#[test]
fn every_field_has_a_label_and_every_reference_finds_its_element() {
    each(|name, html| {
        let tags = tags(html);
        let ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
        let mut counts = BTreeMap::new();
        for id in &ids {
            *counts.entry(*id).or_insert(0) += 1;
        }
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "{name}: ids used twice: {twice:?}");
        for tag in &tags {
            for reference in ["for", "aria-labelledby", "aria-describedby", "form"] {
                for id in attribute(tag, reference)
                    .unwrap_or_default()
                    .split_whitespace()
                {
                    assert!(
                        ids.contains(&id),
                        "{name}: no element has the id of <{tag}>"
                    );
                }
            }
            let field = tag.starts_with("input")
                || tag.starts_with("select")
                || tag.starts_with("textarea");
            let spoken = ["hidden", "radio", "checkbox"];
            if field && !spoken.contains(&attribute(tag, "type").unwrap_or_default()) {
                let id =
                    attribute(tag, "id").unwrap_or_else(|| panic!("{name}: <{tag}> has no id"));
                assert!(
                    html.contains(&format!(r#" for="{id}""#)),
                    "{name}: <{tag}> has no label"
                );
            }
        }
    });
}

#[test]
fn no_page_weighs_more_than_a_hundred_kilobytes() {
    each(|name, html| {
        assert!(html.len() < 100_000, "{name} has {} bytes", html.len());
    });
}

#[test]
fn the_menu_hides_billing_while_the_flag_is_off() {
    let html = |wanted: &str| {
        all()
            .into_iter()
            .find(|(name, _)| name == wanted)
            .unwrap()
            .1
    };

    assert!(!html("error--billing-off").contains("/dashboard/billing"));
    assert!(html("keys--typical").contains(r#"href="/dashboard/billing""#));
}

#[test]
fn a_page_that_waits_asks_again_with_and_without_script() {
    let pending = all()
        .into_iter()
        .find(|(name, _)| name == "success--pending")
        .unwrap()
        .1;

    assert!(pending.contains(r#"<noscript><meta http-equiv="refresh" content="3;url=/dashboard"#));
    assert!(pending.contains(r#"data-refresh="3" data-refresh-to="/dashboard"#));
}

#[test]
fn the_samples_can_be_written_as_files() {
    let dir = tempfile::tempdir().unwrap();

    write_samples(dir.path()).unwrap();

    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        all().len() + parts().len() + emails::samples::all().len() + 1
    );
}

/// Writes the samples to the folder that `LBX_SAMPLES_DIR` names, for the browser test.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn the_samples_are_written_where_the_browser_test_wants_them() {
    let Some(dir) = std::env::var_os("LBX_SAMPLES_DIR") else {
        return;
    };

    write_samples(std::path::Path::new(&dir)).unwrap();

    assert!(
        std::path::Path::new(&dir)
            .join("billing--past-due.html")
            .exists()
    );
}

/// Every state of the design and of section 5 of the seed, and what its page must say.
#[test]
fn every_state_of_an_account_has_a_page_that_says_what_to_do() {
    let states = [
        ("billing--free", "Upgrade"),
        ("billing--trialing", "Cancel trial"),
        ("billing--trialing-no-card", "Add card"),
        ("billing--active", "Renews on"),
        ("billing--past-due", "keeps working until"),
        (
            "billing--grace-over",
            "on Free until the open invoice is paid.",
        ),
        ("billing--unpaid", "is paused until $19.00 is paid"),
        ("billing--incomplete", "Waiting for payment"),
        ("billing--cancel-scheduled", "Keep Pro"),
        ("billing--downgrade-scheduled", "Stay on Pro Plus"),
        ("billing--paused", "Pro is paused"),
        ("billing--ended", "Restart Pro"),
        ("billing--active-low", "Credits are running low"),
        ("billing--empty", "No credits left, API calls are refused"),
        (
            "billing--held",
            "1,228 more are held for calls in progress.",
        ),
        ("billing--debt", "You owe 400 credits"),
        ("billing--pending", "We are waiting for Stripe to confirm"),
        ("billing--bank-transfer", "is on its way"),
        ("billing--confirm", "Your bank wants you to confirm"),
        ("billing--change-declined", "Keep my plan"),
        ("billing--card-expiring", "expires soon"),
        ("billing--trial-refused", "its trial was used before"),
        ("billing--stripe-unreachable", "Try again"),
        ("upgrade--stripe-unreachable", "Try again"),
        ("cancel--known", "Nothing was charged"),
        ("success--credits", "5,000 credits added"),
        ("error--billing-off", "Billing is not available yet"),
    ];
    let pages: BTreeMap<String, String> = all().into_iter().collect();

    for (name, words) in states {
        let html = pages
            .get(name)
            .unwrap_or_else(|| panic!("there is no {name}"));
        assert!(html.contains(words), "{name} does not say {words:?}");
    }
}

#[test]
fn every_address_about_an_account_carries_the_pages_account() {
    let about = ["/dashboard", "/api/stripe/", "/api/dashboard/", "/api/v1/"];
    let mut seen = 0;
    for (name, html) in all_with(&Links::for_account("acc_9")) {
        for tag in tags(&html) {
            let refresh = attribute(tag, "content").and_then(|content| content.split_once(";url="));
            let addresses = ["href", "action", "formaction", "data-refresh-to"];
            let addresses = addresses.iter().filter_map(|name| attribute(tag, name));
            for address in addresses.chain(refresh.map(|(_, url)| url)) {
                if about.iter().any(|start| address.starts_with(start)) {
                    assert!(address.contains("account=acc_"), "{name}: <{tag}>");
                    seen += 1;
                }
            }
        }
    }

    assert!(seen > 500, "{seen} addresses");
}

#[test]
fn a_form_that_is_sent_by_get_names_the_account_in_a_field() {
    let (_, mut page) = crate::usage::UsagePage::samples().remove(1);
    page.shell.links = Links::for_account("acc_9");

    let html = page.html().unwrap();

    assert!(
        html.contains(r#"<input type="hidden" name="account" value="acc_9">"#),
        "{html}"
    );
    assert!(
        html.contains(r#"href="/dashboard/keys?account=acc_9""#),
        "{html}"
    );
}

/// The text of a page that a reader perceives: the text between tags, and the attributes that
/// screen readers announce.
fn readable(html: &str) -> String {
    let between = html
        .split('<')
        .map(|rest| rest.split_once('>').map_or(rest, |(_, text)| text));
    let aloud = tags(html).into_iter().flat_map(|tag| {
        ["aria-label", "placeholder", "title"].map(|name| attribute(tag, name).unwrap_or_default())
    });
    let all: Vec<&str> = between.chain(aloud).collect();
    all.join("\n").replace("&#39;", "'")
}

#[test]
fn no_page_and_no_email_uses_a_word_to_avoid() {
    let mut found = Vec::new();
    let mut look = |name: &str, text: &str| {
        for (word, instead) in words_to_avoid::found_in(text) {
            found.push(format!("{name}: {word:?}, write {instead:?}"));
        }
    };

    for (name, html) in all().into_iter().chain(parts()) {
        look(&name, &readable(&html));
    }
    for (name, content) in emails::samples::all() {
        let email = content.email();
        look(name, &format!("{}\n{}", email.subject, email.text));
    }

    assert!(found.is_empty(), "{found:#?}");
}
