BEGIN;
DROP FUNCTION chain.reconcile_figures(bigint, bigint);
DROP TABLE chain.reconciliation_break, chain.reconciliation;
DROP FUNCTION chain.break_told();
ALTER TABLE chain.index_source DROP COLUMN agreed_at;
DROP INDEX settle.trade_unmoved, settle.attempt_confirmed_block;
REVOKE SELECT (block_number) ON settle.attempt FROM lonja_index;
ALTER TABLE chain.transfer ADD FOREIGN KEY (request_id) REFERENCES chain.chain_request;
COMMIT;
