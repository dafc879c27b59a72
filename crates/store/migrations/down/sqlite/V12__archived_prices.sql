alter table price_map drop column archived_at;
