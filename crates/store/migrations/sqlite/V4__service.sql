-- What the service itself remembers: what leaves, who may come again when, who did what.

create table outbox (
    id              integer primary key,
    key             text    not null unique,
    kind            text    not null check (kind in ('mail', 'webhook')),
    account_id      integer references account (id),
    recipient       text    not null,
    payload         text    not null,
    state           text    not null check (state in ('queued', 'sent', 'failed')),
    attempts        integer not null,
    next_attempt_at integer not null,
    created_at      integer not null,
    sent_at         integer,
    last_error      text
) strict;
create index outbox_due on outbox (next_attempt_at) where state = 'queued';
create index outbox_by_account on outbox (account_id, id);

-- tat: the theoretical arrival time of the generic cell rate algorithm.
create table rate_limit (
    key     text    not null primary key,
    tat     integer not null,
    refused integer not null check (refused in (0, 1))
) strict;
create index rate_limit_by_tat on rate_limit (tat);

create table setting (
    name       text    not null primary key,
    value      text    not null,
    updated_at integer not null
) strict;

create table account_setting (
    account_id integer not null references account (id),
    name       text    not null,
    value      text    not null,
    updated_at integer not null,
    primary key (account_id, name)
) strict;

create table audit_log (
    id         integer primary key,
    at         integer not null,
    actor      text    not null,
    action     text    not null,
    subject    text    not null,
    detail     text    not null,
    request_id text
) strict;
create index audit_log_by_subject on audit_log (subject, id);

create trigger audit_log_is_not_updated before update on audit_log
begin
    select raise(abort, 'the audit log is append-only');
end;
create trigger audit_log_is_not_deleted before delete on audit_log
begin
    select raise(abort, 'the audit log is append-only');
end;

create table job_state (
    name        text    not null primary key,
    cursor      text,
    last_run_at integer not null
) strict;
