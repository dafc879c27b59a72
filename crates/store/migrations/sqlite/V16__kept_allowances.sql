-- The journal records until when an allowance outlasts its period. SQLite changes the condition of
-- a table by making it anew.
drop view api_call_logs;
create table journal_anew (
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
    check (posted_delta <> 0 or held_delta <> 0 or debt_delta <> 0
           or kind in ('freeze', 'unfreeze', 'capture', 'reinstate', 'claw', 'void', 'keep'))
) strict;
insert into journal_anew (n, account_id, seq, kind, at, posted_delta, held_delta, debt_delta,
                          idempotency_key, hold_id, operation, units, api_key_id, charged,
                          canonical, hash)
    select n, account_id, seq, kind, at, posted_delta, held_delta, debt_delta,
           idempotency_key, hold_id, operation, units, api_key_id, charged, canonical, hash
      from journal;
drop table journal;
alter table journal_anew rename to journal;
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
create view api_call_logs as
select account_id, hold_id as call_id, n, at, operation, units, api_key_id,
       kind as outcome, -posted_delta as credits_charged, held_delta as credits_held
  from journal
 where kind in ('hold', 'capture', 'release', 'hold_expired', 'debit');
