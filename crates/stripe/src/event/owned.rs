//! Events that own their data instead of borrowing from the body.

use std::borrow::Cow;

use super::{Event, EventObject};

impl Event<'_> {
    /// Converts the event into one that doesn't borrow from its body.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        Event {
            id: Cow::Owned(self.id.into_owned()),
            kind: Cow::Owned(self.kind.into_owned()),
            created: self.created,
            livemode: self.livemode,
            api_version: owned(self.api_version),
            account: owned(self.account),
            object: self.object.into_owned(),
        }
    }
}

impl EventObject<'_> {
    fn into_owned(self) -> EventObject<'static> {
        let metadata = self.metadata.into_iter();
        let metadata = metadata.map(|(name, value)| {
            (
                Cow::Owned(name.into_owned()),
                Cow::Owned(value.into_owned()),
            )
        });
        EventObject {
            id: owned(self.id),
            object: owned(self.object),
            customer: owned(self.customer),
            payment_intent: owned(self.payment_intent),
            charge: owned(self.charge),
            invoice: owned(self.invoice),
            subscription: owned(self.subscription),
            client_reference_id: owned(self.client_reference_id),
            metadata: metadata.collect(),
        }
    }

    /// The ids by which stored rows may lead to an account, the most specific first.
    pub fn leads(&self) -> impl Iterator<Item = &str> {
        [
            &self.subscription,
            &self.invoice,
            &self.payment_intent,
            &self.charge,
            &self.id,
        ]
        .into_iter()
        .filter_map(|id| id.as_deref())
    }
}

fn owned(text: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    text.map(|text| Cow::Owned(text.into_owned()))
}
