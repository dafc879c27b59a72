alter table subscription drop column paused_by_us;
alter table account drop column suspended_at;
