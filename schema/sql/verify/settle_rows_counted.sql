BEGIN;
SELECT one, settled FROM settle.tally WHERE false;
SELECT 1 / (count(*) = 1)::int FROM settle.tally;
SELECT status FROM settle.status;
ROLLBACK;
