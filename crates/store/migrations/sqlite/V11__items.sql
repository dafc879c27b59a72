-- What a subscription holds beside its plan, and credit notes: documents about invoices.

alter table subscription add column items text;

create table addon_price (
    price_id      text    not null primary key,
    lookup_key    text    not null,
    name          text    not null,
    currency      text    not null,
    amount_minor  integer not null,
    first_version integer not null
) strict;

create table credit_note (
    credit_note_id    text    not null primary key,
    account_id        integer not null references account (id),
    invoice_id        text    not null,
    number            text    not null,
    status            text    not null,
    amount_minor      integer not null check (amount_minor >= 0),
    refunded_minor    integer not null check (refunded_minor >= 0),
    out_of_band_minor integer not null check (out_of_band_minor >= 0),
    pre_payment_minor integer not null check (pre_payment_minor >= 0),
    currency          text    not null,
    reason            text,
    pdf_url           text,
    created_at        integer not null,
    voided_at         integer
) strict;
create index credit_note_by_account on credit_note (account_id, created_at);
create index credit_note_by_invoice on credit_note (invoice_id);
