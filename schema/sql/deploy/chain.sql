-- The one queue of everything that wants a transaction, and what came back. Whoever needs a transaction
-- (settlement of a trade today; mints, registrations, distributions later) inserts a request here; the
-- settlement worker alone builds, has signed, broadcasts and confirms. Amounts are the token's smallest units
-- on the chain; addresses are text of 42 characters, hashes text of 66.
BEGIN;

CREATE TABLE chain.chain_request (
    request_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- M2: the same key is the same request, whoever asks again. "trade:TRADE_ID:ROUND" for settlements.
    idempotency_key  text NOT NULL UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    operation        text NOT NULL CHECK (operation IN (
        'forced_transfer', 'batch_forced_transfer', 'mint', 'burn', 'register_identity', 'delete_identity',
        'freeze_partial', 'unfreeze_partial', 'set_address_frozen', 'deploy', 'add_agent', 'cancel_nonce')),
    chain_id         bigint NOT NULL CHECK (chain_id > 0),
    contract_address text NOT NULL CHECK (contract_address ~ '^0x[0-9a-fA-F]{40}$'),
    token_asset      integer REFERENCES people.asset,
    state            text NOT NULL DEFAULT 'prepared' CHECK (state IN ( -- M9
        'prepared', 'awaiting_approval', 'signed', 'sent', 'mined', 'confirmed',
        'replaced', 'dropped', 'reverted', 'rejected', 'cancelled')),
    attempts         integer NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- signed ones
    reason           text,                           -- of the last failure; NULL = none
    requested_by     text NOT NULL DEFAULT current_user,
    evidence         jsonb NOT NULL DEFAULT '{}',    -- what the caller decided on (M1, M8)
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CHECK (state NOT IN ('reverted', 'rejected', 'cancelled') OR reason IS NOT NULL)
);
CREATE INDEX chain_request_open ON chain.chain_request (state, request_id)
    WHERE state IN ('prepared', 'awaiting_approval', 'signed', 'sent', 'mined');

-- One row per transfer of a request: one for a single call, up to 100 for a batch.
CREATE TABLE chain.request_leg (
    request_id   bigint NOT NULL REFERENCES chain.chain_request,
    leg          smallint NOT NULL CHECK (leg BETWEEN 0 AND 99),
    trade_id     bigint, -- settle.trade, where it is one (the constraint stands there)
    from_address text CHECK (from_address ~ '^0x[0-9a-fA-F]{40}$'),
    to_address   text CHECK (to_address ~ '^0x[0-9a-fA-F]{40}$'),
    amount       numeric(78, 0) NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (request_id, leg)
);
CREATE INDEX request_leg_trade ON chain.request_leg (trade_id) WHERE trade_id IS NOT NULL;

-- M24: what the chain said before the signature, leg by leg.
CREATE TABLE chain.transfer_check (
    check_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id     bigint NOT NULL REFERENCES chain.chain_request,
    leg            smallint NOT NULL,
    at             timestamptz NOT NULL DEFAULT now(),
    block_number   bigint NOT NULL CHECK (block_number >= 0),
    block_hash     text CHECK (block_hash ~ '^0x[0-9a-f]{64}$'),
    paused         boolean,
    from_frozen    boolean,
    to_frozen      boolean,
    from_verified  boolean,
    to_verified    boolean,
    can_transfer   boolean,
    balance        numeric(78, 0),
    frozen_tokens  numeric(78, 0),
    verdict        text NOT NULL CHECK (verdict IN ('allowed', 'refused')),
    code           text, -- M26: not_registered, paused, frozen, balance, …; NULL when allowed
    FOREIGN KEY (request_id, leg) REFERENCES chain.request_leg,
    CHECK ((verdict = 'allowed') = (code IS NULL))
);
CREATE INDEX transfer_check_request ON chain.transfer_check (request_id, leg);

-- All gas, per mined transaction (B10).
CREATE TABLE chain.gas_transaction (
    gas_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id    bigint NOT NULL REFERENCES chain.chain_request,
    chain_id      bigint NOT NULL,
    tx_hash       text NOT NULL CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'),
    operation     text NOT NULL,
    succeeded     boolean NOT NULL,
    block_number  bigint NOT NULL CHECK (block_number >= 0),
    gas_limit     bigint NOT NULL CHECK (gas_limit > 0),
    gas_used      bigint NOT NULL CHECK (gas_used > 0),
    gas_price_wei numeric(78, 0) NOT NULL CHECK (gas_price_wei >= 0), -- effective, per unit of gas
    fee_wei       numeric(78, 0) GENERATED ALWAYS AS (gas_used * gas_price_wei) STORED,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain_id, tx_hash)
);

-- J2, J9: events of the chain, append-only but for the state (seen -> confirmed or orphaned).
CREATE TABLE chain.event_log (
    event_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain_id        bigint NOT NULL,
    tx_hash         text NOT NULL CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'),
    log_index       integer NOT NULL CHECK (log_index >= 0),
    block_number    bigint NOT NULL CHECK (block_number >= 0),
    block_hash      text NOT NULL CHECK (block_hash ~ '^0x[0-9a-f]{64}$'),
    address         text NOT NULL CHECK (address ~ '^0x[0-9a-fA-F]{40}$'),
    event_name      text NOT NULL,
    decoded_payload jsonb NOT NULL,
    state           text NOT NULL DEFAULT 'seen' CHECK (state IN ('seen', 'confirmed', 'orphaned')),
    processed_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain_id, tx_hash, log_index, block_hash)
);
CREATE INDEX event_log_block ON chain.event_log (chain_id, block_number);

COMMIT;
