-- The record: what the tape says, once. Written by lonja_record only, rows and cursor in one transaction.
-- To rebuild it: SELECT record.forget(), as lonja_owner, whether the recorder runs or not.
--
-- No foreign key points into this schema (it can be emptied at any time), and none points out of it or
-- runs inside it: the engine has already checked every reference, and a row that Postgres refused would
-- stop the record of the whole venue.
BEGIN;

-- How far the record is. The events of command `sequence` had time `time_ns` and checksum `checksum`:
-- a tape that has other events there is another venue's, and the recorder refuses it.
CREATE TABLE record.cursor (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sequence   bigint NOT NULL CHECK (sequence >= 0),
    time_ns    bigint NOT NULL,
    checksum   bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO record.cursor (sequence, time_ns, checksum) VALUES (0, 0, 0);

-- Current state of reference data, as the engine has it. Numbers are those of schema/records.h.
CREATE TABLE record.asset (
    asset_id integer PRIMARY KEY, kind smallint NOT NULL, scale smallint NOT NULL, symbol text NOT NULL,
    sequence bigint NOT NULL
);
CREATE TABLE record.instrument (
    instrument_id          integer PRIMARY KEY,
    token_asset            integer NOT NULL,
    cash_asset             integer NOT NULL,
    status                 smallint NOT NULL,
    trading_mode           smallint NOT NULL,
    flags                  smallint NOT NULL,
    token_scale            smallint NOT NULL,
    tick                   bigint NOT NULL,
    lot                    bigint NOT NULL,
    fat_finger_block_bps   bigint NOT NULL,
    fat_finger_confirm_bps bigint NOT NULL,
    nav_confirm_bps        bigint NOT NULL,
    collar_bps             bigint NOT NULL,
    fee_bps                bigint NOT NULL,
    breaker_bps            bigint NOT NULL,
    order_quantity_max     bigint NOT NULL,
    order_notional_max     bigint NOT NULL,
    symbol                 text NOT NULL,
    sequence               bigint NOT NULL
);
CREATE TABLE record.instrument_state (
    instrument_id   integer PRIMARY KEY,
    phase           smallint NOT NULL,
    breaker_tripped boolean NOT NULL,
    last_price      bigint NOT NULL,
    reference_price bigint NOT NULL,
    nav             bigint NOT NULL,
    nav_time_ns     bigint NOT NULL,
    sequence        bigint NOT NULL
);

-- Reference data, sessions, phases, NAV rounds …: everything that is not an order, a match or a posting.
CREATE TABLE record.venue_event (
    sequence    bigint NOT NULL,
    event_index integer NOT NULL,
    created_at  timestamptz NOT NULL,
    event       text NOT NULL, -- name in schema/records.def
    body        jsonb NOT NULL,
    PRIMARY KEY (sequence, event_index)
);
CREATE INDEX venue_event_name ON record.venue_event (event, sequence);

-- One row per accepted order. status has S1's words (E4, U27).
CREATE TABLE record.orders (
    order_id        bigint PRIMARY KEY, -- the sequence of its command
    account_id      integer NOT NULL,
    session_id      integer NOT NULL,
    gateway         smallint NOT NULL,
    instrument_id   integer NOT NULL,
    token_asset     integer NOT NULL,
    token_scale     smallint NOT NULL,
    side            text NOT NULL CHECK (side IN ('buy', 'sell')),
    order_type      text NOT NULL CHECK (order_type IN ('market', 'limit', 'stop_loss', 'stop_limit')),
    time_in_force   text NOT NULL CHECK (time_in_force IN ('day', 'gtc', 'ioc')),
    price           bigint NOT NULL CHECK (price >= 0),
    quantity        bigint NOT NULL CHECK (quantity > 0),
    leaves          bigint NOT NULL CHECK (leaves >= 0),   -- still open; 0 once filled or cancelled
    filled          bigint NOT NULL CHECK (filled >= 0),
    filled_notional bigint NOT NULL CHECK (filled_notional >= 0),
    status          text NOT NULL
        CHECK (status IN ('pending_stop', 'open', 'partially_filled', 'filled', 'cancelled')),
    client_id       text NOT NULL,
    created_at      timestamptz NOT NULL,
    created_ns      bigint NOT NULL,
    updated_at      timestamptz NOT NULL,
    updated_seq     bigint NOT NULL,
    CHECK (filled + leaves <= quantity)
);
CREATE INDEX orders_account ON record.orders (account_id, order_id);

-- One row per event of an order; the view order_status_history shows those that changed its status.
CREATE TABLE record.order_event (
    order_id    bigint NOT NULL,
    sequence    bigint NOT NULL,
    event_index integer NOT NULL,
    created_at  timestamptz NOT NULL,
    status      text NOT NULL, -- after the event
    leaves      bigint NOT NULL,
    reason      smallint NOT NULL, -- enum cancel_reason, 0 = none
    PRIMARY KEY (order_id, sequence, event_index)
);

-- A refused command, order or not (U27: a rejected order is a record of its own).
CREATE TABLE record.reject (
    sequence      bigint NOT NULL,
    event_index   integer NOT NULL,
    created_at    timestamptz NOT NULL,
    session_id    integer NOT NULL,
    gateway       smallint NOT NULL,
    command       text NOT NULL,
    code          smallint NOT NULL, -- schema/rejects.def
    name          text NOT NULL,
    account_id    integer NOT NULL,
    instrument_id integer NOT NULL,
    order_id      bigint NOT NULL,
    limit_value   bigint NOT NULL,
    value         bigint NOT NULL,
    argument      bigint NOT NULL,
    client_id     text NOT NULL,
    PRIMARY KEY (sequence, event_index)
);
CREATE INDEX reject_account ON record.reject (account_id, sequence);

-- One row per match. Token, scale and both sides stand in the row itself, so that public.trades needs no
-- further table: FOR UPDATE OF a view locks the rows of every table in it.
CREATE TABLE record.trade (
    trade_id       bigint PRIMARY KEY, -- sequence << 20 | event index
    sequence       bigint NOT NULL,
    event_index    integer NOT NULL,
    created_ns     bigint NOT NULL,
    instrument_id  integer NOT NULL,
    token_asset    integer NOT NULL,
    cash_asset     integer NOT NULL,
    token_scale    smallint NOT NULL,
    taker_side     text NOT NULL CHECK (taker_side IN ('buy', 'sell')),
    price          bigint NOT NULL CHECK (price > 0),
    quantity       bigint NOT NULL CHECK (quantity > 0),
    notional       bigint NOT NULL CHECK (notional > 0),
    buyer_account  integer NOT NULL,
    seller_account integer NOT NULL,
    buyer_order    bigint NOT NULL,
    seller_order   bigint NOT NULL,
    buyer_fee      bigint NOT NULL CHECK (buyer_fee >= 0),
    seller_fee     bigint NOT NULL CHECK (seller_fee >= 0)
);
CREATE INDEX trade_buyer ON record.trade (buyer_account, trade_id);
CREATE INDEX trade_seller ON record.trade (seller_account, trade_id);
CREATE INDEX trade_token ON record.trade (token_asset, trade_id);

-- Every change of every balance, as risk/postings.h expands the event; per asset and event it sums to zero.
CREATE TABLE record.ledger_entry (
    sequence    bigint NOT NULL,
    event_index integer NOT NULL,
    line        smallint NOT NULL,
    created_at  timestamptz NOT NULL,
    cause       text NOT NULL, -- name of the event; of a ledger_posted: deposit, withdrawal, credit, debit
    account_id  integer NOT NULL,
    asset_id    integer NOT NULL,
    available   bigint NOT NULL, -- signed changes
    held        bigint NOT NULL,
    unsettled   bigint NOT NULL,
    blocked     bigint NOT NULL,
    PRIMARY KEY (sequence, event_index, line)
);
CREATE INDEX ledger_entry_account ON record.ledger_entry (account_id, asset_id, sequence);

-- The sum of the entries.
CREATE TABLE record.balance (
    account_id integer NOT NULL,
    asset_id   integer NOT NULL,
    available  bigint NOT NULL,
    held       bigint NOT NULL,
    unsettled  bigint NOT NULL,
    blocked    bigint NOT NULL,
    sequence   bigint NOT NULL, -- last change
    PRIMARY KEY (account_id, asset_id)
);

-- Empties the record; a running recorder notices within a second and writes it again from the tape's beginning.
CREATE FUNCTION record.forget() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    UPDATE record.cursor SET sequence = 0, time_ns = 0, checksum = 0, updated_at = now(); -- first, as the recorder
    TRUNCATE record.asset, record.instrument, record.instrument_state, record.venue_event, record.orders,
        record.order_event, record.reject, record.trade, record.ledger_entry, record.balance;
$$;

COMMIT;
