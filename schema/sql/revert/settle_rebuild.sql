BEGIN;
DROP TABLE settle.rebuild;
COMMIT;
