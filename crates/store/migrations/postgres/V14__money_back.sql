-- Money that went back for a plan, disputes, and the months of a period.

alter table subscription add column anchor_at bigint;

alter table invoice add column tier text;
alter table invoice add column prorated bigint not null default 0 check (prorated in (0, 1));
alter table invoice add column charged_minor bigint not null default 0;
alter table invoice add column reversed_minor bigint not null default 0;
alter table invoice add column disputed bigint not null default 0 check (disputed in (0, 1));
-- Until the next sync says otherwise, what was paid was charged, and a plan change was a proration.
update invoice set charged_minor = amount_paid where status = 'paid';
update invoice set prorated = 1 where billing_reason = 'subscription_update';
update invoice
   set tier = (select max(t.subscription_tier)
                 from transactions t
                where t.stripe_invoice_id = invoice.invoice_id
                  and t.type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE'));

alter table transactions add column disputed bigint not null default 0 check (disputed in (0, 1));
create index transactions_disputed on transactions (account_id, occurred_at) where disputed = 1;

-- Until when an allowance outlasts its period, while the renewal is not settled.
alter table credit_grant add column kept_until bigint;

create table dispute (
    dispute_id        text    not null primary key,
    account_id        bigint not null references account (id),
    charge_id         text    not null,
    payment_intent_id text    not null,
    subscription_id   text,
    status            text    not null,
    amount_minor      bigint not null check (amount_minor >= 0),
    currency          text    not null,
    reason            text,
    due_by            bigint,
    decision          text    check (decision in ('asked', 'kept', 'ended')),
    decided_by        text,
    created_at        bigint not null
);
create index dispute_by_account on dispute (account_id, created_at);
create index dispute_by_payment on dispute (payment_intent_id);
create index dispute_open on dispute (status) where status in ('needs_response', 'under_review');
create index dispute_asked on dispute (decision) where decision = 'asked';

-- An entry that keeps an allowance past its period moves no credits.
alter table journal drop constraint journal_check;
alter table journal add constraint journal_check
    check (posted_delta <> 0 or held_delta <> 0 or debt_delta <> 0
           or kind in ('freeze', 'unfreeze', 'capture', 'reinstate', 'claw', 'void', 'keep'));
