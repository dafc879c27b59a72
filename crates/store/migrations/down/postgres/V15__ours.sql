drop index account_override_ends;
drop index account_sync_failing;
drop index transactions_unexplained;
drop table foreign_object;
