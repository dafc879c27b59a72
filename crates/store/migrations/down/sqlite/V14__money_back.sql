-- The journal's check stays as it is: entries that need it are never deleted.
drop table dispute;
drop index transactions_disputed;
alter table transactions drop column disputed;
alter table credit_grant drop column kept_until;
alter table invoice drop column disputed;
alter table invoice drop column reversed_minor;
alter table invoice drop column charged_minor;
alter table invoice drop column prorated;
alter table invoice drop column tier;
alter table subscription drop column anchor_at;
