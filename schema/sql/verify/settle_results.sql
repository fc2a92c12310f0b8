BEGIN;
SELECT sent_after FROM settle.result WHERE false;
SELECT 1 / (count(*) = 1)::int FROM pg_indexes WHERE schemaname = 'settle' AND indexname = 'result_unanswered';
ROLLBACK;
