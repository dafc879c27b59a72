//! Which email addresses are one mailbox: a person who writes an address in another way is not
//! another person.

/// A domain whose mailboxes are those of another.
const SAME_DOMAINS: [(&str, &str); 1] = [("googlemail.com", "gmail.com")];

/// What an address is compared without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxRules {
    /// Whether a plus sign and what follows it count as a tag, which is left out.
    pub ignores_tags: bool,
    /// The domains, in lower case, at which dots in front of the `@` are left out.
    pub ignores_dots_at: Vec<String>,
}

impl Default for MailboxRules {
    fn default() -> MailboxRules {
        MailboxRules {
            ignores_tags: true,
            ignores_dots_at: vec!["gmail.com".to_owned(), "googlemail.com".to_owned()],
        }
    }
}

impl MailboxRules {
    /// The mailbox of an address, in lower case: the same text for all ways to write it.
    pub fn mailbox(&self, email: &str) -> String {
        let email = email.trim().to_lowercase();
        let Some((whole, domain)) = email.rsplit_once('@') else {
            return email;
        };
        let domain = domain.trim_end_matches('.');
        let ignores_dots = self.ignores_dots_at.iter().any(|known| known == domain);
        let same = SAME_DOMAINS.iter().find(|(other, _)| *other == domain);
        let domain = same.map_or(domain, |(_, domain)| *domain);
        let untagged = whole.split_once('+').map(|(local, _)| local);
        let local = untagged.filter(|local| self.ignores_tags && !local.is_empty());
        let local = local.unwrap_or(whole);
        let local = if ignores_dots {
            local.replace('.', "")
        } else {
            local.to_owned()
        };
        format!("{local}@{domain}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_left_out_everywhere_and_dots_where_they_mean_nothing() {
        let rules = MailboxRules::default();
        for (written, mailbox) in [
            ("maya@example.com", "maya@example.com"),
            (" Maya+billing@Example.com ", "maya@example.com"),
            ("m.aya+a+b@example.com", "m.aya@example.com"),
            ("m.a.ya+x@gmail.com", "maya@gmail.com"),
            ("M.aya@googlemail.com", "maya@gmail.com"),
            ("+x@example.com", "+x@example.com"),
            ("maya@example.com.", "maya@example.com"),
            ("no address", "no address"),
        ] {
            assert_eq!(rules.mailbox(written), mailbox, "{written}");
        }
    }

    #[test]
    fn an_operator_can_compare_addresses_as_they_are_written() {
        let rules = MailboxRules {
            ignores_tags: false,
            ignores_dots_at: Vec::new(),
        };

        assert_eq!(rules.mailbox("m.a+x@gmail.com"), "m.a+x@gmail.com");
    }
}
