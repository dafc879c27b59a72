drop index outbox_by_address;
alter table account drop column kind_told;
drop index next_charge_stale;
drop index next_charge_by_age;
