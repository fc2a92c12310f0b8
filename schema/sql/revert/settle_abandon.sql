BEGIN;

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

REVOKE INSERT, UPDATE (released_by, released_at, release_reason) ON settle.hold FROM lonja_settle;
DELETE FROM settle.reason_word WHERE word = 'abandoned';
DROP VIEW settle.abandonment_list;
ALTER TABLE settle.hold DROP COLUMN abandonment_id;
UPDATE settle.attempt SET fate = 'cancel' WHERE fate = 'abandon';
ALTER TABLE settle.attempt DROP CONSTRAINT attempt_fate_check,
    ADD CONSTRAINT attempt_fate_check CHECK (fate IN ('cancel', 'over'));
DROP TABLE settle.abandonment;
DROP FUNCTION settle.abandonment_changed();

COMMIT;
