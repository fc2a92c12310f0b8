-- What people do by hand: accounts held, the evidence of marks, incidents closed by two persons.
BEGIN;

-- ---- holds: of an account, too (its trades on either side)

ALTER TABLE settle.hold ADD COLUMN account_id integer REFERENCES people.account,
    ADD COLUMN release_reason text CHECK (release_reason <> '');
ALTER TABLE settle.hold DROP CONSTRAINT hold_check;
ALTER TABLE settle.hold ADD CONSTRAINT hold_scope CHECK (num_nonnulls(trade_id, token_asset, account_id) + venue::int = 1);
CREATE UNIQUE INDEX hold_account ON settle.hold (account_id) WHERE released_at IS NULL AND account_id IS NOT NULL;
CREATE OR REPLACE VIEW settle.held AS
SELECT trade_id, token_asset, venue, reason, account_id FROM settle.hold WHERE released_at IS NULL
UNION ALL
SELECT NULL, token_asset, false, 'incident: ' || kind, NULL FROM settle.incident WHERE closed_at IS NULL;

-- ---- marks: what the chain says of the transaction that one names

ALTER TABLE settle.manual_mark ADD COLUMN withdrawn_by text,
    ADD COLUMN withdraw_reason text CHECK (withdraw_reason <> ''),
    ADD COLUMN checked_at timestamptz, -- when the worker last looked for the transaction
    ADD COLUMN problem text,           -- why it does not settle the trade, as far as that is known; the mark stays open
    ADD COLUMN block_number bigint CHECK (block_number >= 0), -- of the transaction that settled the trade …
    ADD COLUMN log_index integer CHECK (log_index >= 0),      -- … and its Transfer
    ADD CONSTRAINT manual_mark_withdrawn CHECK ((withdrawn_at IS NULL) = (withdrawn_by IS NULL)) NOT VALID;
CREATE UNIQUE INDEX manual_mark_evidence ON settle.manual_mark (tx_hash, log_index) WHERE log_index IS NOT NULL;

-- ---- incidents: closing one lets its token run again, which takes two persons

ALTER TABLE settle.incident ADD COLUMN close_reason text CHECK (close_reason <> ''),
    ADD COLUMN close_proposed_by text,
    ADD COLUMN close_proposed_at timestamptz,
    ADD CONSTRAINT incident_proposed CHECK (num_nonnulls(close_reason, close_proposed_by, close_proposed_at) IN (0, 3)),
    ADD CONSTRAINT incident_two_persons
        CHECK (closed_at IS NULL OR (close_proposed_by IS NOT NULL AND closed_by <> close_proposed_by)) NOT VALID;
CREATE FUNCTION settle.incident_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER incident_changed AFTER UPDATE ON settle.incident
    FOR EACH STATEMENT EXECUTE FUNCTION settle.incident_changed();

GRANT UPDATE (checked_at, problem, block_number, log_index) ON settle.manual_mark TO lonja_settle;
GRANT SELECT ON chain.transfer, chain.index_source TO lonja_settle;
GRANT UPDATE (release_reason) ON settle.hold TO lonja_admin;
GRANT UPDATE (withdrawn_by, withdraw_reason) ON settle.manual_mark TO lonja_admin;
GRANT UPDATE (close_reason, close_proposed_by, close_proposed_at) ON settle.incident TO lonja_admin;

COMMIT;
