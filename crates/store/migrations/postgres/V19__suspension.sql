-- Since when an account is suspended: what was bought on a page after that is undone.
alter table account add column suspended_at bigint;
update account set suspended_at = updated_at where status = 'suspended';

-- Whether we paused the collection of a plan, because its account was suspended.
alter table subscription add column paused_by_us bigint not null default 0;

-- The next sync pauses the collection of the plans of suspended accounts.
update account_sync
   set dirty_gen = dirty_gen + 1
 where account_id in (select id from account where status = 'suspended');
