BEGIN;
DROP VIEW record.xvp_watch, record.xvp_open;
DROP INDEX record.ledger_entry_xvp, record.venue_event_xvp_cutoff;
COMMIT;
