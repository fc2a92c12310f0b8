BEGIN;
SELECT may_have_moved FROM chain.request_leg WHERE false;
SELECT 1 / (indisunique AND pg_get_expr(indpred, indrelid) LIKE '%may_have_moved%')::int FROM pg_index
    WHERE indexrelid = 'chain.request_leg_once'::regclass;
ROLLBACK;
