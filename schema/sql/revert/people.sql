BEGIN;
DROP TABLE people.audit_log, people.ledger_request, people.instrument, people.token, people.asset,
    people.login, people.session_account, people.session, people.account, people.member;
DROP SEQUENCE people.ledger_number;
COMMIT;
