-- Money that went back for a plan, disputes, and the months of a period.

alter table subscription add column anchor_at integer;

alter table invoice add column tier text;
alter table invoice add column prorated integer not null default 0 check (prorated in (0, 1));
alter table invoice add column charged_minor integer not null default 0;
alter table invoice add column reversed_minor integer not null default 0;
alter table invoice add column disputed integer not null default 0 check (disputed in (0, 1));
-- Until the next sync says otherwise, what was paid was charged, and a plan change was a proration.
update invoice set charged_minor = amount_paid where status = 'paid';
update invoice set prorated = 1 where billing_reason = 'subscription_update';
update invoice
   set tier = (select max(t.subscription_tier)
                 from transactions t
                where t.stripe_invoice_id = invoice.invoice_id
                  and t.type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE'));

alter table transactions add column disputed integer not null default 0 check (disputed in (0, 1));
create index transactions_disputed on transactions (account_id, occurred_at) where disputed = 1;

-- Until when an allowance outlasts its period, while the renewal is not settled.
alter table credit_grant add column kept_until integer;

create table dispute (
    dispute_id        text    not null primary key,
    account_id        integer not null references account (id),
    charge_id         text    not null,
    payment_intent_id text    not null,
    subscription_id   text,
    status            text    not null,
    amount_minor      integer not null check (amount_minor >= 0),
    currency          text    not null,
    reason            text,
    due_by            integer,
    decision          text    check (decision in ('asked', 'kept', 'ended')),
    decided_by        text,
    created_at        integer not null
) strict;
create index dispute_by_account on dispute (account_id, created_at);
create index dispute_by_payment on dispute (payment_intent_id);
create index dispute_open on dispute (status) where status in ('needs_response', 'under_review');
create index dispute_asked on dispute (decision) where decision = 'asked';

-- An entry that keeps an allowance past its period moves no credits. The table is rebuilt, because
-- SQLite can't change a check.
drop view api_call_logs;
drop trigger journal_keeps_rows;
drop trigger journal_keeps_values;
create table journal_with_keep (
    n            integer primary key,
    account_id   integer not null references account (id),
    seq          integer not null check (seq > 0),
    kind         text    not null,
    at           integer not null,
    posted_delta integer not null,
    held_delta   integer not null,
    debt_delta   integer not null,
    idempotency_key text,
    hold_id      text,
    operation    text,
    units        integer,
    api_key_id   integer,
    charged      integer not null check (charged >= 0),
    canonical    blob    not null,
    hash         blob    not null,
    check (posted_delta <> 0 or held_delta <> 0 or debt_delta <> 0
           or kind in ('freeze', 'unfreeze', 'capture', 'reinstate', 'claw', 'void',
                    'keep'))
) strict;
insert into journal_with_keep
select n, account_id, seq, kind, at, posted_delta, held_delta, debt_delta, idempotency_key, hold_id,
       operation, units, api_key_id, charged, canonical, hash
  from journal
 order by n;
drop table journal;
alter table journal_with_keep rename to journal;
create unique index journal_seq on journal (account_id, seq);
create unique index journal_key on journal (account_id, idempotency_key)
    where idempotency_key is not null;
create index journal_by_time on journal (account_id, at);
create trigger journal_keeps_rows before delete on journal
begin
    select raise(abort, 'the journal is append-only');
end;
create trigger journal_keeps_values before update on journal
begin
    select raise(abort, 'the journal is append-only');
end;

-- The seed's model: one row for every metered call, with its cost and outcome.
create view api_call_logs as
select account_id, hold_id as call_id, n, at, operation, units, api_key_id,
       kind as outcome, -posted_delta as credits_charged, held_delta as credits_held
  from journal
 where kind in ('hold', 'capture', 'release', 'hold_expired', 'debit');
