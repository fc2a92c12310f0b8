BEGIN;
SELECT only_row, version FROM record.schema_version WHERE false;
SELECT 1 / (version >= 1)::int FROM record.schema_version;
SELECT rebuild_to FROM record.cursor WHERE false;
SELECT 1 / (count(*) > 20)::int FROM record.digest();
SELECT 1 / (count(*) = 1)::int FROM pg_catalog.pg_indexes
WHERE indexname = 'orders_pending_stop' AND indexdef LIKE '%waits_for%';
ROLLBACK;
