BEGIN;
ALTER TABLE record.orders RESET (fillfactor);
DROP INDEX record.orders_pending_stop;
CREATE INDEX orders_pending_stop ON record.orders (order_id) WHERE status = 'pending_stop';
DROP FUNCTION record.digest();
CREATE OR REPLACE FUNCTION record.forget() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    UPDATE record.cursor SET sequence = 0, time_ns = 0, checksum = 0, updated_at = now(); -- first, as the recorder
    TRUNCATE record.asset, record.instrument, record.instrument_state, record.venue_event, record.orders,
        record.order_event, record.reject, record.trade, record.ledger_entry, record.balance, record.auction,
        record.instrument_rules, record.tick_band, record.schedule_entry, record.session, record.session_account,
        record.limits, record.instrument_controls, record.jurisdictions, record.fees, record.kill,
        record.venue_rules, record.proposal, record.proposal_event, record.deficit_change, record.trade_correction;
$$;
ALTER TABLE record.cursor DROP COLUMN rebuild_to;
DROP TABLE record.schema_version;
COMMIT;
