BEGIN;
SELECT 'settle.trade_open'::regclass;
SELECT 1 / (indnatts = 2)::int FROM pg_index WHERE indexrelid = 'settle.trade_pending'::regclass;
ROLLBACK;
