-- What is left when a chain goes back behind what was final, and what people may do: cancels, incidents, holds, halts,
-- marks by two persons.
BEGIN;

-- ---- nonces that are to end without effect

-- cancel: an open request whose transaction must not move anything any more (another one of its trades came back).
-- over: the chain lost a transaction that had ended without effect; its nonce is filled, its bytes are never sent again.
ALTER TABLE settle.attempt ADD COLUMN fate text CHECK (fate IN ('cancel', 'over'));

-- back: the leg was in a transaction that moved nothing. (left: it left before anything was signed.)
ALTER TABLE chain.request_leg DROP CONSTRAINT request_leg_state_check;
ALTER TABLE chain.request_leg ADD CONSTRAINT request_leg_state_check CHECK (state IN ('open', 'done', 'left', 'back'));
UPDATE chain.request_leg l SET state = 'back' WHERE l.state = 'left' AND EXISTS (
    SELECT 1 FROM settle.attempt a WHERE a.request_id = l.request_id AND a.raw IS NOT NULL);
DROP INDEX chain.request_leg_once;
CREATE UNIQUE INDEX request_leg_once ON chain.request_leg (trade_id)
    WHERE trade_id IS NOT NULL AND state IN ('open', 'done');

-- A request has one open attempt besides those that are being cancelled.
DROP INDEX settle.attempt_one_open;
CREATE UNIQUE INDEX attempt_one_open ON settle.attempt (request_id)
    WHERE state IN ('prepared', 'signed', 'sent', 'mined') AND fate IS NULL;
CREATE UNIQUE INDEX attempt_one_open_nonce ON settle.attempt (chain_id, signer_address, nonce)
    WHERE state IN ('prepared', 'signed', 'sent', 'mined');

-- ---- M27: chain and rows disagree; a person looks

CREATE TABLE settle.incident (
    incident_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    kind        text NOT NULL CHECK (kind IN ('moved_twice', 'moved_though_failed', 'settled_but_lost',
        'not_the_planned_transfer')),
    request_id  bigint NOT NULL REFERENCES chain.chain_request,
    trade_id    bigint REFERENCES settle.trade,
    token_asset integer,
    tx_hash     text,
    closed_at   timestamptz,
    closed_by   text,
    CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);
CREATE INDEX incident_open ON settle.incident (token_asset) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX incident_once ON settle.incident (kind, request_id, coalesce(trade_id, 0));

-- ---- holds: not claimed while one is open. Exactly one of trade, token, venue.

CREATE TABLE settle.hold (
    hold_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_id    bigint REFERENCES settle.trade,
    token_asset integer REFERENCES people.token,
    venue       boolean NOT NULL DEFAULT false,
    held_by     text NOT NULL DEFAULT current_user,
    reason      text NOT NULL CHECK (reason <> ''),
    held_at     timestamptz NOT NULL DEFAULT now(),
    released_by text,
    released_at timestamptz,
    CHECK ((trade_id IS NOT NULL)::int + (token_asset IS NOT NULL)::int + venue::int = 1),
    CHECK ((released_at IS NULL) = (released_by IS NULL))
);
CREATE UNIQUE INDEX hold_trade ON settle.hold (trade_id) WHERE released_at IS NULL AND trade_id IS NOT NULL;
CREATE UNIQUE INDEX hold_token ON settle.hold (token_asset) WHERE released_at IS NULL AND token_asset IS NOT NULL;
CREATE UNIQUE INDEX hold_venue ON settle.hold (venue) WHERE released_at IS NULL AND venue;
CREATE FUNCTION settle.hold_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER hold_changed AFTER INSERT OR UPDATE ON settle.hold
    FOR EACH STATEMENT EXECUTE FUNCTION settle.hold_changed();

-- An open incident of a token halts it like a hold.
CREATE VIEW settle.held AS
SELECT trade_id, token_asset, venue, reason FROM settle.hold WHERE released_at IS NULL
UNION ALL
SELECT NULL, token_asset, false, 'incident: ' || kind FROM settle.incident WHERE closed_at IS NULL;

-- ---- manual mark: what a person knows better than the worker can. Two persons; the worker applies it.

CREATE TABLE settle.manual_mark (
    mark_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trade_id    bigint NOT NULL REFERENCES settle.trade,
    outcome     text NOT NULL CHECK (outcome IN ('settled_on_chain', 'settled_off_chain', 'failed')),
    tx_hash     text CHECK (tx_hash ~ '^0x[0-9a-f]{64}$'), -- the evidence of settled_on_chain
    reason      text NOT NULL CHECK (reason <> ''),
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    approved_by text CHECK (approved_by <> proposed_by),   -- another person
    approved_at timestamptz,
    withdrawn_at timestamptz,
    answered_at timestamptz,
    answer      text,
    CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CHECK ((answered_at IS NULL) = (answer IS NULL)),
    CHECK ((outcome = 'settled_on_chain') = (tx_hash IS NOT NULL))
);
CREATE UNIQUE INDEX manual_mark_open ON settle.manual_mark (trade_id) WHERE answered_at IS NULL AND withdrawn_at IS NULL;
CREATE FUNCTION settle.mark_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER mark_changed AFTER INSERT OR UPDATE ON settle.manual_mark
    FOR EACH STATEMENT EXECUTE FUNCTION settle.mark_changed();

-- ---- S1's choice for a missing wallet (settle.off_chain_missing_wallet = settle): what the chain is owed.

CREATE TABLE settle.owed_on_chain (
    trade_id    bigint PRIMARY KEY REFERENCES settle.trade,
    reason      text NOT NULL,
    owed_at     timestamptz NOT NULL DEFAULT now(),
    settled_at  timestamptz
);

GRANT SELECT, INSERT ON settle.incident, settle.owed_on_chain TO lonja_settle;
GRANT SELECT ON settle.hold, settle.held, settle.manual_mark TO lonja_settle;
GRANT UPDATE (answered_at, answer) ON settle.manual_mark TO lonja_settle;
GRANT SELECT, INSERT ON settle.hold, settle.manual_mark TO lonja_admin;
GRANT UPDATE (released_by, released_at) ON settle.hold TO lonja_admin;
GRANT UPDATE (approved_by, approved_at, withdrawn_at) ON settle.manual_mark TO lonja_admin;
GRANT UPDATE (closed_at, closed_by) ON settle.incident TO lonja_admin;
GRANT SELECT ON settle.incident, settle.held, settle.owed_on_chain TO lonja_admin;
GRANT SELECT ON settle.incident, settle.held, settle.owed_on_chain TO lonja_ops;

COMMIT;
