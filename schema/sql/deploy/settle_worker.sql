-- What the settlement worker needs besides: where a signer's counter starts, the numbers of its results, and
-- the invariants of its state machine that Postgres can hold by itself.
BEGIN;

-- The counter of a signer: the next nonce is the lowest free one, or max + 1 of settle.nonce, but never below
-- this: what lies below was used before the venue knew the key, or by somebody else.
CREATE TABLE settle.signer (
    chain_id       bigint NOT NULL,
    signer_address text NOT NULL CHECK (signer_address ~ '^0x[0-9a-f]{40}$'), -- lower case
    nonce_floor    bigint NOT NULL CHECK (nonce_floor >= 0),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, signer_address)
);

-- Reference numbers of settle.result: committed before the command is sent, strictly increasing.
CREATE SEQUENCE settle.result_number AS bigint;

-- M14: a request holds one nonce at a time …
CREATE UNIQUE INDEX attempt_one_open ON settle.attempt (request_id)
    WHERE state IN ('prepared', 'signed', 'sent', 'mined');
-- … and nonces are given out one by one, so that a refused one leaves no gap.
CREATE UNIQUE INDEX attempt_one_prepared ON settle.attempt (chain_id, signer_address) WHERE state = 'prepared';

-- The check before the signature, and once more at the parent of the mined block (U7, M28).
ALTER TABLE chain.transfer_check ADD COLUMN stage text NOT NULL DEFAULT 'before_signing'
    CHECK (stage IN ('before_signing', 'at_mined_block'));

GRANT SELECT, INSERT, UPDATE ON settle.signer TO lonja_settle;
GRANT USAGE ON SEQUENCE settle.result_number TO lonja_settle;
GRANT UPDATE (from_address, to_address, amount) ON chain.request_leg TO lonja_settle;
GRANT SELECT ON settle.signer TO lonja_ops, lonja_admin;

COMMIT;
