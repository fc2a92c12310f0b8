-- NOTIFY reconciliation, '{json}': money of an unknown wallet has come to an escrow (unmatched_deposit); a payout has failed, and is put
-- back (payout_failed), or nobody can tell by the chain what became of it (payout_unclear).
BEGIN;

CREATE FUNCTION chain.unmatched_told() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('reconciliation', jsonb_build_object('event', 'unmatched_deposit', 'asset', NEW.token_asset, 'chain_event', NEW.event_id,
        'from', NEW.from_address, 'amount', NEW.amount::text, 'block', NEW.block_number)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER unmatched_told AFTER INSERT ON chain.transfer FOR EACH ROW WHEN (NEW.class = 'unmatched')
    EXECUTE FUNCTION chain.unmatched_told();

CREATE FUNCTION chain.payout_told() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_notify('reconciliation', jsonb_build_object('event', 'payout_' || NEW.state, 'payout', NEW.payout_id, 'kind', NEW.kind,
        'asset', NEW.asset_id, 'account', NEW.account_id, 'reference', NEW.reference, 'amount', NEW.amount::text, 'reason', NEW.reason)::text);
    RETURN NULL;
END $$;
CREATE TRIGGER payout_told AFTER UPDATE OF state ON chain.payout FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND NEW.state IN ('failed', 'unclear')) EXECUTE FUNCTION chain.payout_told();

COMMIT;
