-- The previous version can't read the words of these requests.
delete from intent_step where intent_id in (select id from stripe_intent where kind = 'suspension');
delete from stripe_intent where kind = 'suspension';
alter table subscription drop column paused_by_us;
alter table account drop column suspended_at;
