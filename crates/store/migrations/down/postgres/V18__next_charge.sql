alter table transactions drop column tax_minor;
drop table next_charge;
drop index subscription_discount_ends;
alter table subscription drop column resumes_at;
alter table subscription drop column pause_behavior;
alter table subscription drop column discount_ends_at;
alter table subscription drop column monthly_minor;
alter table subscription drop column quantity;
alter table price_map drop column billing_interval;
