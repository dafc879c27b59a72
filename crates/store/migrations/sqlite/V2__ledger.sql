-- Credits: the journal, and what follows from it.

create table journal (
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
           or kind in ('freeze', 'unfreeze', 'capture', 'reinstate', 'claw', 'void'))
) strict;
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

create table wallet (
    account_id       integer primary key references account (id),
    posted           integer not null check (posted >= 0),
    held             integer not null,
    debt             integer not null check (debt >= 0),
    seq              integer not null check (seq >= 0),
    hash             blob    not null,
    open_holds       integer not null check (open_holds >= 0),
    period_start     integer not null,
    period_calls     integer not null check (period_calls >= 0),
    next_due_at      integer,
    status           text    not null check (status in ('active', 'frozen', 'closed')),
    plan_start       integer not null,
    plan_calls_limit integer,
    plan_valid_until integer not null,
    updated_at       integer not null,
    check (held >= 0 and held <= posted)
) strict;
-- What the sweep looks for: neither changes with a debit.
create index wallet_due on wallet (next_due_at) where next_due_at is not null;
create index wallet_plan_due on wallet (plan_valid_until);

create table credit_grant (
    account_id   integer not null references account (id),
    lot          integer not null,
    kind         text    not null
                 check (kind in ('purchase', 'bonus', 'allowance', 'promo', 'adjustment',
                                 'rollover', 'reinstatement')),
    source_key   text    not null,
    parent       integer,
    amount       integer not null check (amount > 0),
    used         integer not null check (used >= 0),
    expired      integer not null check (expired >= 0),
    clawed       integer not null check (clawed >= 0),
    held         integer not null check (held >= 0),
    reversed     integer not null check (reversed >= 0),
    priority     integer not null,
    effective_at integer not null,
    expires_at   integer,
    frozen       integer not null check (frozen in (0, 1)),
    voided       integer not null check (voided in (0, 1)),
    paid_minor   integer,
    currency     text,
    primary key (account_id, lot),
    check (used + expired + clawed + held <= amount)
) strict;
create unique index credit_grant_once on credit_grant (source_key);
create index credit_grant_live on credit_grant (account_id)
    where used + expired + clawed < amount;
create index credit_grant_children on credit_grant (account_id, parent)
    where parent is not null;

create table hold (
    hold_id       text    not null primary key,
    account_id    integer not null references account (id),
    amount        integer not null check (amount > 0),
    captured      integer not null check (captured >= 0),
    uncollected   integer not null check (uncollected >= 0),
    state         text    not null
                  check (state in ('pending', 'captured', 'released', 'expired')),
    pins          text    not null,
    period_start  integer not null,
    authorized_at integer not null,
    expires_at    integer not null,
    resolved_at   integer
) strict;
create index hold_pending on hold (account_id, expires_at) where state = 'pending';
create index hold_by_account on hold (account_id, authorized_at);

-- Written with the debit; the pages read it instead of summing the journal.
create table usage_day (
    account_id integer not null references account (id),
    day        integer not null,
    operation  text    not null,
    api_key_id integer not null,
    calls      integer not null check (calls >= 0),
    credits    integer not null check (credits >= 0),
    primary key (account_id, day, operation, api_key_id)
) strict;

-- The seed's model: one row for every metered call, with its cost and outcome.
create view api_call_logs as
select account_id, hold_id as call_id, n, at, operation, units, api_key_id,
       kind as outcome, -posted_delta as credits_charged, held_delta as credits_held
  from journal
 where kind in ('hold', 'capture', 'release', 'hold_expired', 'debit');
