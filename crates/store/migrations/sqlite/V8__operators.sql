-- What operators keep for themselves, and what their numbers are read by.

create table operator_view (
    id         integer primary key,
    user_id    integer not null references user_account (id),
    name       text    not null,
    query      text    not null,
    created_at integer not null
) strict;
create unique index operator_view_once on operator_view (user_id, name);

create index audit_log_by_actor on audit_log (actor, id);
create index audit_log_by_action on audit_log (action, id);
create index stripe_event_by_received on stripe_event (received_at, state);
