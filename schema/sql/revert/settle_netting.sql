BEGIN;

CREATE OR REPLACE FUNCTION chain.reconcile_figures(of_chain bigint, at_block bigint)
    RETURNS TABLE (token_asset integer, symbol text, contract text, scale smallint, decimals smallint, wallet text,
        account_id integer, total numeric, deficit numeric, in_flight numeric, chain_moved numeric, booking numeric,
        refused numeric, chain_dust numeric, chain_indexed numeric, off_chain numeric, chain_unbooked numeric,
        chain_unplanned numeric)
    LANGUAGE sql STABLE SET search_path = '' AS $$
WITH tokens AS (
    SELECT t.asset_id, a.symbol, lower(t.contract_address) AS contract, a.scale, t.decimals
    FROM people.token t JOIN people.asset a ON a.asset_id = t.asset_id
    JOIN chain.index_source s ON s.chain_id = of_chain AND s.address = lower(t.contract_address) AND s.next_block > at_block
    WHERE t.chain_id = of_chain AND t.contract_address IS NOT NULL),
moves AS ( -- of every trade that the chain has to move: by wallet's account
    SELECT r.token_asset, x.account_id, x.sign * coalesce(s.corrected_quantity, r.quantity) AS units, s.settlement_status,
        s.settlement_type
    FROM settle.trade s JOIN record.trade r ON r.trade_id = s.trade_id
    CROSS JOIN LATERAL (VALUES (r.seller_account, 1), (r.buyer_account, -1)) x (account_id, sign)
    WHERE s.settlement_status <> 'settled' OR s.settlement_type = 'off_chain'),
flights AS (
    SELECT m.token_asset, m.account_id, coalesce(sum(m.units) FILTER (WHERE m.settlement_status <> 'settled'), 0) AS in_flight,
        coalesce(-sum(m.units) FILTER (WHERE m.settlement_type = 'off_chain'), 0) AS off_chain
    FROM moves m GROUP BY 1, 2),
legs AS ( -- done on the chain or said to be done, not both
    SELECT o.token_asset, x.wallet, sum(x.sign * o.amount) AS moved FROM (
        SELECT q.token_asset, l.from_address, l.to_address, l.amount
        FROM chain.chain_request q JOIN chain.request_leg l ON l.request_id = q.request_id
        JOIN chain.transfer t ON t.request_id = l.request_id AND t.leg = l.leg AND t.state = 'confirmed' AND t.block_number <= at_block
        WHERE q.chain_id = of_chain AND l.trade_id IS NOT NULL AND q.state IN ('prepared', 'awaiting_approval', 'signed', 'sent', 'mined')
        UNION ALL
        SELECT q.token_asset, l.from_address, l.to_address, -l.amount
        FROM settle.attempt a JOIN chain.chain_request q ON q.request_id = a.request_id
        JOIN chain.request_leg l ON l.request_id = q.request_id
        WHERE a.state = 'confirmed' AND a.block_number > at_block AND q.chain_id = of_chain AND q.state = 'confirmed'
            AND l.trade_id IS NOT NULL AND l.state = 'done') o
    CROSS JOIN LATERAL (VALUES (lower(o.from_address), -1), (lower(o.to_address), 1)) x (wallet, sign)
    GROUP BY 1, 2),
bookings AS (
    SELECT p.token_asset, p.account_id,
        coalesce(sum(CASE p.kind WHEN 'chain_in' THEN p.units ELSE -p.units END) FILTER (WHERE p.state = 'open'
            OR p.sequence > (SELECT c.sequence FROM record.cursor c)), 0) AS booking,
        coalesce(sum(CASE p.kind WHEN 'chain_in' THEN p.units ELSE -p.units END) FILTER (WHERE p.state = 'refused'), 0) AS refused
    FROM chain.ledger_posting p GROUP BY 1, 2),
flows AS (
    SELECT t.token_asset, x.wallet, sum(x.sign * t.amount) AS indexed,
        coalesce(sum(x.sign * t.amount) FILTER (WHERE t.class IN ('outside', 'other', 'request', 'unplanned') AND NOT x.counted), 0) AS unbooked,
        coalesce(sum(x.sign * t.amount) FILTER (WHERE t.class = 'unplanned'), 0) AS unplanned
    FROM chain.transfer t
    CROSS JOIN LATERAL (VALUES (t.from_address, -1, t.from_counted), (t.to_address, 1, t.to_counted)) x (wallet, sign, counted)
    WHERE t.chain_id = of_chain AND t.state = 'confirmed' AND t.block_number <= at_block GROUP BY 1, 2)
SELECT k.asset_id, k.symbol, k.contract, k.scale, k.decimals, lower(a.wallet_address), a.account_id,
    coalesce(b.available + b.held, 0), coalesce(b.deficit, 0), coalesce(f.in_flight, 0), coalesce(l.moved, 0),
    coalesce(p.booking, 0), coalesce(p.refused, 0),
    coalesce(n.net - n.booked * (10::numeric ^ k.decimals / 10::numeric ^ k.scale), 0), coalesce(w.indexed, 0),
    coalesce(f.off_chain, 0), coalesce(w.unbooked, 0), coalesce(w.unplanned, 0)
