drop view api_call_logs;
drop table usage_day;
drop table hold;
drop table credit_grant;
drop table wallet;
drop table journal;
