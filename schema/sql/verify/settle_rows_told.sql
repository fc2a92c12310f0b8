BEGIN;
SELECT 1 / (count(*) = 3)::int FROM pg_trigger WHERE tgname IN ('trade_updated', 'trades_changed', 'trade_kept')
    AND tgrelid = 'settle.trade'::regclass;
ROLLBACK;