FROM tokens k CROSS JOIN people.account a
LEFT JOIN record.balance b ON b.account_id = a.account_id AND b.asset_id = k.asset_id
LEFT JOIN flights f ON f.account_id = a.account_id AND f.token_asset = k.asset_id
LEFT JOIN legs l ON l.wallet = lower(a.wallet_address) AND l.token_asset = k.asset_id
LEFT JOIN bookings p ON p.account_id = a.account_id AND p.token_asset = k.asset_id
LEFT JOIN chain.wallet_net n ON n.address = lower(a.wallet_address) AND n.token_asset = k.asset_id
LEFT JOIN flows w ON w.wallet = lower(a.wallet_address) AND w.token_asset = k.asset_id
WHERE a.wallet_address IS NOT NULL AND (b.account_id IS NOT NULL OR w.wallet IS NOT NULL OR f.account_id IS NOT NULL)
ORDER BY k.asset_id, a.account_id
$$;

-- Classifies one confirmed Transfer and books it where it is an outside fact of an account's wallet.
CREATE OR REPLACE FUNCTION chain.index_transfer(event chain.event_log) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    source chain.index_source;
    sender text := lower(event.decoded_payload ->> 'from');
    receiver text := lower(event.decoded_payload ->> 'to');
    moved numeric := (event.decoded_payload ->> 'value')::numeric;
    request bigint;
    planned smallint;
    word text;
    times smallint;
    zero CONSTANT text := '0x0000000000000000000000000000000000000000';
BEGIN
    SELECT * INTO source FROM chain.index_source s
        WHERE s.chain_id = event.chain_id AND s.address = lower(event.address) AND s.kind = 'token';
    IF source.address IS NULL OR sender IS NULL OR receiver IS NULL OR moved IS NULL THEN
        RETURN;
    END IF;
    SELECT a.request_id INTO request FROM settle.attempt a WHERE a.tx_hash = event.tx_hash; -- committed before it was sent
    SELECT l.leg INTO planned FROM chain.request_leg l
        WHERE l.request_id = request AND coalesce(lower(l.from_address), zero) = sender
            AND coalesce(lower(l.to_address), zero) = receiver AND l.amount = moved
            AND NOT EXISTS (SELECT 1 FROM chain.transfer t
                WHERE t.request_id = l.request_id AND t.leg = l.leg AND t.state = 'confirmed')
        ORDER BY l.leg LIMIT 1;
    word := CASE
        WHEN planned IS NOT NULL AND chain.request_settles(request) THEN 'settlement'
        WHEN event.block_number <= source.anchor_block THEN 'opening'
        WHEN planned IS NOT NULL THEN 'request'
        WHEN request IS NOT NULL THEN 'unplanned'
        WHEN EXISTS (SELECT 1 FROM people.account a WHERE lower(a.wallet_address) IN (sender, receiver)) THEN 'outside'
        ELSE 'other' END;
    IF word NOT IN ('settlement', 'request') THEN
        planned := NULL;
    END IF;
    INSERT INTO chain.transfer (event_id, chain_id, token_asset, block_number, from_address, to_address, amount, class,
            request_id, leg)
        VALUES (event.event_id, event.chain_id, source.token_asset, event.block_number, sender, receiver, moved, word,
            request, planned)
        ON CONFLICT (event_id) DO UPDATE SET state = 'confirmed', round = chain.transfer.round + 1, class = excluded.class,
            request_id = excluded.request_id, leg = excluded.leg, from_counted = false, to_counted = false
        RETURNING round INTO times;
    IF word IN ('request', 'unplanned', 'outside') AND sender <> receiver THEN
        UPDATE chain.transfer t SET
            from_counted = chain.index_post(event.event_id, sender, 'from', times, false, source.token_asset, -moved)
            WHERE t.event_id = event.event_id;
        UPDATE chain.transfer t SET
            to_counted = chain.index_post(event.event_id, receiver, 'to', times, false, source.token_asset, moved)
            WHERE t.event_id = event.event_id;
    END IF;
END $$;

DROP VIEW settle.net_differs;
DROP VIEW chain.movement;
ALTER TABLE settle.trade DROP CONSTRAINT trade_net, DROP CONSTRAINT trade_net_hash, DROP CONSTRAINT trade_settlement_type_check;
UPDATE settle.trade SET settlement_type = CASE WHEN tx_hash IS NULL THEN 'off_chain' ELSE 'on_chain' END WHERE settlement_type = 'netted';
ALTER TABLE settle.trade DROP COLUMN net_id,
    ADD CONSTRAINT trade_settlement_type_check CHECK (settlement_type IN ('on_chain', 'off_chain'));
ALTER TABLE chain.request_leg DROP COLUMN net_id, DROP COLUMN place;
DROP TABLE chain.net;
DROP TABLE settle.netting;

COMMIT;
