drop table tally;
drop table alert;
drop index hold_uncollected;
drop index outbox_by_endpoint;
alter table outbox drop column last_status;
drop table webhook_endpoint;
