-- What is agreed with one account, trials that were had, and one Checkout page at a time.

-- The latest page of a kind stands; those it replaced are over.
update stripe_intent
   set state = 'closed'
 where state = 'done'
   and kind in ('checkout_subscription', 'checkout_topup')
   and exists (select 1
                 from stripe_intent newer
                where newer.account_id = stripe_intent.account_id
                  and newer.kind = stripe_intent.kind
                  and newer.state in ('open', 'calling', 'done')
                  and (newer.created_at > stripe_intent.created_at
                       or newer.created_at = stripe_intent.created_at
                          and newer.id > stripe_intent.id));
-- A page that is being made or open keeps others of its kind from being made.
create unique index stripe_intent_page on stripe_intent (account_id, kind)
    where state in ('open', 'calling', 'done')
      and kind in ('checkout_subscription', 'checkout_topup');

-- Prices agreed with one account. The current one of a tier is sold; earlier ones stay mapped.
create table account_price (
    account_id       integer not null references account (id),
    price_id         text    not null,
    tier             text    not null,
    currency         text    not null,
    amount_minor     integer not null check (amount_minor >= 0),
    billing_interval text    not null,
    is_current       integer not null check (is_current in (0, 1)),
    created_at       integer not null,
    primary key (account_id, price_id)
) strict;
create unique index account_price_current on account_price (account_id, tier)
    where is_current = 1;

-- Cards that had their trial, by a digest of Stripe's fingerprint.
create table trial_card (
    card_hash       text    not null primary key,
    account_id      integer not null references account (id),
    subscription_id text    not null,
    created_at      integer not null
) strict;
-- Trials whose card was looked at, and what came of it.
create table trial (
    subscription_id text    not null primary key,
    account_id      integer not null references account (id),
    state           text    not null check (state in ('granted', 'refusing', 'refused')),
    created_at      integer not null
) strict;
create index trial_by_account on trial (account_id);

alter table invoice add column discount_minor integer not null default 0;

-- What a page's form was answered with, so that sending it again is no second purchase.
create table checkout_attempt (
    account_id integer not null references account (id),
    attempt    text    not null,
    intent_id  text    not null references stripe_intent (id),
    created_at integer not null,
    primary key (account_id, attempt)
) strict;
