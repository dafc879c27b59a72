-- The checks stay as they are: entries and holds of free calls are never deleted.
drop table usage_meter_day;
drop view api_call_logs;
alter table journal drop column exact_units;
create view api_call_logs as
select account_id, hold_id as call_id, n, at, operation, units, api_key_id,
       kind as outcome, -posted_delta as credits_charged, held_delta as credits_held
  from journal
 where kind in ('hold', 'capture', 'release', 'hold_expired', 'debit');
