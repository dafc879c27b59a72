-- What leaves for the host application, and what operators are told of.

create table webhook_endpoint (
    id              integer primary key,
    public_id       text    not null unique,
    url             text    not null,
    description     text    not null,
    events          text    not null,
    secret          text    not null,
    former_secret   text,
    former_until    integer,
    state           text    not null check (state in ('enabled', 'disabled')),
    disabled_reason text,
    failing_since   integer,
    created_by      text    not null,
    created_at      integer not null,
    updated_at      integer not null,
    check ((former_secret is null) = (former_until is null))
) strict;

alter table outbox add column last_status integer;
create index outbox_by_endpoint on outbox (recipient, id) where kind = 'webhook';

create index hold_uncollected on hold (resolved_at) where uncollected > 0;

create table alert (
    id              integer primary key,
    public_id       text    not null unique,
    rule            text    not null,
    subject         text    not null,
    severity        text    not null check (severity in ('warning', 'critical')),
    summary         text    not null,
    state           text    not null check (state in ('open', 'closed')),
    opened_at       integer not null,
    closed_at       integer,
    acknowledged_at integer,
    acknowledged_by text,
    check ((state = 'closed') = (closed_at is not null))
) strict;
-- One incident at a time.
create unique index alert_open on alert (rule, subject) where state = 'open';
create index alert_by_state on alert (state, id);

-- What happened how often in a stretch of time; rows of past stretches are dropped.
create table tally (
    name  text    not null,
    hour  integer not null,
    count integer not null check (count >= 0),
    primary key (name, hour)
) strict;
