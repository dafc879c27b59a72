drop index invoice_retries;
drop index account_sync_waits;
alter table account_sync drop column waits_for_price;
alter table account_sync drop column findings;
alter table account_sync drop column backfill_until;
alter table account_sync drop column backfill_from;
alter table account_sync drop column read_until;
