BEGIN;
SET LOCAL client_min_messages = warning;
DROP SCHEMA surveil CASCADE;
COMMIT;
