-- Settlement of trades: the state of each, its history, and every signed attempt.
--
-- The recorder inserts (trade_id, created_at) and nothing else; the settlement worker does the rest.
-- History rows and notifications are written by triggers, so nobody can forget them, and a step that F1
-- does not have is refused here whoever asks:
--   NOTIFY settle                 new work: trades inserted, or put back to pending, or a retry requested
--   NOTIFY settlement, '{json}'   every change of a trade's status or hash: trade_id, status, tx_hash, reason
BEGIN;

CREATE TABLE settle.trade (
    trade_id            bigint PRIMARY KEY,
    created_at          timestamptz NOT NULL, -- of the match
    settlement_status   text NOT NULL DEFAULT 'pending'
        CHECK (settlement_status IN ('pending', 'processing', 'settled', 'failed')),
    settlement_attempts integer NOT NULL DEFAULT 0 CHECK (settlement_attempts >= 0), -- signed, since the last retry
    total_attempts      integer NOT NULL DEFAULT 0 CHECK (total_attempts >= settlement_attempts), -- U11: kept
    settlement_type     text CHECK (settlement_type IN ('on_chain', 'off_chain')),
    tx_hash             text CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'), -- from the moment it is sent (U33)
    block_number        bigint CHECK (block_number >= 0),
    reason              text,        -- why it waits, failed, or is off chain
    settled_at          timestamptz,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CHECK ((settlement_status = 'settled') = (settled_at IS NOT NULL)),
    CHECK ((settlement_status = 'settled') = (settlement_type IS NOT NULL)),
    CHECK (settlement_type <> 'on_chain' OR tx_hash IS NOT NULL),
    CHECK (settlement_type <> 'off_chain' OR reason IS NOT NULL),
    CHECK (settlement_status <> 'failed' OR reason IS NOT NULL)
);
CREATE INDEX trade_pending ON settle.trade (created_at) WHERE settlement_status = 'pending'; -- F3
CREATE INDEX trade_processing ON settle.trade (trade_id) WHERE settlement_status = 'processing';

ALTER TABLE chain.request_leg ADD FOREIGN KEY (trade_id) REFERENCES settle.trade;

