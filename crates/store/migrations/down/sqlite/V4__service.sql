drop table job_state;
drop table audit_log;
drop table account_setting;
drop table setting;
drop table rate_limit;
drop table outbox;
