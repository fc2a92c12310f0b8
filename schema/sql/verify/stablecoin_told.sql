BEGIN;
SELECT 1 / (count(*) = 2)::int FROM pg_trigger WHERE tgname IN ('unmatched_told', 'payout_told');
ROLLBACK;
