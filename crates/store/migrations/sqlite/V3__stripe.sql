-- What we know of Stripe's objects, what Stripe told us, and what we asked of it.

create table stripe_customer (
    customer_id text    not null primary key,
    account_id  integer not null references account (id),
    state       text    not null check (state in ('current', 'former')),
    created_at  integer not null
) strict;
create unique index stripe_customer_current on stripe_customer (account_id)
    where state = 'current';
create index stripe_customer_by_account on stripe_customer (account_id);

create table stripe_intent (
    id               text    not null primary key,
    account_id       integer not null references account (id),
    user_id          integer references user_account (id),
    kind             text    not null,
    state            text    not null
                     check (state in ('open', 'calling', 'done', 'failed', 'closed')),
    params           text    not null,
    credits_micros   integer,
    amount_minor     integer,
    currency         text,
    tier             text,
    price_id         text,
    stripe_object_id text    unique,
    url              text,
    error            text,
    created_at       integer not null,
    updated_at       integer not null,
    expires_at       integer
) strict;
create unique index stripe_intent_live on stripe_intent (account_id, kind)
    where state in ('open', 'calling');
create index stripe_intent_by_account on stripe_intent (account_id, created_at);
create index stripe_intent_by_state on stripe_intent (state, updated_at);

create table stripe_event (
    n               integer primary key,
    event_id        text    not null unique,
    type            text    not null,
    created_at      integer not null,
    received_at     integer not null,
    livemode        integer not null check (livemode in (0, 1)),
    api_version     text,
    object_type     text,
    object_id       text,
    customer_id     text,
    account_id      integer references account (id),
    state           text    not null
                    check (state in ('received', 'done', 'ignored', 'parked', 'unmatched')),
    attempts        integer not null,
    next_attempt_at integer,
    last_error      text,
    outcome         text,
    processed_at    integer
) strict;
create index stripe_event_by_account on stripe_event (account_id, n);
create index stripe_event_open on stripe_event (state, next_attempt_at)
    where state in ('received', 'unmatched', 'parked');
create index stripe_event_by_processed on stripe_event (processed_at)
    where processed_at is not null;

-- Apart, so that the hot table stays small and payloads can go after their time.
create table stripe_event_payload (
    n    integer primary key references stripe_event (n),
    body blob    not null
) strict;

create table account_sync (
    account_id      integer primary key references account (id),
    dirty_gen       integer not null,
    done_gen        integer not null,
    lease_token     integer not null,
    lease_until     integer,
    attempts        integer not null,
    next_attempt_at integer not null,
    parked_at       integer,
    last_error      text,
    last_synced_at  integer,
    check (done_gen <= dirty_gen)
) strict;
create index account_sync_due on account_sync (next_attempt_at)
    where done_gen < dirty_gen and parked_at is null;
create index account_sync_parked on account_sync (parked_at) where parked_at is not null;

create table sync_object (
    account_id  integer not null references account (id),
    object_type text    not null,
    object_id   text    not null,
    wanted_gen  integer not null,
    primary key (account_id, object_type, object_id)
) strict;

create table subscription (
    subscription_id      text    not null primary key,
    account_id           integer not null references account (id),
    customer_id          text    not null,
    status               text    not null,
    tier                 text,
    price_id             text,
    currency             text,
    amount_minor         integer,
    billing_interval     text,
    period_start         integer,
    period_end           integer,
    cancel_at            integer,
    cancel_at_period_end integer not null check (cancel_at_period_end in (0, 1)),
    canceled_at          integer,
    ended_at             integer,
    trial_end            integer,
    paused               integer not null check (paused in (0, 1)),
    past_due_since       integer,
    pending_change       text,
    schedule_id          text,
    live                 integer not null check (live in (0, 1)),
    created_at           integer not null,
    synced_at            integer not null
) strict;
create index subscription_by_account on subscription (account_id, live);

create table invoice (
    invoice_id           text    not null primary key,
    account_id           integer not null references account (id),
    subscription_id      text,
    number               text,
    status               text    not null,
    billing_reason       text,
    amount_due           integer not null,
    amount_paid          integer not null,
    currency             text    not null,
    created_at           integer not null,
    period_start         integer,
    period_end           integer,
    attempt_count        integer not null,
    next_payment_attempt integer,
    hosted_url           text,
    pdf_url              text,
    paid_at              integer
) strict;
create index invoice_by_account on invoice (account_id, created_at);
create index invoice_by_subscription on invoice (subscription_id);

create table transactions (
    id                         integer primary key,
    public_id                  text    not null unique,
    account_id                 integer not null references account (id),
    user_id                    integer references user_account (id),
    stripe_payment_intent_id   text    unique,
    stripe_checkout_session_id text    unique,
    stripe_invoice_id          text,
    stripe_refund_id           text    unique,
    natural_key                text    not null unique,
    type                       text    not null
                               check (type in ('SUBSCRIPTION_PAYMENT', 'SUBSCRIPTION_UPGRADE',
                                               'SUBSCRIPTION_DOWNGRADE', 'SUBSCRIPTION_CANCEL',
                                               'CREDIT_TOPUP', 'REFUND')),
    status                     text    not null
                               check (status in ('PENDING', 'COMPLETED', 'FAILED', 'REFUNDED',
                                                 'CANCELLED')),
    amount_minor               integer not null check (amount_minor >= 0),
    currency                   text    not null,
    refunded_minor             integer not null check (refunded_minor >= 0),
    product_type               text    not null
                               check (product_type in ('subscription', 'credit_topup')),
    subscription_tier          text,
    credits_purchased_micros   integer check (credits_purchased_micros >= 0),
    description                text,
    metadata                   text,
    failure                    text,
    attempts                   integer not null,
    receipt_url                text,
    occurred_at                integer not null,
    created_at                 integer not null,
    updated_at                 integer not null,
    check (refunded_minor <= amount_minor)
) strict;
create unique index transactions_once_an_invoice on transactions (type, stripe_invoice_id);
create index transactions_by_account on transactions (account_id, occurred_at, id);
create index transactions_by_user on transactions (user_id);
create index transactions_by_status on transactions (status, occurred_at, id);
create index transactions_by_type on transactions (type, occurred_at, id);
create index transactions_by_created on transactions (created_at);
create index transactions_by_occurred on transactions (occurred_at, id);

create table payment_method (
    account_id integer primary key references account (id),
    brand      text    not null,
    last4      text    not null,
    exp_month  integer not null,
    exp_year   integer not null,
    synced_at  integer not null
) strict;
