drop table credit_note;
drop table addon_price;
alter table subscription drop column items;
