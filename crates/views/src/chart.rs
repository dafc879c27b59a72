//! A bar chart by day, rendered on the server: no script, a title on every bar, and the same
//! numbers in a table below. All geometry uses integers, in tenths of a unit.

use askama::Template;
use askama::filters::HtmlSafe;

use crate::format;

/// Credits by day and series.
#[derive(Clone, Debug, Template)]
#[template(path = "components/chart.html")]
pub struct Chart {
    /// The element id, unique on its page; ids of inner elements start with it.
    id: String,
    title: String,
    series: Vec<String>,
    drawings: Vec<Drawing>,
    rows: Vec<TableRow>,
    total: String,
}

impl HtmlSafe for Chart {}

#[derive(Clone, Debug)]
pub struct Day {
    /// The start of the day, in microseconds since 1970.
    pub at: i64,
    /// Micro-credits spent, one number per series.
    pub spent: Vec<i64>,
}

#[derive(Clone, Debug)]
struct Drawing {
    /// The CSS class: wide for desktops, narrow for phones, where only the latest days fit.
    class: &'static str,
    key: &'static str,
    width: String,
    right: String,
    title: String,
    description: String,
    lines: Vec<Line>,
    bars: Vec<Bar>,
}

#[derive(Clone, Debug)]
struct Line {
    y: String,
    text_y: String,
    label: String,
}

#[derive(Clone, Debug)]
struct Bar {
    title: String,
    pieces: Vec<Piece>,
    label: Option<Label>,
}

#[derive(Clone, Debug)]
struct Piece {
    series: usize,
    x: String,
    y: String,
    width: String,
    height: String,
}

#[derive(Clone, Debug)]
struct Label {
    x: String,
    text: String,
}

#[derive(Clone, Debug)]
struct TableRow {
    day: String,
    cells: Vec<String>,
    total: String,
}

/// The most series; the credits of any further ones are counted under the fourth, "Other".
pub const SERIES_MAX: usize = 4;

/// The color of each series without our stylesheet, on a page of the host application.
const COLORS: [&str; SERIES_MAX] = ["#4450d6", "#1390a0", "#c27a13", "#9aa2b1"];

/// The most days; more would make the bars thinner than a line.
pub const DAYS_MAX: usize = 92;

const DAYS_NARROW: usize = 14;

const GRID_LINES: i64 = 4;

/// Round steps of the scale, as fractions that are multiplied by a power of ten: 1, 1.25, 1.5, ...
const STEPS: [(i128, i128); 8] = [
    (1, 1),
    (5, 4),
    (3, 2),
    (2, 1),
    (5, 2),
    (3, 1),
    (4, 1),
    (5, 1),
];

// In tenths of a unit of the view box.
const TOP: i64 = 80;

const BOTTOM: i64 = 1660;

const LEFT: i64 = 400;

impl Chart {
    /// Draws `days`, oldest first. If there are more than [`DAYS_MAX`], the oldest are omitted.
    pub fn new(id: &str, title: &str, series: Vec<String>, days: &[Day]) -> Self {
        assert!(
            series.len() <= SERIES_MAX,
            "a chart has at most {SERIES_MAX} series"
        );
        let days = &days[days.len().saturating_sub(DAYS_MAX)..];
        let narrow = &days[days.len().saturating_sub(DAYS_NARROW)..];
        let total = days
            .iter()
            .fold(0_i64, |sum, day| sum.saturating_add(day.total()));
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            drawings: vec![
                draw("wide-only", "w", 1080, title, &series, days),
                draw("narrow-only", "n", 360, title, &series, narrow),
            ],
            rows: days.iter().rev().map(TableRow::of).collect(),
            total: format::credits(total),
            series,
        }
    }

    fn is_stacked(&self) -> bool {
        self.series.len() > 1
    }
}

impl Day {
    fn total(&self) -> i64 {
        self.spent
            .iter()
            .fold(0, |sum, spent| sum.saturating_add(*spent))
    }

    /// For example "24 Oct: 273 credits (chat 170, OCR 18)".
    fn title(&self, series: &[String]) -> String {
        let day = format::day_short(self.at);
        let total = format::credits_worded(self.total());
        let parts: Vec<String> = series
            .iter()
            .zip(&self.spent)
            .filter(|(_, spent)| **spent != 0)
            .map(|(name, spent)| format!("{name} {}", format::credits(*spent)))
            .collect();
        if parts.len() < 2 {
            return format!("{day}: {total}");
        }
        format!("{day}: {total} ({})", parts.join(", "))
    }
}

impl TableRow {
    fn of(day: &Day) -> Self {
        Self {
            day: format::day_short(day.at),
            cells: day
                .spent
                .iter()
                .map(|spent| format::credits(*spent))
                .collect(),
            total: format::credits(day.total()),
        }
    }
}

fn draw(
    class: &'static str,
    key: &'static str,
    width: i64,
    title: &str,
    series: &[String],
    days: &[Day],
) -> Drawing {
    let right = (width - 4) * 10;
    let most = days.iter().map(Day::total).max().unwrap_or(0);
    let top = scale_top(most);
    let lines = (0..=GRID_LINES).map(|line| {
        let y = BOTTOM - (BOTTOM - TOP) * line / GRID_LINES;
        Line {
            y: tenths(y),
            text_y: tenths(y + 40),
            label: short(top / GRID_LINES * line),
        }
    });
    Drawing {
        class,
        key,
        width: width.to_string(),
        right: tenths(right),
        title: spanned(title, days),
        description: format!(
            "The busiest day used {}. The same numbers are in the table below the chart.",
            format::credits_worded(most)
        ),
        lines: lines.collect(),
        bars: bars(right, top, series, days),
    }
}

