BEGIN;
SELECT xvp_id, state, revealed FROM record.xvp_open WHERE false;
SELECT xvp FROM record.xvp_watch;
ROLLBACK;
