//! A minimal writer of one-page PDFs with lines of text, enough to save and print an invoice.

use std::fmt::Write as _;

/// The number of lines that fit on the page. Further lines are left out.
const LINES_MAX: usize = 48;

/// One line with text on the left and an amount on the right.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub left: String,
    pub right: String,
    pub is_bold: bool,
}

impl Line {
    pub fn plain(left: impl Into<String>, right: impl Into<String>) -> Self {
        Self {
            left: left.into(),
            right: right.into(),
            is_bold: false,
        }
    }

    pub fn bold(left: impl Into<String>, right: impl Into<String>) -> Self {
        Self {
            is_bold: true,
            ..Self::plain(left, right)
        }
    }
}

/// Renders the document as A4 in Helvetica.
pub(crate) fn document(title: &str, lines: &[Line]) -> Vec<u8> {
    let mut page = String::new();
    show(&mut page, "F2", 18, (56, 780), title);
    for (row, line) in (0_i32..).zip(lines.iter().take(LINES_MAX)) {
        let y = 744 - row * 15;
        let font = if line.is_bold { "F2" } else { "F1" };
        show(&mut page, font, 10, (56, y), &line.left);
        show(&mut page, font, 10, (420, y), &line.right);
    }
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R \
         /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>"
            .to_owned(),
        font("Helvetica"),
        font("Helvetica-Bold"),
        format!("<< /Length {} >>\nstream\n{page}endstream", page.len()),
    ];
    assemble(&objects)
}

fn font(name: &str) -> String {
    format!("<< /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>")
}

fn show(page: &mut String, font: &str, size: u32, (x, y): (i32, i32), text: &str) {
    let text = hex::encode(win_ansi(text));
    let _ = writeln!(page, "BT /{font} {size} Tf {x} {y} Td <{text}> Tj ET");
}

/// Encodes the text as Windows-1252, which the standard fonts use. A character that the encoding
/// lacks becomes a question mark.
fn win_ansi(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| match letter {
            '\u{20ac}' => 0x80,
            '\u{2013}' => 0x96,
            '\u{2014}' => 0x97,
            '\u{2212}' => b'-',
            '\u{2019}' => 0x92,
            '\u{d7}' => 0xd7,
            ' '..='~' | '\u{a0}'..='\u{ff}' => u8::try_from(u32::from(letter)).unwrap_or(b'?'),
            _ => b'?',
        })
        .collect()
}

fn assemble(objects: &[String]) -> Vec<u8> {
    let mut file = "%PDF-1.4\n".to_owned();
    let mut table = "0000000000 65535 f \n".to_owned();
    for (index, object) in objects.iter().enumerate() {
        let _ = writeln!(table, "{:010} 00000 n ", file.len());
        let _ = write!(file, "{} 0 obj\n{object}\nendobj\n", index + 1);
    }
    let start = file.len();
    let size = objects.len() + 1;
    let _ = write!(
        file,
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    );
    file.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cross_reference_table_points_to_every_object() {
        let pdf = document("Invoice A-0001", &[Line::bold("Total", "€19.00")]);
        let text = String::from_utf8(pdf).unwrap();

        let start: usize = text
            .rsplit("startxref\n")
            .next()
            .and_then(|tail| tail.split('\n').next())
            .unwrap()
            .parse()
            .unwrap();
        assert!(text[start..].starts_with("xref\n0 7\n"));
        for (number, line) in text[start..].lines().skip(3).take(6).enumerate() {
            let offset: usize = line[..10].parse().unwrap();
            assert!(
                text[offset..].starts_with(&format!("{} 0 obj", number + 1)),
                "{line}"
            );
        }
        assert!(text.contains(&hex::encode(b"\x8019.00")));
    }
}
