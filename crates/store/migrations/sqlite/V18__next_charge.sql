-- Prices by the year, and what the next charge of a plan will be.

alter table price_map add column billing_interval text
    check (billing_interval in ('month', 'year'));
update price_map set billing_interval = 'month' where kind = 'tier';

-- What a plan's revenue a month depends on, besides its price.
alter table subscription add column quantity integer not null default 1;
alter table subscription add column monthly_minor integer;
alter table subscription add column discount_ends_at integer;
alter table subscription add column pause_behavior text;
alter table subscription add column resumes_at integer;
create index subscription_discount_ends on subscription (discount_ends_at)
    where discount_ends_at is not null;

-- Stripe's preview of the next invoice of a plan, as of the last time it was fetched.
create table next_charge (
    subscription_id text    not null primary key,
    account_id      integer not null references account (id),
    inputs          text    not null,
    due_at          integer,
    currency        text,
    amount_minor    integer,
    lines           text,
    fetched_at      integer not null,
    check ((due_at is null) = (amount_minor is null)),
    check ((due_at is null) = (currency is null))
) strict;
create index next_charge_by_account on next_charge (account_id);

-- The part of a payment that is tax: revenue is what is left.
alter table transactions add column tax_minor integer not null default 0;

-- The next sync of each plan fetches what is new here.
update account_sync
   set dirty_gen = dirty_gen + 1
 where account_id in (select account_id from subscription where live = 1);
