-- Who is who: the host application's own ids of users, how a sign-in link reaches its user, why a key
-- stopped, and which addresses have had their free allowance.

alter table user_account add column external_id text;
create unique index user_account_external on user_account (external_id);

-- Whether the session was used beside one of the host application: it ends with that one.
alter table session add column beside_host integer not null default 0 check (beside_host in (0, 1));

-- Links that exist are taken for mailed ones, which only their page's button uses.
alter table login_link add column kind text not null default 'mailed' check (kind in ('mailed', 'printed'));

alter table api_key add column revoked_because text
    check (revoked_because in ('member_left', 'role_changed', 'account_closed'));
-- Keys of those who had left before keys stopped with a membership.
update api_key
   set revoked_at = coalesce(last_used_at, created_at), revoked_because = 'member_left'
 where account_id is not null
   and user_id is not null
   and revoked_at is null
   and not exists (select 1
                     from membership m
                    where m.account_id = api_key.account_id
                      and m.user_id = api_key.user_id);
update api_key
   set revoked_at = coalesce(last_used_at, created_at), revoked_because = 'role_changed'
 where account_id is not null
   and user_id is not null
   and revoked_at is null
   and exists (select 1
                 from membership m
                where m.account_id = api_key.account_id
                  and m.user_id = api_key.user_id
                  and m.role = 'member');

alter table account add column closed_at integer;
update account set closed_at = updated_at where status = 'closed';
create index account_closed on account (closed_at) where closed_at is not null;

-- The hash outlives the account until the month has ended.
create table free_allowance (
    subject_hash blob not null primary key,
    account_id   integer references account (id),
    month_start  integer not null,
    month_end    integer not null,
    anchor_at    integer not null,
    check (month_start < month_end)
) strict;
create index free_allowance_by_end on free_allowance (month_end);
create index free_allowance_by_account on free_allowance (account_id);
