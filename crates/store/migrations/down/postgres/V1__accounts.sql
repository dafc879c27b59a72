drop table price_map;
drop table catalog_version;
drop table api_key;
drop table login_link;
drop table session;
drop table membership;
drop table user_account;
drop table account;
