-- Who was asked to join an account, and which tokens of the host application were used.

-- The address is forgotten when the invitation is closed.
create table invitation (
    id          integer primary key,
    public_id   text    not null unique,
    token_hash  blob    not null unique,
    account_id  integer not null references account (id),
    email       text    check (email = lower(email)),
    role        text    not null check (role in ('owner', 'billing', 'member')),
    invited_by  integer not null references user_account (id),
    created_at  integer not null,
    expires_at  integer not null,
    closed_at   integer,
    accepted_by integer references user_account (id),
    check (closed_at is not null or email is not null)
) strict;
create unique index invitation_open on invitation (account_id, email) where closed_at is null;
create index invitation_by_expiry on invitation (expires_at);

create table used_token (
    id         text    not null primary key,
    expires_at integer not null
) strict;
create index used_token_by_expiry on used_token (expires_at);

-- Tokens of the host application from before this moment are over.
alter table user_account add column tokens_after integer;
