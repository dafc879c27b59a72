//! The mailbox: parsed emails that the service sent to the SMTP sink.

use std::collections::VecDeque;

use mail_parser::{Address, MessageParser};
use serde::{Deserialize, Serialize};

use crate::clock::Micros;

/// The largest number of emails in the mailbox. A new one replaces the oldest.
const EMAILS_MAX: usize = 1_000;

/// An email that the sink received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Email {
    /// The number of the email, counted from 1 in the order of arrival.
    pub id: u64,
    /// The recipients on the envelope, to whom a mail server would deliver it.
    pub to: Vec<String>,
    /// The address in the `From` header.
    pub from: String,
    /// The subject, decoded to plain text.
    pub subject: String,
    /// The text part, or an empty string if there is none.
    pub text: String,
    /// The HTML part, or an empty string if there is none.
    pub html: String,
    /// The time of arrival on the billing clock, as RFC 3339.
    pub received_at: String,
    /// The time of arrival in real time, as RFC 3339.
    pub received_at_real: String,
}

/// The emails in order of arrival.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mailbox {
    last_id: u64,
    #[serde(rename = "mails")]
    emails: VecDeque<Email>,
}

impl Mailbox {
    pub fn receive(&mut self, envelope: &Envelope, raw: &[u8], billing: Micros, real: Micros) {
        self.last_id += 1;
        let parsed = MessageParser::default().parse(raw);
        let parsed = parsed.as_ref();
        let text_of =
            |part: Option<std::borrow::Cow<'_, str>>| part.unwrap_or_default().into_owned();
        // The parser converts a missing part from the other one; only real parts count here.
        let has_text =
            parsed.is_some_and(|email| email.text_bodies().any(|part| !part.is_text_html()));
        let has_html = parsed.is_some_and(|email| {
            email
                .html_bodies()
                .any(mail_parser::MessagePart::is_text_html)
        });
        self.emails.push_back(Email {
            id: self.last_id,
            to: envelope.to.clone(),
            from: parsed
                .and_then(|email| email.from())
                .and_then(Address::first)
                .and_then(|from| from.address.as_deref())
                .unwrap_or(&envelope.from)
                .to_owned(),
            subject: parsed
                .and_then(|email| email.subject())
                .unwrap_or_default()
                .to_owned(),
            text: if has_text {
                text_of(parsed.and_then(|email| email.body_text(0)))
            } else {
                String::new()
            },
            html: if has_html {
                text_of(parsed.and_then(|email| email.body_html(0)))
            } else {
                String::new()
            },
            received_at: crate::clock::rfc3339(billing),
            received_at_real: crate::clock::rfc3339(real),
        });
        if self.emails.len() > EMAILS_MAX {
            self.emails.pop_front();
        }
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &Email> {
        self.emails.iter().rev()
    }

    pub fn get(&self, id: u64) -> Option<&Email> {
        self.emails.iter().find(|email| email.id == id)
    }

    pub fn len(&self) -> usize {
        self.emails.len()
    }

    pub fn clear(&mut self) {
        self.emails.clear();
    }
}

/// The sender and the recipients that the SMTP client specified.
#[derive(Debug, Default, Clone)]
pub(crate) struct Envelope {
    pub from: String,
    pub to: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(raw: &str) -> Email {
        let mut mailbox = Mailbox::default();
        let envelope = Envelope {
            from: "app@example.com".to_owned(),
            to: vec!["ada@example.com".to_owned()],
        };
        mailbox.receive(&envelope, raw.as_bytes(), 0, 0);
        mailbox.get(1).unwrap().clone()
    }

    #[test]
    fn the_subject_and_both_parts_are_decoded() {
        let email = received(concat!(
            "From: Shop <shop@example.com>\r\n",
            "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= =?UTF-8?B?IOKCrDE5?=\r\n",
            "Content-Type: multipart/alternative; boundary=b\r\n\r\n",
            "--b\r\nContent-Type: text/plain; charset=utf-8\r\n",
            "Content-Transfer-Encoding: quoted-printable\r\n\r\nPay =E2=82=AC19 =\r\nnow\r\n",
            "--b\r\nContent-Type: text/html; charset=utf-8\r\n",
            "Content-Transfer-Encoding: base64\r\n\r\nPGI+UGF5PC9iPg==\r\n--b--\r\n",
        ));

        assert_eq!(email.from, "shop@example.com");
        assert_eq!(email.to, ["ada@example.com"]);
        assert_eq!(email.subject, "Grüße €19");
        assert_eq!(email.text.trim(), "Pay €19 now");
        assert_eq!(email.html.trim(), "<b>Pay</b>");
    }

    #[test]
    fn a_text_email_has_no_html_part() {
        let email = received("Subject: Hi\r\n\r\nHello\r\n");

        assert_eq!((email.text.trim(), email.html.as_str()), ("Hello", ""));
    }

    #[test]
    fn bytes_that_are_not_an_email_are_kept_as_an_empty_one() {
        let email = received("");

        assert_eq!(
            (email.from.as_str(), email.subject.as_str()),
            ("app@example.com", "")
        );
    }
}
