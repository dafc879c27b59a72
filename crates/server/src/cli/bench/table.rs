//! Formats the figures as a text table and as JSON.

use serde_json::Value;

use crate::cli::bench::Figures;
use crate::cli::bench::load::{Kind, Measured};

/// Width of a column, in characters.
const COLUMN: usize = 28;

/// The figures as JSON.
pub(crate) fn json(figures: &Figures) -> Value {
    let cells = figures.cells.iter().map(|cell| {
        let mut value = measured(&cell.measured);
        value["name"] = cell.kind.word().into();
        value["connections"] = cell.connections.into();
        value["ofNoop"] = cell.of_noop.into();
        value
    });
    let steady = figures.steady.iter().map(|one| {
        let mut value = measured(&one.measured);
        value["name"] = one.kind.word().into();
        value["rate"] = one.rate.into();
        value
    });
    serde_json::json!({
        "version": env!("CARGO_PKG_VERSION"),
        "debug": cfg!(debug_assertions),
        "database": figures.database,
        "accounts": figures.accounts,
        "seconds": figures.time.as_secs(),
        "fsyncsPerSecond": figures.fsyncs,
        "cells": cells.collect::<Vec<_>>(),
        "steady": steady.collect::<Vec<_>>(),
        "applied": measured(&figures.synced),
        "audit": {
            "entries": figures.audited.entries,
            "findings": figures.audited.findings_count,
        },
    })
}

fn measured(measured: &Measured) -> Value {
    serde_json::json!({
        "perSecond": measured.per_second,
        "p50Micros": measured.p50_micros,
        "p95Micros": measured.p95_micros,
        "p99Micros": measured.p99_micros,
        "refused": measured.refused,
        "firstRefusal": measured.first_refusal,
    })
}

/// The figures as a text table.
pub(crate) fn text(figures: &Figures) -> String {
    let mut text = closed(figures);
    text.push_str("\n\nFixed rate, 64 connections: p50, p95, p99");
    for one in &figures.steady {
        let name = format!("{}, {} per second", one.kind.word(), one.rate);
        text.push_str(&line(&name, &one.measured));
    }
    text.push_str("\n\nFrom receipt of an event until it is applied: p50, p95, p99");
    let name = format!("{:.0} events per second", figures.synced.per_second);
    text.push_str(&line(&name, &figures.synced));

    let lone = figures
        .cells
        .iter()
        .find(|cell| cell.kind == Kind::DebitUniform && cell.connections == 1)
        .map_or(0.0, |cell| cell.measured.per_second);
    let fsyncs = figures.fsyncs;
    text.push_str(&format!(
        "\n\nWrite and fdatasync: {fsyncs:.0} per second; debits of one connection reach {:.2} of that\n",
        lone / fsyncs
    ));
    text.push_str(&refusals(figures));
    text.push_str(&format!(
        "Audit: {} entries, {} differences",
        figures.audited.entries, figures.audited.findings_count
    ));
    text
}

/// The loads in which each connection sends its next request as soon as it has a response.
fn closed(figures: &Figures) -> String {
    let mut text = format!(
        "{}, {} accounts: responses per second (share of noop), p99\n\n{:<22}",
        figures.database, figures.accounts, "connections"
    );
    let columns = figures.cells.iter().filter(|cell| cell.kind == Kind::Noop);
    for column in columns {
        text.push_str(&format!("{:>COLUMN$}", column.connections));
    }
    for kind in Kind::METERED.into_iter().chain([Kind::BillingPage]) {
        text.push_str(&format!("\n{:<22}", kind.word()));
        for cell in figures.cells.iter().filter(|cell| cell.kind == kind) {
            let figure = format!(
                "{:.0} ({:.2}) {}",
                cell.measured.per_second,
                cell.of_noop,
                millis(cell.measured.p99_micros)
            );
            text.push_str(&format!("{figure:>COLUMN$}"));
        }
    }
    text
}

fn line(name: &str, measured: &Measured) -> String {
    let Measured {
        p50_micros,
        p95_micros,
        p99_micros,
        ..
    } = *measured;
    format!(
        "\n{name:<26}{:>10}{:>10}{:>10}",
        millis(p50_micros),
        millis(p95_micros),
        millis(p99_micros)
    )
}

fn millis(micros: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a time to display")]
    let millis = micros as f64 / 1_000.0;
    format!("{millis:.1} ms")
}

fn refusals(figures: &Figures) -> String {
    let closed = figures
        .cells
        .iter()
        .map(|cell| (cell.kind.word(), &cell.measured));
    let steady = figures
        .steady
        .iter()
        .map(|one| (one.kind.word(), &one.measured));
    closed
        .chain(steady)
        .chain([("events", &figures.synced)])
        .filter(|(_, measured)| measured.refused > 0)
        .map(|(name, measured)| {
            let first = measured.first_refusal.as_deref().unwrap_or_default();
            format!("{name}: {} refused, the first: {first}\n", measured.refused)
        })
        .collect()
}
