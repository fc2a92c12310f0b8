BEGIN;
SELECT run_id, chain_id, sequence, block_number, block_hash, wallets, breaks, milliseconds, at FROM chain.reconciliation WHERE false;
SELECT break_id, token_asset, wallet_address, account_id, cause, words, difference, figures, since_run, since, last_run, runs,
    alerted_at, halted_at, closed_at
    FROM chain.reconciliation_break WHERE false;
SELECT agreed_at FROM chain.index_source WHERE false;
SELECT * FROM chain.reconcile_figures(1, 1) WHERE false;
ROLLBACK;