fn bars(right: i64, top: i64, series: &[String], days: &[Day]) -> Vec<Bar> {
    let many = i64::try_from(days.len().max(1)).expect("days are bounded");
    let slot = (right - LEFT) / many;
    let width = slot * 68 / 100;
    days.iter()
        .zip(0_i64..)
        .map(|(day, place)| {
            let x = LEFT + slot * place + (slot - width) / 2;
            let from_end = many - 1 - place;
            Bar {
                title: day.title(series),
                pieces: pieces(day, x, width, top),
                label: (from_end % 7 == 0 || many <= 7).then(|| Label {
                    x: tenths(x + width / 2),
                    text: format::day_short(day.at),
                }),
            }
        })
        .collect()
}

fn pieces(day: &Day, x: i64, width: i64, top: i64) -> Vec<Piece> {
    let mut y = BOTTOM;
    let mut pieces = Vec::with_capacity(day.spent.len());
    for (place, spent) in day.spent.iter().enumerate() {
        let share = i128::from((*spent).max(0)) * i128::from(BOTTOM - TOP) / i128::from(top);
        let height = i64::try_from(share).expect("no bar is higher than the scale");
        if height == 0 {
            continue;
        }
        y -= height;
        pieces.push(Piece {
            series: place,
            x: tenths(x),
            y: tenths(y),
            width: tenths(width),
            height: tenths(height),
        });
    }
    pieces
}

/// The top of the scale: four grid lines, spaced by the smallest round step that covers `most`.
fn scale_top(most: i64) -> i64 {
    let need = i128::from(most.max(4));
    let mut power = 1_i128;
    loop {
        for (times, by) in STEPS {
            let top = power * times * i128::from(GRID_LINES) / by;
            if top >= need && top % i128::from(GRID_LINES) == 0 {
                return i64::try_from(top).unwrap_or(i64::MAX / GRID_LINES * GRID_LINES);
            }
        }
        power *= 10;
    }
}

/// Credits in the width of an axis label: "1,500", "12.5k", "3M".
fn short(micros: i64) -> String {
    const UNITS: [(i64, &str); 3] = [
        (1_000_000_000_000_000, "B"),
        (1_000_000_000_000, "M"),
        (10_000_000_000, "k"),
    ];
    for (from, unit) in UNITS {
        if micros >= from {
            let divisor = if unit == "k" { 1_000 } else { from / 1_000_000 };
            let text = format::credits(micros / divisor);
            return format!("{text}{unit}");
        }
    }
    format::credits(micros)
}

fn spanned(title: &str, days: &[Day]) -> String {
    match (days.first(), days.last()) {
        (Some(first), Some(last)) => {
            format!(
                "{title}, {} to {}",
                format::day_short(first.at),
                format::day(last.at).text
            )
        }
        _ => title.to_owned(),
    }
}

/// Formats tenths for SVG: 1076 is "107.6".
fn tenths(value: i64) -> String {
    match value % 10 {
        0 => format!("{}", value / 10),
        rest => format!("{}.{}", value / 10, rest.abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;
    const CREDIT: i64 = 1_000_000;

    fn days(count: i64, spent: i64) -> Vec<Day> {
        (0..count)
            .map(|day| Day {
                at: day * DAY,
                spent: vec![spent, spent / 2],
            })
            .collect()
    }

    #[test]
    fn the_scale_is_a_round_number_that_holds_the_busiest_day() {
        assert_eq!(scale_top(418 * CREDIT), 500 * CREDIT);
        assert_eq!(scale_top(400 * CREDIT), 400 * CREDIT);
        assert_eq!(scale_top(0), 4);
        assert!(scale_top(i64::MAX) > i64::MAX / 2);
    }

    #[test]
    fn the_axis_stays_narrow_for_any_number() {
        assert_eq!(short(1_500 * CREDIT), "1,500");
        assert_eq!(short(12_500 * CREDIT), "12.5k");
        assert_eq!(short(3_000_000 * CREDIT), "3M");
        assert_eq!(short(2_000_000_000 * CREDIT), "2B");
    }

    #[test]
    fn every_day_has_its_bar_and_its_row_and_phones_get_two_weeks() {
        let series = vec!["Chat".to_owned(), "OCR".to_owned()];

        let chart = Chart::new("c", "Credits", series, &days(30, 100 * CREDIT));

        assert_eq!(chart.rows.len(), 30);
        assert_eq!(chart.drawings[0].bars.len(), 30);
        assert_eq!(chart.drawings[1].bars.len(), 14);
        assert_eq!(
            chart.drawings[0].bars[0].title,
            "1 Jan: 150 credits (Chat 100, OCR 50)"
        );
        assert_eq!(chart.total, "4,500");
    }

    #[test]
    fn a_chart_of_nothing_or_of_the_largest_numbers_is_still_drawn() {
        let series = || vec!["Chat".to_owned(), "OCR".to_owned()];

        assert!(
            Chart::new("c", "Credits", series(), &[])
                .to_string()
                .contains("<svg")
        );
        assert!(
            Chart::new("c", "Credits", series(), &days(40, 0))
                .to_string()
                .contains("<svg")
        );
        let most = Chart::new("c", "Credits", series(), &days(400, i64::MAX / 2));
        assert_eq!(most.rows.len(), DAYS_MAX);
    }
}
