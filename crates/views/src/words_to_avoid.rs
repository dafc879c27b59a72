//! Words that user-facing text must not contain: `words-to-avoid.txt`, and the search for them.

const LIST: &str = include_str!("../words-to-avoid.txt");

/// The words to avoid that occur in `text`, each with its replacement.
pub fn found_in(text: &str) -> Vec<(&'static str, &'static str)> {
    // Text between backticks is a value of the API, not prose.
    let prose: Vec<&str> = text.split('`').step_by(2).collect();
    let text = prose.join("`").to_ascii_lowercase();
    let entries = LIST.lines().filter(|line| !line.starts_with('#'));
    entries
        .filter_map(|line| line.split_once(" = "))
        .filter(|(word, _)| has_word(&text, word))
        .collect()
}

/// Whether `word` occurs in `text` as a whole word; an address such as `a@mail.example` doesn't
/// count, nor does an identifier such as `mail_id`.
fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || "_@.-/?=&".contains(c);
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let mut next = after.chars();
        let ends = match next.next() {
            // A period ends a sentence only if no name continues after it.
            Some('.') => next.next().is_none_or(|c| !c.is_alphanumeric()),
            Some(c) => !joins(c),
            None => true,
        };
        ends && !before.ends_with(joins)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_whole_and_whatever_its_case() {
        assert_eq!(found_in("Mail me."), [("mail", "email")]);
        assert_eq!(
            found_in("We fixed it by itself."),
            [("by itself", "automatically")]
        );
    }

    #[test]
    fn parts_of_words_addresses_and_identifiers_are_let_through() {
        assert!(found_in("Email maya@mail.example about the slot in mail_queue.").is_empty());
        assert!(found_in("The status is `CANCELLED`, as the API writes it.").is_empty());
    }
}
