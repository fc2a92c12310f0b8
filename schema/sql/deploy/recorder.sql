-- The recorder: the number of the schema that a binary must know, a rebuild that can be followed, a digest of the
-- record, and orders whose changes cost less.
BEGIN;

-- The recorder compares it with its own (settlement/record_store.c) at every connect, and waits while they differ. Every
-- later change of what the recorder reads or writes raises both.
CREATE TABLE record.schema_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version  integer NOT NULL
);
INSERT INTO record.schema_version (version) VALUES (1);
GRANT SELECT ON record.schema_version TO lonja_record, lonja_admin;

-- How far the record was when it was last forgotten: below it, it is being rebuilt.
ALTER TABLE record.cursor ADD COLUMN rebuild_to bigint NOT NULL DEFAULT 0 CHECK (rebuild_to >= 0);

CREATE OR REPLACE FUNCTION record.forget() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    UPDATE record.cursor SET rebuild_to = greatest(rebuild_to, sequence), sequence = 0, time_ns = 0, checksum = 0,
        updated_at = now(); -- first, as the recorder
    TRUNCATE record.asset, record.instrument, record.instrument_state, record.venue_event, record.orders,
        record.order_event, record.reject, record.trade, record.ledger_entry, record.balance, record.auction,
        record.instrument_rules, record.tick_band, record.schedule_entry, record.session, record.session_account,
        record.limits, record.instrument_controls, record.jurisdictions, record.fees, record.kill,
        record.venue_rules, record.proposal, record.proposal_event, record.deficit_change, record.trade_correction;
$$;

-- What stands in the record, table by table, whatever the order of the rows; tables that are made later are in it by
-- themselves. Two records of one venue at the same cursor have the same digest.
CREATE FUNCTION record.digest() RETURNS TABLE (name text, count bigint, digest text)
    LANGUAGE plpgsql STABLE SET search_path = '' SET timezone = 'UTC' SET datestyle = 'ISO' AS $$
DECLARE
    one text;
BEGIN
    RETURN QUERY SELECT 'cursor', c.sequence, c.time_ns || '/' || c.checksum FROM record.cursor c;
    FOR one IN SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'record'::regnamespace AND relkind = 'r'
            AND relname NOT IN ('cursor', 'schema_version') ORDER BY relname LOOP
        RETURN QUERY EXECUTE format('SELECT %L, count(*), coalesce(sum(hashtextextended(r::text, 0)), 0)::text'
            ' FROM record.%I r', one, one);
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION record.digest() FROM PUBLIC;

-- A change of an order touches no index, if its page has room (a heap-only tuple): no index may look at what changes.
DROP INDEX record.orders_pending_stop;
CREATE INDEX orders_pending_stop ON record.orders (order_id) WHERE waits_for = 'trigger';
ALTER TABLE record.orders SET (fillfactor = 80);

COMMIT;
