-- Operations that are free, and operations with several meters.

-- A free call moves no credits, and its hold sets none aside.
alter table journal drop constraint journal_check;
alter table journal add constraint journal_check
    check (posted_delta <> 0 or held_delta <> 0 or debt_delta <> 0
           or kind in ('freeze', 'unfreeze', 'capture', 'reinstate', 'claw', 'void', 'keep',
                       'hold', 'release', 'hold_expired', 'debit'));
alter table hold drop constraint hold_amount_check;
alter table hold add constraint hold_amount_check check (amount >= 0);

-- Units that aren't one whole number: `2.5`, or `input_tokens:210,output_tokens:800`.
alter table journal add column exact_units text;

-- The seed's model: one row for every metered call, with its cost and outcome.
create or replace view api_call_logs as
select account_id, hold_id as call_id, n, at, operation, units, api_key_id,
       kind as outcome, -posted_delta as credits_charged, held_delta as credits_held, exact_units
  from journal
 where kind in ('hold', 'capture', 'release', 'hold_expired', 'debit');

-- What calls used of each meter, in millionths of a unit; written with the call, as usage_day is.
create table usage_meter_day (
    account_id bigint not null references account (id),
    day        bigint not null,
    operation  text   not null,
    api_key_id bigint not null,
    meter      text   not null,
    units      bigint not null check (units >= 0),
    primary key (account_id, day, operation, api_key_id, meter)
);
