BEGIN;
SELECT l1_fee_wei, fee_wei FROM chain.gas_transaction WHERE false;
SELECT l1_fee_wei FROM public.gas_transactions WHERE false;
SELECT 1 / has_table_privilege('lonja_ops', 'public.gas_transactions', 'SELECT')::int;
SELECT 1 / has_column_privilege('lonja_settle', 'chain.gas_transaction', 'l1_fee_wei', 'UPDATE')::int;
ROLLBACK;
