-- What an account allows to be spent, and what it is told and bought when its credits run low.

-- The member who made a key: what the key spends counts for them.
alter table api_key add column user_id integer references user_account (id);

-- Who spends with a hold, whoever settles it.
alter table hold add column api_key_id integer;
alter table hold add column user_id integer;

-- limits: how many rows of spend_limit the account has, so that one without pays nothing for them.
-- low_level: 0 enough, 1 below low_below, 2 nothing left; a rise is told once (low_due).
-- topup_due: below topup_below, whatever is done about it.
alter table wallet add column limits integer not null default 0;
alter table wallet add column low_below integer default 50000000;
alter table wallet add column low_level integer not null default 2;
alter table wallet add column low_due integer not null default 0;
alter table wallet add column low_seq integer;
alter table wallet add column topup_below integer;
alter table wallet add column topup_due integer not null default 0;
create index wallet_low_due on wallet (account_id) where low_due > 0;
create index wallet_topup_due on wallet (account_id) where topup_due > 0;

create table spend_limit (
    id           integer primary key,
    public_id    text    not null unique,
    account_id   integer not null references account (id),
    scope        text    not null check (scope in ('account', 'key', 'member')),
    subject      integer not null,
    time_window  text    not null check (time_window in ('day', 'month', 'lifetime')),
    cap          integer not null check (cap >= 0),
    window_start integer not null,
    used         integer not null check (used >= 0),
    held         integer not null check (held >= 0),
    created_by   text    not null,
    created_at   integer not null,
    updated_at   integer not null
) strict;
create unique index spend_limit_once on spend_limit (account_id, scope, subject, time_window);

-- Off until somebody turns it on. `waiting`: the card's bank wants its owner to confirm.
create table auto_topup (
    account_id      integer primary key references account (id),
    state           text    not null check (state in ('off', 'on', 'waiting')),
    pack            integer not null check (pack > 0),
    month_max_minor integer not null check (month_max_minor >= 0),
    user_id         integer references user_account (id),
    declines        integer not null check (declines >= 0),
    next_attempt_at integer not null,
    off_reason      text,
    updated_at      integer not null
) strict;

-- What a pack brought beside its credits, frozen when it was sold.
alter table stripe_intent add column bonus_micros integer;
alter table stripe_intent add column expires_after_days integer;
