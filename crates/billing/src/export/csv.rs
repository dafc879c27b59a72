//! Comma-separated values (RFC 4180), safe to open in a spreadsheet.

use std::borrow::Cow;

/// A column of a table of `T`: its name, and the cell of a row.
pub type Column<T> = (&'static str, fn(&T) -> Cell<'_>);

/// A file of comma-separated values (RFC 4180).
#[derive(Debug)]
pub struct Csv {
    text: String,
}

impl Csv {
    /// A file with these column names.
    pub fn new(columns: &[&str]) -> Csv {
        let mut csv = Csv {
            text: String::new(),
        };
        let columns: Vec<Cell<'_>> = columns.iter().map(|name| Cell::plain(*name)).collect();
        csv.row(&columns);
        csv
    }

    /// A part of a file: rows without names above them.
    pub fn empty() -> Csv {
        Csv {
            text: String::new(),
        }
    }

    /// A file with the names of these columns.
    pub fn of<T>(columns: &[Column<T>]) -> Csv {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        Csv::new(&names)
    }

    /// Adds a row of these columns.
    pub fn add<T>(&mut self, columns: &[Column<T>], row: &T) {
        let cells: Vec<Cell<'_>> = columns.iter().map(|(_, cell)| cell(row)).collect();
        self.row(&cells);
    }

    /// What was written.
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
    /// Written by a person or another system: never read as a formula by a spreadsheet.
    Text(Cow<'a, str>),
    /// Written by us: a number, a date, a word of ours.
    Plain(Cow<'a, str>),
}

impl<'a> Cell<'a> {
    /// A cell of [`Cell::Text`].
    pub fn text(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::Text(text.into())
    }

    /// A cell of [`Cell::Plain`].
    pub fn plain(text: impl Into<Cow<'a, str>>) -> Cell<'a> {
        Cell::Plain(text.into())
    }

    /// A number.
    pub fn number(number: impl std::fmt::Display) -> Cell<'a> {
        Cell::plain(number.to_string())
    }

    /// A text that may be absent.
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
