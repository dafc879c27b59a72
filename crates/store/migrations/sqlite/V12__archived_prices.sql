-- A price that was archived at Stripe keeps its meaning for those who pay it, and is sold to nobody.

alter table price_map add column archived_at integer;
