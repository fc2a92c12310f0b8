-- What was spent is what the chain has: gas of a transaction that it has lost is booked no more.
BEGIN;

-- Append-only: the rows of chain.gas_transaction that were taken out, as they were. What is mined again is booked anew.
CREATE TABLE chain.gas_lost (LIKE chain.gas_transaction);
ALTER TABLE chain.gas_lost ADD COLUMN lost_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX gas_lost_request ON chain.gas_lost (request_id);

-- Those that were left behind before: a bid whose block was lost, and which has not ended by another one since.
WITH unspent AS (
    DELETE FROM chain.gas_transaction g USING settle.attempt a
    WHERE a.chain_id = g.chain_id AND a.tx_hash = g.tx_hash AND a.state NOT IN ('confirmed', 'reverted')
        AND NOT (a.state = 'dropped' AND a.calldata = '') RETURNING g.*)
INSERT INTO chain.gas_lost SELECT u.*, now() FROM unspent u;

GRANT DELETE ON chain.gas_transaction TO lonja_settle;
GRANT SELECT, INSERT ON chain.gas_lost TO lonja_settle;
GRANT SELECT ON chain.gas_lost TO lonja_admin, lonja_ops;

COMMIT;
