-- What each change of a trade costs: history and notification by statement, and keys that are checked where they can be broken.
--   NOTIFY settlement, '{json}'   trades whose status or hash changed: status, tx_hash, reason, trades ("17 18 19"), up to 200 of
--                                 one statement that changed alike
BEGIN;

-- Of each row only what must be so before it is written. No table is read, so that it needs nobody's rights.
CREATE OR REPLACE FUNCTION settle.trade_updated() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
    IF OLD.settlement_status <> NEW.settlement_status THEN
        IF (OLD.settlement_status, NEW.settlement_status) NOT IN ( -- F1, F4, F7, U11
            ('pending', 'processing'), ('pending', 'settled'), ('pending', 'failed'),
            ('processing', 'settled'), ('processing', 'pending'), ('processing', 'failed'),
            ('failed', 'pending'), ('failed', 'processing')) THEN
            RAISE EXCEPTION 'trade %: settlement cannot go from % to %',
                NEW.trade_id, OLD.settlement_status, NEW.settlement_status USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.corrected_quantity = 0 AND NEW.settlement_status IN ('pending', 'processing') THEN
            RAISE EXCEPTION 'trade %: it is busted and never settled', NEW.trade_id USING ERRCODE = 'check_violation';
        END IF;
    ELSIF OLD.settlement_status = 'settled' AND NEW.tx_hash IS DISTINCT FROM OLD.tx_hash THEN
        RAISE EXCEPTION 'trade %: the hash of a settled trade is final', NEW.trade_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.trade_id <> OLD.trade_id THEN
        RAISE EXCEPTION 'trade %: its number is final', OLD.trade_id USING ERRCODE = 'check_violation';
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

-- Old and new rows are matched by a hash: a nested loop, planned for the one row of another statement, is the square of a hundred.
CREATE FUNCTION settle.trades_changed() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' SET enable_nestloop = off AS $$
DECLARE
    messages integer;
    any_pending boolean;
BEGIN
    WITH changed AS (
        INSERT INTO settle.trade_settlement_history (trade_id, from_status, to_status, attempt, tx_hash, reason)
        SELECT n.trade_id, o.settlement_status, n.settlement_status, n.total_attempts, n.tx_hash, n.reason
        FROM new_rows n JOIN old_rows o ON o.trade_id = n.trade_id
        WHERE (o.settlement_status, o.tx_hash, o.reason) IS DISTINCT FROM (n.settlement_status, n.tx_hash, n.reason)
        ORDER BY n.trade_id RETURNING trade_id, from_status, to_status, tx_hash, reason),
    alike AS (SELECT c.*, (row_number() OVER (PARTITION BY to_status, tx_hash, reason ORDER BY trade_id) - 1) / 200 AS part
        FROM changed c),
    told AS (SELECT pg_catalog.pg_notify('settlement', jsonb_build_object('status', to_status, 'tx_hash', tx_hash,
            'reason', left(reason, 500), 'trades', string_agg(trade_id::text, ' ' ORDER BY trade_id))::text) AS message,
            bool_or(to_status = 'pending' AND from_status <> 'pending') AS pending
        FROM alike GROUP BY to_status, tx_hash, reason, part)
    SELECT count(message), bool_or(pending) INTO messages, any_pending FROM told;
    IF any_pending THEN
        NOTIFY settle;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER trades_changed AFTER UPDATE ON settle.trade
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION settle.trades_changed();

-- Rows of the history are written by the two triggers alone, of trades that are there: what could break the key is a trade
-- that goes. (A key looks up and locks the trade for every row of its history: a third of what they cost.)
ALTER TABLE settle.trade_settlement_history DROP CONSTRAINT trade_settlement_history_trade_id_fkey;
CREATE FUNCTION settle.trade_kept() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF EXISTS (SELECT FROM settle.trade_settlement_history h WHERE h.trade_id = OLD.trade_id) THEN
        RAISE EXCEPTION 'trade %: it has a history', OLD.trade_id USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER trade_kept BEFORE DELETE ON settle.trade FOR EACH ROW EXECUTE FUNCTION settle.trade_kept();

-- The leg of a check has its request.
ALTER TABLE chain.transfer_check DROP CONSTRAINT transfer_check_request_id_fkey;

COMMIT;
