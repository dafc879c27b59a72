//! The mailbox: mails that the demo sent, read into what a person sees.

use std::collections::VecDeque;

use mail_parser::{Address, MessageParser};
use serde::{Deserialize, Serialize};

use crate::clock::Micros;

/// Mails kept; older ones make room.
const MAILS_MAX: usize = 1_000;

/// One mail as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mail {
    /// Counts from 1 in the order of arrival.
    pub id: u64,
    /// Whom the envelope names: who would really get it.
    pub to: Vec<String>,
    /// The sender's address.
    pub from: String,
    /// The subject, decoded.
    pub subject: String,
    /// The text part; empty when there is none.
    pub text: String,
    /// The HTML part; empty when there is none.
    pub html: String,
    /// When it came by the billing clock, RFC 3339.
    pub received_at: String,
    /// When it came by real time, RFC 3339.
    pub received_at_real: String,
}

/// The mails in order of arrival.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mailbox {
    last_id: u64,
    mails: VecDeque<Mail>,
}

impl Mailbox {
    pub fn receive(&mut self, envelope: &Envelope, raw: &[u8], billing: Micros, real: Micros) {
        self.last_id += 1;
        let parsed = MessageParser::default().parse(raw);
        let parsed = parsed.as_ref();
        let text_of =
            |part: Option<std::borrow::Cow<'_, str>>| part.unwrap_or_default().into_owned();
        // A part that was converted from the other one is no part of the mail.
        let has_text =
            parsed.is_some_and(|mail| mail.text_bodies().any(|part| !part.is_text_html()));
        let has_html =
            parsed.is_some_and(|mail| mail.html_bodies().any(|part| part.is_text_html()));
        self.mails.push_back(Mail {
            id: self.last_id,
            to: envelope.to.clone(),
            from: parsed
                .and_then(|mail| mail.from())
                .and_then(Address::first)
                .and_then(|from| from.address.as_deref())
                .unwrap_or(&envelope.from)
                .to_owned(),
            subject: parsed
                .and_then(|mail| mail.subject())
                .unwrap_or_default()
                .to_owned(),
            text: if has_text {
                text_of(parsed.and_then(|mail| mail.body_text(0)))
            } else {
                String::new()
            },
            html: if has_html {
                text_of(parsed.and_then(|mail| mail.body_html(0)))
            } else {
                String::new()
            },
            received_at: crate::clock::rfc3339(billing),
            received_at_real: crate::clock::rfc3339(real),
        });
        if self.mails.len() > MAILS_MAX {
            self.mails.pop_front();
        }
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &Mail> {
        self.mails.iter().rev()
    }

    pub fn get(&self, id: u64) -> Option<&Mail> {
        self.mails.iter().find(|mail| mail.id == id)
    }

    pub fn len(&self) -> usize {
        self.mails.len()
    }

    pub fn clear(&mut self) {
        self.mails.clear();
    }
}

/// Who sends to whom, by the SMTP dialogue.
#[derive(Debug, Default, Clone)]
pub(crate) struct Envelope {
    pub from: String,
    pub to: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(raw: &str) -> Mail {
        let mut mailbox = Mailbox::default();
        let envelope = Envelope {
            from: "app@example.com".to_owned(),
            to: vec!["ada@example.com".to_owned()],
        };
        mailbox.receive(&envelope, raw.as_bytes(), 0, 0);
        mailbox.get(1).unwrap().clone()
    }

    #[test]
    fn subject_and_both_parts_are_decoded() {
        let mail = received(concat!(
            "From: Shop <shop@example.com>\r\n",
            "Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?= =?UTF-8?B?IOKCrDE5?=\r\n",
            "Content-Type: multipart/alternative; boundary=b\r\n\r\n",
            "--b\r\nContent-Type: text/plain; charset=utf-8\r\n",
            "Content-Transfer-Encoding: quoted-printable\r\n\r\nPay =E2=82=AC19 =\r\nnow\r\n",
            "--b\r\nContent-Type: text/html; charset=utf-8\r\n",
            "Content-Transfer-Encoding: base64\r\n\r\nPGI+UGF5PC9iPg==\r\n--b--\r\n",
        ));

        assert_eq!(mail.from, "shop@example.com");
        assert_eq!(mail.to, ["ada@example.com"]);
        assert_eq!(mail.subject, "Grüße €19");
        assert_eq!(mail.text.trim(), "Pay €19 now");
        assert_eq!(mail.html.trim(), "<b>Pay</b>");
    }

    #[test]
    fn a_text_mail_has_no_html_part() {
        let mail = received("Subject: Hi\r\n\r\nHello\r\n");

        assert_eq!((mail.text.trim(), mail.html.as_str()), ("Hello", ""));
    }

    #[test]
    fn bytes_that_are_no_mail_are_kept_as_an_empty_one() {
        let mail = received("");

        assert_eq!(
            (mail.from.as_str(), mail.subject.as_str()),
            ("app@example.com", "")
        );
    }
}
