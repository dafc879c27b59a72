-- Operations that are free, and operations with several meters.

-- A free call moves no credits, and its hold sets none aside. Both tables are rebuilt, because
-- SQLite can't change a check. `exact_units` has units that aren't one whole number: `2.5`, or
-- `input_tokens:210,output_tokens:800`.
drop view api_call_logs;
drop trigger journal_keeps_rows;
drop trigger journal_keeps_values;
create table journal_with_free_calls (
    n            integer primary key,
    account_id   integer not null references account (id),
    seq          integer not null check (seq > 0),
    kind         text    not null,
    at           integer not null,
    posted_delta integer not null,
    held_delta   integer not null,
    debt_delta   integer not null,
    idempotency_key text,
    hold_id      text,
    operation    text,
    units        integer,
    api_key_id   integer,
    charged      integer not null check (charged >= 0),
    canonical    blob    not null,
    hash         blob    not null,
    exact_units  text,
    check (posted_delta <> 0 or held_delta <> 0 or debt_delta <> 0
           or kind in ('freeze', 'unfreeze', 'capture', 'reinstate', 'claw', 'void',
                    'keep', 'hold', 'release', 'hold_expired', 'debit'))
) strict;
insert into journal_with_free_calls
select n, account_id, seq, kind, at, posted_delta, held_delta, debt_delta, idempotency_key, hold_id,
       operation, units, api_key_id, charged, canonical, hash, null
  from journal
 order by n;
drop table journal;
alter table journal_with_free_calls rename to journal;
create unique index journal_seq on journal (account_id, seq);
create unique index journal_key on journal (account_id, idempotency_key)
    where idempotency_key is not null;
create index journal_by_time on journal (account_id, at);
create trigger journal_keeps_rows before delete on journal
begin
    select raise(abort, 'the journal is append-only');
end;
create trigger journal_keeps_values before update on journal
begin
    select raise(abort, 'the journal is append-only');
end;

-- The seed's model: one row for every metered call, with its cost and outcome.
create view api_call_logs as
select account_id, hold_id as call_id, n, at, operation, units, api_key_id,
       kind as outcome, -posted_delta as credits_charged, held_delta as credits_held, exact_units
  from journal
 where kind in ('hold', 'capture', 'release', 'hold_expired', 'debit');

create table hold_with_free_calls (
    hold_id       text    not null primary key,
    account_id    integer not null references account (id),
    amount        integer not null check (amount >= 0),
    captured      integer not null check (captured >= 0),
    uncollected   integer not null check (uncollected >= 0),
    state         text    not null
                  check (state in ('pending', 'captured', 'released', 'expired')),
    pins          text    not null,
    period_start  integer not null,
    authorized_at integer not null,
    expires_at    integer not null,
    resolved_at   integer,
    api_key_id    integer,
    user_id       integer
) strict;
insert into hold_with_free_calls
select hold_id, account_id, amount, captured, uncollected, state, pins, period_start, authorized_at,
       expires_at, resolved_at, api_key_id, user_id
  from hold;
drop table hold;
alter table hold_with_free_calls rename to hold;
create index hold_pending on hold (account_id, expires_at) where state = 'pending';
create index hold_by_account on hold (account_id, authorized_at);
create index hold_uncollected on hold (resolved_at) where uncollected > 0;

-- What calls used of each meter, in millionths of a unit; written with the call, as usage_day is.
create table usage_meter_day (
    account_id integer not null references account (id),
    day        integer not null,
    operation  text    not null,
    api_key_id integer not null,
    meter      text    not null,
    units      integer not null check (units >= 0),
    primary key (account_id, day, operation, api_key_id, meter)
) strict;
