//! Comma-separated values (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;

/// A column for rows of type `T`: its name, and the cell of a row.
pub type Column<T> = (&'static str, fn(&T) -> Cell<'_>);

/// A CSV file (RFC 4180).
#[derive(Debug)]
pub struct Csv {
    text: String,
}

impl Csv {
    /// Creates a file with these column names.
    pub fn new(columns: &[&str]) -> Csv {
        let mut csv = Csv {
            text: String::new(),
        };
        let columns: Vec<Cell<'_>> = columns.iter().map(|name| Cell::plain(*name)).collect();
        csv.row(&columns);
        csv
    }

    /// Creates a part of a file, without a header row.
    pub fn empty() -> Csv {
        Csv {
            text: String::new(),
        }
    }

    /// Creates a file with the names of these columns.
    pub fn of<T>(columns: &[Column<T>]) -> Csv {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        Csv::new(&names)
    }

    /// Adds a row of these columns.
    pub fn add<T>(&mut self, columns: &[Column<T>], row: &T) {
        let cells: Vec<Cell<'_>> = columns.iter().map(|(_, cell)| cell(row)).collect();
        self.row(&cells);
    }

    /// The text written so far.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Writes one row and its line ending.
    pub fn row(&mut self, cells: &[Cell<'_>]) {
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            cell.write(&mut self.text);
        }
        self.text.push_str("\r\n");
    }
}

/// A cell of a CSV file.
#[derive(Clone, Debug)]
pub enum Cell<'a> {
    /// Untrusted text; escaped so that a spreadsheet never reads it as a formula.
    Text(Cow<'a, str>),
    /// Trusted text: a number, a date, or a word of ours.
    Plain(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    /// Creates a [`Cell::Text`].
    pub fn text(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::Text(text.into())
    }

    /// Creates a [`Cell::Plain`].
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::Plain(text.into())
    }

    /// Creates a cell with a number.
    pub fn number(number: impl std::fmt::Display) -> Cell<'a> {
        Cell::plain(number.to_string())
    }

    /// Creates a cell with optional text.
    pub fn maybe(text: Option<&'a String>) -> Cell<'a> {
        Cell::text(text.map_or("", String::as_str))
    }

    fn write(&self, to: &mut String) {
        let (text, is_formula) = match self {
            Cell::Plain(text) => (text, false),
            Cell::Text(text) => {
                let first = text.trim_start_matches([' ', '\u{feff}']).chars().next();
                let is_formula = matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r'));
                (text, is_formula)
            }
        };
        let is_quoted = is_formula || text.contains(['"', ',', '\n', '\r']);
        let quote = if is_quoted { "\"" } else { "" };
        let guard = if is_formula { "'" } else { "" };
        to.push_str(quote);
        to.push_str(guard);
        to.push_str(&text.replace('"', "\"\""));
        to.push_str(quote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_a12_a_cell_is_never_a_formula() {
        let mut csv = Csv::new(&["name", "amount"]);

        csv.row(&[Cell::text("=cmd|'/c calc'!A0"), Cell::plain("-5.00")]);
        csv.row(&[Cell::text("a \"b\", c"), Cell::plain("1")]);
        csv.row(&[Cell::text(" @x"), Cell::text("\t=1")]);

        let lines: Vec<&str> = csv.text.split("\r\n").collect();
        assert_eq!(
            lines,
            [
                "name,amount",
                "\"'=cmd|'/c calc'!A0\",-5.00",
                "\"a \"\"b\"\", c\",1",
                "\"' @x\",\"'\t=1\"",
                ""
            ]
        );
    }
}
