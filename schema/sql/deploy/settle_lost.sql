-- What the worker needs to write rows again that its database has lost, from the signer's log: which trades a transaction
-- moves, and the numbers that requests and attempts had.
BEGIN;

GRANT SELECT (quantity, token_scale) ON record.trade TO lonja_settle;
GRANT SELECT (account_id, wallet_address) ON people.account TO lonja_settle;
GRANT SELECT, USAGE, UPDATE ON SEQUENCE settle.attempt_attempt_id_seq, chain.chain_request_request_id_seq TO lonja_settle;

COMMIT;
