BEGIN;
CREATE SEQUENCE settle.result_number AS bigint;
SELECT setval('settle.result_number', coalesce(max(ref_number), 0) + 1, false) FROM settle.result;
GRANT USAGE ON SEQUENCE settle.result_number TO lonja_settle;
DROP INDEX settle.result_unanswered;
ALTER TABLE settle.result DROP COLUMN sent_after;
COMMIT;
