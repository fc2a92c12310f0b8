BEGIN;
DROP FUNCTION settle.payouts_rebuild(bigint, bigint);
DROP FUNCTION settle.payout_restore(bigint, bigint, bigint, text, text, text, numeric, text);
DROP FUNCTION chain.payout_adopt(bigint, bigint, text, integer, text, numeric, text);
CREATE OR REPLACE FUNCTION chain.payout_ask(payout bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    p chain.payout;
    coin people.stablecoin;
    request bigint;
BEGIN
    SELECT * INTO STRICT p FROM chain.payout o WHERE o.payout_id = payout;
    SELECT * INTO STRICT coin FROM people.stablecoin c WHERE c.asset_id = p.asset_id;
    IF p.to_address IS NULL THEN
        UPDATE chain.payout o SET state = 'failed', reason = 'no_wallet', updated_at = now() WHERE o.payout_id = payout;
        NOTIFY index;
        RETURN;
    END IF;
    INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, token_asset, requested_by, evidence)
        VALUES ('payout:' || payout, 'erc20_transfer', coin.chain_id, coin.contract_address, p.asset_id, 'payout',
            jsonb_strip_nulls(jsonb_build_object('payout', payout, 'kind', p.kind, 'reference', p.reference, 'event', p.event_id)))
        RETURNING request_id INTO request;
    INSERT INTO chain.request_leg (request_id, leg, from_address, to_address, amount)
        VALUES (request, 0, lower(coin.escrow_address), p.to_address, p.amount);
    UPDATE chain.payout o SET request_id = request WHERE o.payout_id = payout;
END $$;
CREATE OR REPLACE FUNCTION chain.payout_follows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE chain.payout p SET updated_at = now(), reason = CASE WHEN NEW.state <> 'confirmed' THEN NEW.reason END,
        state = CASE WHEN NEW.state = 'confirmed' THEN 'paid' WHEN NEW.reason LIKE 'transfer_is_not_the_planned_one%' THEN 'unclear'
            ELSE 'failed' END
        WHERE p.request_id = NEW.request_id AND p.state IN ('open', 'paid');
    NOTIFY index;
    RETURN NULL;
END $$;
DROP FUNCTION chain.payout_digest(text, text, integer);
COMMIT;
