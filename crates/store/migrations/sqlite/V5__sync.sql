-- How far an account's history at Stripe was read, and what its last sync found.

alter table account_sync add column read_until integer;
alter table account_sync add column backfill_from integer;
alter table account_sync add column backfill_until integer;
alter table account_sync add column findings text;
alter table account_sync add column waits_for_price text;
create index account_sync_waits on account_sync (waits_for_price)
    where waits_for_price is not null;

-- What is looked at again although no event came: retries of payments, unpaid invoices.
create index invoice_retries on invoice (next_payment_attempt) where status in ('draft', 'open');
