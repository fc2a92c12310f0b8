BEGIN;

DROP VIEW settle.check_list;

COMMIT;
