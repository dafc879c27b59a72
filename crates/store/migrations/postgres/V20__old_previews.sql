-- The sweep looks for previews of next invoices that are a day old or stale.

create index next_charge_by_age on next_charge (fetched_at);
create index next_charge_stale on next_charge (subscription_id) where inputs = '';
