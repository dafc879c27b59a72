-- Requests to Stripe that take several steps: which steps were taken, and when the rest is tried.

-- next_attempt_at: when an unfinished request is continued; the largest number: by a person.
-- is_owed: a step was taken that can't be taken back, so the rest is owed.
-- needs_attention: an attempt was refused, or several failed.
alter table stripe_intent add column attempts bigint not null default 0;
alter table stripe_intent add column next_attempt_at bigint not null default 0;
alter table stripe_intent add column is_owed bigint not null default 0;
alter table stripe_intent add column needs_attention bigint not null default 0;

create table intent_step (
    intent_id    text    not null references stripe_intent (id),
    position     bigint not null check (position >= 0),
    account_id   bigint not null references account (id),
    kind         text    not null,
    object_id    text,
    amount_minor bigint check (amount_minor >= 0),
    currency     text,
    state        text    not null check (state in ('due', 'done', 'dropped')),
    key_number   bigint not null check (key_number >= 0),
    key_at       bigint not null,
    result_id    text,
    error        text,
    created_at   bigint not null,
    updated_at   bigint not null,
    primary key (intent_id, position)
);
create index intent_step_due on intent_step (account_id) where state = 'due';

-- What is owed from an earlier request keeps no later one of its kind from being made.
drop index stripe_intent_live;
create unique index stripe_intent_live on stripe_intent (account_id, kind)
    where state in ('open', 'calling') and is_owed = 0;

-- A plan that was ended, or a duplicate that was canceled, and whose refund failed for good: it is
-- owed, and a person decides.
update stripe_intent
   set state = 'open', is_owed = 1, needs_attention = 1, next_attempt_at = 9223372036854775807
 where state = 'failed'
   and kind in ('plan_end', 'second_subscription');

-- What was decided is owed before its first step is taken.
update stripe_intent
   set is_owed = 1
 where state in ('open', 'calling')
   and kind in ('second_subscription', 'disputed_plan_end');

-- An attempt to close an account that was interrupted was given up by its caller, who has not asked
-- for it since.
update stripe_intent
   set state = 'closed'
 where state in ('open', 'calling')
   and kind = 'closing';

-- A refund with an unknown outcome: the operator may have made it in another way since.
update stripe_intent
   set needs_attention = 1, next_attempt_at = 9223372036854775807
 where state in ('open', 'calling')
   and kind = 'refund';

create index stripe_intent_due on stripe_intent (kind, next_attempt_at, id)
    where state in ('open', 'calling');
create index stripe_intent_attention on stripe_intent (created_at, id)
    where state in ('open', 'calling') and needs_attention > 0;

-- Actions of one operator that count toward a limit take turns.
create table operator_turn (
    actor    text   not null primary key,
    taken_at bigint not null
);

-- What an operator or a host application asked for under an idempotency key, whatever the account.
create table operator_request (
    actor        text   not null,
    key          text   not null,
    request_hash text   not null,
    created_at   bigint not null,
    primary key (actor, key)
);
