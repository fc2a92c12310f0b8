BEGIN;
REVOKE SELECT ON chain.transfer, chain.index_source FROM lonja_settle;
DROP TRIGGER incident_changed ON settle.incident;
DROP FUNCTION settle.incident_changed();
ALTER TABLE settle.incident DROP COLUMN close_reason CASCADE, DROP COLUMN close_proposed_by CASCADE,
    DROP COLUMN close_proposed_at CASCADE;
ALTER TABLE settle.manual_mark DROP COLUMN withdrawn_by CASCADE, DROP COLUMN withdraw_reason, DROP COLUMN checked_at,
    DROP COLUMN problem, DROP COLUMN block_number, DROP COLUMN log_index;
DROP VIEW settle.held;
DELETE FROM settle.hold WHERE account_id IS NOT NULL;
ALTER TABLE settle.hold DROP COLUMN account_id CASCADE, DROP COLUMN release_reason;
ALTER TABLE settle.hold DROP CONSTRAINT IF EXISTS hold_scope;
ALTER TABLE settle.hold ADD CONSTRAINT hold_check
    CHECK ((trade_id IS NOT NULL)::int + (token_asset IS NOT NULL)::int + venue::int = 1);
CREATE VIEW settle.held AS
SELECT trade_id, token_asset, venue, reason FROM settle.hold WHERE released_at IS NULL
UNION ALL
SELECT NULL, token_asset, false, 'incident: ' || kind FROM settle.incident WHERE closed_at IS NULL;
GRANT SELECT ON settle.held TO lonja_settle, lonja_admin, lonja_ops;
COMMIT;
