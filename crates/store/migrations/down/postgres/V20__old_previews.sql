drop index next_charge_stale;
drop index next_charge_by_age;
