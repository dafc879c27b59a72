-- The sweep looks for previews of next invoices that are a day old or stale.

create index next_charge_by_age on next_charge (fetched_at);
create index next_charge_stale on next_charge (subscription_id) where inputs = '';

-- Whether the host application said whose account it is. Earlier versions stored every account that
-- it made as an organization's.
alter table account add column kind_told integer not null default 0 check (kind_told in (0, 1));

-- A person's new address, or their end, takes the old one out of the emails that were sent.
create index outbox_by_address on outbox (recipient) where kind = 'mail' and recipient <> '';