-- from_status NULL = the initial row (E13).
CREATE TABLE settle.trade_settlement_history (
    history_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_id    bigint NOT NULL REFERENCES settle.trade,
    from_status text,
    to_status   text NOT NULL,
    attempt     integer NOT NULL,
    tx_hash     text,
    reason      text,
    at          timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX trade_settlement_history_trade ON settle.trade_settlement_history (trade_id, history_id);

CREATE FUNCTION settle.trade_inserted() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO settle.trade_settlement_history (trade_id, to_status, attempt, reason)
        SELECT trade_id, settlement_status, settlement_attempts, reason FROM new_rows ORDER BY trade_id;
    IF FOUND THEN
        NOTIFY settle;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER trade_inserted AFTER INSERT ON settle.trade
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION settle.trade_inserted();

CREATE FUNCTION settle.trade_updated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF (OLD.settlement_status, NEW.settlement_status) NOT IN ( -- F1, F4, F7, U11
        ('pending', 'processing'), ('pending', 'settled'), ('pending', 'failed'),
        ('processing', 'settled'), ('processing', 'pending'), ('processing', 'failed'),
        ('failed', 'pending'), ('failed', 'processing'))
        AND OLD.settlement_status <> NEW.settlement_status THEN
        RAISE EXCEPTION 'trade %: settlement cannot go from % to %',
            NEW.trade_id, OLD.settlement_status, NEW.settlement_status USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.settlement_status = 'settled' AND NEW.tx_hash IS DISTINCT FROM OLD.tx_hash THEN
        RAISE EXCEPTION 'trade %: the hash of a settled trade is final', NEW.trade_id
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.updated_at := clock_timestamp();
    IF (OLD.settlement_status, OLD.tx_hash, OLD.reason)
        IS DISTINCT FROM (NEW.settlement_status, NEW.tx_hash, NEW.reason) THEN
        INSERT INTO settle.trade_settlement_history (trade_id, from_status, to_status, attempt, tx_hash, reason)
            VALUES (NEW.trade_id, OLD.settlement_status, NEW.settlement_status, NEW.total_attempts,
                    NEW.tx_hash, NEW.reason);
        PERFORM pg_notify('settlement', jsonb_build_object('trade_id', NEW.trade_id,
            'status', NEW.settlement_status, 'tx_hash', NEW.tx_hash, 'reason', NEW.reason)::text);
    END IF;
    IF NEW.settlement_status = 'pending' AND OLD.settlement_status <> 'pending' THEN
        NOTIFY settle;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trade_updated BEFORE UPDATE ON settle.trade
    FOR EACH ROW EXECUTE FUNCTION settle.trade_updated();

-- F7: an administrator asks; the settlement worker answers (never while a receipt is unknown, U11).
CREATE TABLE settle.retry_request (
    retry_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_id     bigint NOT NULL REFERENCES settle.trade,
    requested_by text NOT NULL,
    reason       text NOT NULL CHECK (reason <> ''),
    requested_at timestamptz NOT NULL DEFAULT now(),
    answered_at  timestamptz,
    answer       text,
    CHECK ((answered_at IS NULL) = (answer IS NULL))
);
CREATE UNIQUE INDEX retry_request_open ON settle.retry_request (trade_id) WHERE answered_at IS NULL;
CREATE FUNCTION settle.retry_requested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER retry_requested AFTER INSERT ON settle.retry_request
    FOR EACH STATEMENT EXECUTE FUNCTION settle.retry_requested();

-- M10, M14: a nonce serves one request. The next one is max + 1 of the signer on that chain, or one that
-- is free again because nothing was signed at it.
CREATE TABLE settle.nonce (
    chain_id       bigint NOT NULL,
    signer_address text NOT NULL CHECK (signer_address ~ '^0x[0-9a-f]{40}$'), -- lower case
    nonce          bigint NOT NULL CHECK (nonce >= 0),
    request_id     bigint REFERENCES chain.chain_request, -- NULL = free again
    reserved_at    timestamptz NOT NULL DEFAULT now(),
    closed_at      timestamptz, -- an attempt at it is mined
    PRIMARY KEY (chain_id, signer_address, nonce),
    CHECK (closed_at IS NULL OR request_id IS NOT NULL)
);

-- One row per attempt: prepared with its nonce, then the signed bytes, committed before they are broadcast.
-- A bump is a further attempt at the same nonce with the same calldata and higher fees.
CREATE TABLE settle.attempt (
    attempt_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id       bigint NOT NULL REFERENCES chain.chain_request,
    attempt          integer NOT NULL CHECK (attempt > 0), -- 1, 2, 3 … per request
    chain_id         bigint NOT NULL,
    signer_address   text NOT NULL,
    nonce            bigint NOT NULL,
    to_address       text NOT NULL CHECK (to_address ~ '^0x[0-9a-fA-F]{40}$'),
    calldata         bytea NOT NULL,
    gas_limit        bigint NOT NULL CHECK (gas_limit > 0),
    max_fee_wei      numeric(78, 0) NOT NULL CHECK (max_fee_wei > 0),
    priority_fee_wei numeric(78, 0) NOT NULL CHECK (priority_fee_wei BETWEEN 0 AND max_fee_wei),
    raw              bytea CHECK (length(raw) > 0),
    tx_hash          text UNIQUE CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'),
    state            text NOT NULL DEFAULT 'prepared' CHECK (state IN (
        'prepared', 'signed', 'sent', 'mined', 'confirmed', 'replaced', 'dropped', 'reverted')),
    reason           text,
    prepared_at      timestamptz NOT NULL DEFAULT now(),
    signed_at        timestamptz,
    sent_at          timestamptz,
    mined_at         timestamptz,
    updated_at       timestamptz NOT NULL DEFAULT now(),
    block_number     bigint CHECK (block_number >= 0),
    block_hash       text CHECK (block_hash ~ '^0x[0-9a-f]{64}$'),
    gas_used         bigint CHECK (gas_used > 0),
    gas_price_wei    numeric(78, 0),
    log_index        integer CHECK (log_index >= 0), -- of the planned Transfer
    receipt          jsonb,
    UNIQUE (request_id, attempt),
    FOREIGN KEY (chain_id, signer_address, nonce) REFERENCES settle.nonce,
    CHECK ((raw IS NULL) = (tx_hash IS NULL)),
    CHECK (state IN ('prepared', 'dropped') OR raw IS NOT NULL), -- dropped without bytes: the signer refused
    CHECK (state NOT IN ('mined', 'confirmed', 'reverted') OR (block_number IS NOT NULL AND gas_used IS NOT NULL))
);
CREATE INDEX attempt_nonce ON settle.attempt (chain_id, signer_address, nonce);
CREATE INDEX attempt_open ON settle.attempt (attempt_id) WHERE state IN ('prepared', 'signed', 'sent', 'mined');
-- M14: at most one attempt of a request is confirmed.
CREATE UNIQUE INDEX attempt_confirmed ON settle.attempt (request_id) WHERE state = 'confirmed';

-- What the core is to be told (settlement_result commands): inserted in the transaction that settles or fails
-- the trade, numbered in order (the engine takes strictly increasing numbers only), sent again until answered.
CREATE TABLE settle.result (
    result_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_id    bigint NOT NULL REFERENCES settle.trade,
    outcome     text NOT NULL CHECK (outcome IN ('settled', 'failed', 'retried')),
    ref_number  bigint UNIQUE CHECK (ref_number > 0),
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'booked', 'refused')),
    reject_code integer CHECK (reject_code > 0),
    created_at  timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    CHECK ((state = 'open') = (answered_at IS NULL)),
    CHECK (state = 'open' OR ref_number IS NOT NULL),
    CHECK ((state = 'refused') = (reject_code IS NOT NULL))
);
CREATE INDEX result_open ON settle.result (result_id) WHERE state = 'open';

COMMIT;
