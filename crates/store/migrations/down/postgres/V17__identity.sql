drop table free_allowance;
drop index account_closed;
alter table account drop column closed_at;
alter table api_key drop column revoked_because;
alter table login_link drop column kind;
alter table session drop column beside_host;
drop index user_account_external;
alter table user_account drop column external_id;
