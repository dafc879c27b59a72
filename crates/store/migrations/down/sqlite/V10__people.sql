alter table user_account drop column tokens_after;
drop table used_token;
drop table invitation;
