-- How far `lonja settle rebuild` is. While one has not ended, no settlement worker leads: trades that were settled
-- still look pending.
BEGIN;

CREATE TABLE settle.rebuild (
    chain_id   bigint PRIMARY KEY,
    from_block bigint NOT NULL CHECK (from_block >= 0),
    next_block bigint NOT NULL CHECK (next_block >= from_block),
    signers    text[] NOT NULL,
    begun_at   timestamptz NOT NULL DEFAULT now(),
    done_at    timestamptz
);
GRANT SELECT ON settle.rebuild TO lonja_settle, lonja_ops, lonja_admin;

COMMIT;
