-- Who is billed, who signs in, and with what.

create table account (
    id                      integer primary key,
    public_id               text    not null unique,
    external_id             text    unique,
    kind                    text    not null check (kind in ('personal', 'organisation')),
    name                    text    not null,
    email                   text,
    status                  text    not null check (status in ('active', 'suspended', 'closed')),
    stripe_customer_id      text    unique,
    stripe_subscription_id  text    unique,
    subscription_tier       text    not null,
    subscription_status     text    not null,
    subscription_expires_at integer,
    past_due_since          integer,
    tier_override           text,
    tier_override_reason    text,
    tier_override_actor     text,
    tier_override_until     integer,
    anchor_at               integer not null,
    email_verified_at       integer,
    created_at              integer not null,
    updated_at              integer not null,
    check (tier_override is null
           or (tier_override_reason is not null and tier_override_actor is not null))
) strict;
create index account_by_created on account (created_at, id);

create table user_account (
    id          integer primary key,
    public_id   text    not null unique,
    email       text    not null unique check (email = lower(email)),
    name        text    not null,
    role        text    not null
                check (role in ('user', 'viewer', 'support', 'finance', 'admin')),
    created_at  integer not null,
    disabled_at integer
) strict;

create table membership (
    user_id    integer not null references user_account (id),
    account_id integer not null references account (id),
    role       text    not null check (role in ('owner', 'billing', 'member')),
    created_at integer not null,
    primary key (user_id, account_id)
) strict;
create index membership_by_account on membership (account_id);

create table session (
    id           integer primary key,
    token_hash   blob    not null unique,
    user_id      integer not null references user_account (id),
    created_at   integer not null,
    expires_at   integer not null,
    last_seen_at integer not null,
    user_agent   text    not null
) strict;
create index session_by_user on session (user_id);
create index session_by_expiry on session (expires_at);

create table login_link (
    id         integer primary key,
    token_hash blob    not null unique,
    email      text    not null check (email = lower(email)),
    user_id    integer references user_account (id),
    next_path  text,
    created_at integer not null,
    expires_at integer not null,
    used_at    integer
) strict;
create index login_link_by_expiry on login_link (expires_at);

create table api_key (
    id           integer primary key,
    public_id    text    not null unique,
    account_id   integer references account (id),
    name         text    not null,
    prefix       text    not null,
    secret_hash  blob    not null unique,
    scope        text    not null check (scope in ('meter', 'server')),
    mode         text    not null check (mode in ('test', 'live')),
    created_by   text    not null,
    created_at   integer not null,
    last_used_at integer,
    revoked_at   integer,
    check (scope = 'server' or account_id is not null)
) strict;
create index api_key_by_account on api_key (account_id);

create table catalog_version (
    version   integer primary key,
    digest    text    not null unique,
    body      text    not null,
    loaded_at integer not null
) strict;

create table price_map (
    price_id      text    not null primary key,
    lookup_key    text    not null,
    kind          text    not null check (kind in ('tier', 'pack')),
    name          text    not null,
    currency      text    not null,
    amount_minor  integer not null check (amount_minor >= 0),
    first_version integer not null references catalog_version (version)
) strict;
