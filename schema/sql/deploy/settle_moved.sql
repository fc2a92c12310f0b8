-- In which blocks attempts have ended: compared with the chain's, which may have replaced them.
BEGIN;

CREATE INDEX attempt_ended ON settle.attempt (chain_id, block_number)
    WHERE state IN ('confirmed', 'reverted', 'dropped') AND block_hash IS NOT NULL;

COMMIT;
