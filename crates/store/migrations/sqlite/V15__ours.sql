-- What belongs to another product at the same Stripe account: it is shown to operators and counts
-- nowhere else.

create table foreign_object (
    object_id    text    not null primary key,
    account_id   integer not null references account (id),
    kind         text    not null check (kind in ('subscription', 'payment', 'customer')),
    status       text    not null,
    amount_minor integer,
    currency     text,
    price_id     text,
    is_decided   integer not null check (is_decided in (0, 1)),
    created_at   integer not null,
    seen_at      integer not null
) strict;
create index foreign_object_by_account on foreign_object (account_id, created_at);
create index foreign_object_by_price on foreign_object (price_id) where price_id is not null;

-- Payments that nothing explains, and accounts whose sync fails: the alerts look for both.
create index transactions_unexplained on transactions (account_id, natural_key)
    where type = 'CREDIT_TOPUP' and credits_purchased_micros is null;
create index account_sync_failing on account_sync (account_id) where last_error is not null;
-- Tier overrides that end by a date.
create index account_override_ends on account (tier_override_until)
    where tier_override_until is not null;
