BEGIN;
SELECT 1 / (public.decimal_of(12345, 2::smallint) = 123.45)::int;
SELECT 1 / (public.decimal_of(9223372036854775807, 8::smallint) = 92233720368.54775807)::int;
SELECT 1 / (count(*) = 4)::int FROM pg_namespace WHERE nspname IN ('people', 'record', 'settle', 'chain');
ROLLBACK;
