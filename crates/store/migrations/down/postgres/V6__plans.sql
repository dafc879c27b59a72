drop table checkout_attempt;
alter table invoice drop column discount_minor;
drop table trial;
drop table trial_card;
drop table account_price;
drop index stripe_intent_page;
