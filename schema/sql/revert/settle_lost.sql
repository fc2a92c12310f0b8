BEGIN;

REVOKE SELECT (quantity, token_scale) ON record.trade FROM lonja_settle;
REVOKE SELECT (account_id, wallet_address) ON people.account FROM lonja_settle;
REVOKE SELECT, USAGE, UPDATE ON SEQUENCE settle.attempt_attempt_id_seq, chain.chain_request_request_id_seq FROM lonja_settle;

COMMIT;
