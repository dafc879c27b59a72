alter table journal
    drop constraint journal_check,
    add constraint journal_check
        check (posted_delta <> 0 or held_delta <> 0 or debt_delta <> 0
               or kind in ('freeze', 'unfreeze', 'capture', 'reinstate', 'claw', 'void'));
