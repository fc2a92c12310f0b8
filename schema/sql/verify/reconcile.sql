BEGIN;
SELECT run_id, sequence, block_number FROM chain.reconciliation WHERE false;
SELECT cause, words, difference, runs, alerted_at, halted_at FROM chain.reconciliation_break WHERE false;
SELECT agreed_at FROM chain.index_source WHERE false;
SELECT * FROM chain.reconcile_figures(1, 1) WHERE false;
ROLLBACK;
