BEGIN;
REVOKE ALL ON ALL TABLES IN SCHEMA public, people, record, settle, chain
    FROM lonja_record, lonja_settle, lonja_fix, lonja_web, lonja_admin, lonja_ops;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA people FROM lonja_admin;
REVOKE TEMPORARY ON DATABASE :"DBNAME" FROM lonja_record;
DROP POLICY login_admin ON people.login;
DROP POLICY login_web ON people.login;
DROP POLICY login_fix ON people.login;
ALTER TABLE people.login DISABLE ROW LEVEL SECURITY;
COMMIT;
