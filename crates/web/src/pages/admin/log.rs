//! `/admin/log`: the audit log of what operators and host applications did manually.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::{Html, Response};
use billing::actors::Operator;
use billing::actors::roles::Right;
use billing::app::App;
use billing::export::csv::Csv;
use billing::export::table;
use serde::Deserialize;
use store::audit_log::Act;
use views::admin::parts::{Field, FieldKind, Filters, ListPage, Table, address, set};
use views::components::{Action, Prose};
use views::icons::Icon;
use views::layout::Nav;
use views::{format, labels};

use crate::http::error::HttpResult;
use crate::http::params::Params;
use crate::lists::{List, Shown as _};
use crate::pages::admin::{ROWS_READ, operator_shell, page_of};
use crate::rows::act::Act as Shown;
use crate::{files, frame};

const HERE: &str = "/admin/log";

/// The filters of the log.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Search {
    actor: String,
    action: String,
    subject: String,
}

impl Search {
    fn address(&self, path: &str) -> String {
        let parts = [
            ("actor", self.actor.as_str()),
            ("action", &self.action),
            ("subject", &self.subject),
        ];
        address(path, &parts)
    }

    fn list(
        &self,
        tx: &mut store::Tx<'_>,
        before: Option<i64>,
        limit: i64,
    ) -> store::Result<Vec<Act>> {
        let (subject, actor) = (set(&self.subject), set(&self.actor));
        store::audit_log::list(tx, subject, actor, set(&self.action), before, limit)
    }
}

/// `GET /admin/log`.
pub async fn show(
    State(app): State<App>,
    operator: Operator,
    Params(search): Params<Search>,
    list: List<1>,
) -> HttpResult<Html<String>> {
    let before = list.before();
    let wanted = search.clone();
    let (mut acts, names) = app
        .read(move |tx| {
            let acts = wanted.list(tx, before, ROWS_READ)?;
            let names = names(tx, acts.iter().map(|act| act.actor.as_str()))?;
            Ok((acts, names))
        })
        .await?;
    let pager = page_of(&mut acts, &search.address(HERE), before.is_none(), |act| {
        vec![act.id]
    });
    let columns = [
        ("When", "num wide-only"),
        ("Who", ""),
        ("What", ""),
        ("On what", "wide-only"),
        ("Why and how", ""),
    ];
    let table = Table {
        pager: Some(pager),
        ..Table::new(
            "Actions, latest first",
            &columns,
            "No manual actions match.",
        )
        .rows(acts.iter().map(|act| row(act, &names)))
    };
    let field = |name, label, value| Field::new(name, label, FieldKind::Input("text"), value);
    let actions = FieldKind::Select(labels::actions(&search.action));
    let csv = Action::link("CSV", search.address("/admin/log.csv")).icon(Icon::Download);
    frame::html(&ListPage {
        actions: operator
            .may(Right::Export)
            .then_some(csv)
            .into_iter()
            .collect(),
        filters: Some(Filters {
            action: HERE.to_owned(),
            fields: vec![
                field("actor", "Who (id)", &search.actor),
                Field::new("action", "What", actions, &search.action),
                field("subject", "On what (id)", &search.subject),
            ],
        }),
        tables: vec![table],
        ..ListPage::new(
            operator_shell(&app, &operator.0, Nav::AdminLog),
            "Audit log",
            "All manual actions. Entries can't be changed or deleted. Times in UTC.",
        )
    })
}

/// Display names of the users with these ids.
pub fn names<'a>(
    tx: &mut store::Tx<'_>,
    actors: impl Iterator<Item = &'a str>,
) -> store::Result<HashMap<String, String>> {
    let mut names = HashMap::new();
    for actor in actors {
        if !names.contains_key(actor)
            && let Some(user) = store::users::by_public_id(tx, actor)?
        {
            names.insert(actor.to_owned(), user.name);
        }
    }
    Ok(names)
}

fn row(act: &Act, names: &HashMap<String, String>) -> Vec<Prose> {
    let detail: serde_json::Value = serde_json::from_str(&act.detail).unwrap_or_default();
    let reason = detail["reason"].as_str().unwrap_or_default().to_owned();
    let who = names.get(&act.actor).unwrap_or(&act.actor).clone();
    let actor = address(HERE, &[("actor", &act.actor)]);
    let subject = match act.subject.split('_').next() {
        Some("acc") => {
            Prose::default().link(&act.subject, format!("/admin/accounts/{}", act.subject))
        }
        Some("evt") => {
            Prose::default().link(&act.subject, format!("/admin/events/{}", act.subject))
        }
        _ => Prose::default().code(&act.subject),
    };
    let mut why = Prose::new(reason);
    for (name, value) in detail.as_object().into_iter().flatten() {
        if name != "reason" {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            why = why.text(" ").code(format!("{name}: {value}"));
        }
    }
    vec![
        Prose::default().time(format::second(act.at.micros())),
        Prose::default().link(who, actor),
        labels::action(&act.action).into(),
        subject,
        why,
    ]
}

/// `GET /admin/log.csv`: the whole log as a file.
pub async fn csv(
    State(app): State<App>,
    _operator: Operator,
    Params(search): Params<Search>,
) -> Response {
    let head = Some(Csv::of(Shown::COLUMNS).into_text());
    let first = (head, None::<i64>, false);
    files::file(
        "audit-log.csv",
        table::CSV,
        first,
        move |(head, before, over)| {
            let (app, search) = (app.clone(), search.clone());
            async move {
                if let Some(head) = head {
                    return Ok(Some((head, (None, None, false))));
                }
                if over {
                    return Ok(None);
                }
                let acts = app
                    .read(move |tx| search.list(tx, before, table::PAGE))
                    .await?;
                let Some(last) = acts.last().map(|act| act.id) else {
                    return Ok(None);
                };
                let mut csv = Csv::empty();
                acts.into_iter()
                    .map(Shown::from)
                    .for_each(|act| csv.add(Shown::COLUMNS, &act));
                Ok(Some((csv.into_text(), (None, Some(last), false))))
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use billing::operators::audit_log::Action;
    use views::labels;

    #[test]
    fn every_action_has_a_label_to_choose_it_by() {
        let choices = labels::actions("");

        assert_eq!(choices.len(), 1 + Action::ALL.len());
        for action in Action::ALL {
            assert_ne!(labels::action(action.word()), action.word());
        }
    }
}
