drop index stripe_event_by_received;
drop index audit_log_by_action;
drop index audit_log_by_actor;
drop table operator_view;
