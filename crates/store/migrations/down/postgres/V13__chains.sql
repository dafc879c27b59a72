drop table operator_request;
drop table operator_turn;
drop index stripe_intent_attention;
drop index stripe_intent_due;
update stripe_intent
   set state = 'failed'
 where state in ('open', 'calling')
   and is_owed > 0;
drop index stripe_intent_live;
create unique index stripe_intent_live on stripe_intent (account_id, kind)
    where state in ('open', 'calling');
drop table intent_step;
alter table stripe_intent drop column needs_attention;
alter table stripe_intent drop column is_owed;
alter table stripe_intent drop column next_attempt_at;
alter table stripe_intent drop column attempts;
