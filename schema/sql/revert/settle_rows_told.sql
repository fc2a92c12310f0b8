BEGIN;

ALTER TABLE chain.transfer_check ADD FOREIGN KEY (request_id) REFERENCES chain.chain_request;
DROP TRIGGER trade_kept ON settle.trade;
DROP FUNCTION settle.trade_kept();
ALTER TABLE settle.trade_settlement_history ADD FOREIGN KEY (trade_id) REFERENCES settle.trade;
DROP TRIGGER trades_changed ON settle.trade;
DROP FUNCTION settle.trades_changed();
CREATE OR REPLACE FUNCTION settle.trade_updated() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF (OLD.settlement_status, NEW.settlement_status) NOT IN ( -- F1, F4, F7, U11
        ('pending', 'processing'), ('pending', 'settled'), ('pending', 'failed'),
        ('processing', 'settled'), ('processing', 'pending'), ('processing', 'failed'),
        ('failed', 'pending'), ('failed', 'processing'))
        AND OLD.settlement_status <> NEW.settlement_status THEN
        RAISE EXCEPTION 'trade %: settlement cannot go from % to %',
            NEW.trade_id, OLD.settlement_status, NEW.settlement_status USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.corrected_quantity = 0 AND NEW.settlement_status IN ('pending', 'processing')
        AND OLD.settlement_status <> NEW.settlement_status THEN
        RAISE EXCEPTION 'trade %: it is busted and never settled', NEW.trade_id USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.settlement_status = 'settled' AND NEW.tx_hash IS DISTINCT FROM OLD.tx_hash THEN
        RAISE EXCEPTION 'trade %: the hash of a settled trade is final', NEW.trade_id
            USING ERRCODE = 'check_violation';
    END IF;
    NEW.updated_at := clock_timestamp();
    IF (OLD.settlement_status, OLD.tx_hash, OLD.reason)
        IS DISTINCT FROM (NEW.settlement_status, NEW.tx_hash, NEW.reason) THEN
        INSERT INTO settle.trade_settlement_history (trade_id, from_status, to_status, attempt, tx_hash, reason)
            VALUES (NEW.trade_id, OLD.settlement_status, NEW.settlement_status, NEW.total_attempts,
                    NEW.tx_hash, NEW.reason);
        PERFORM pg_notify('settlement', jsonb_build_object('trade_id', NEW.trade_id,
            'status', NEW.settlement_status, 'tx_hash', NEW.tx_hash, 'reason', NEW.reason)::text);
    END IF;
    IF NEW.settlement_status = 'pending' AND OLD.settlement_status <> 'pending' THEN
        NOTIFY settle;
    END IF;
    RETURN NEW;
END $$;

COMMIT;
