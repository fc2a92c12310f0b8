-- Custody again when its rows are lost: what the venue itself has frozen carries a batch id on the chain
-- (settlement/settle_batch_id.h), what is tradable follows from the record.
BEGIN;

-- A freeze or release that the signer has signed and this database has lost (settlement/settle_lost.c): its request is written
-- as the bytes have it, or is there already. False: the number is another request's, or the contract no token of ours.
CREATE FUNCTION settle.custody_restore(request bigint, of_chain bigint, contract text, word text, wallets text[], amounts numeric[])
    RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    asset integer;
BEGIN
    IF EXISTS (SELECT 1 FROM chain.chain_request r WHERE r.request_id = request) THEN
        RETURN EXISTS (SELECT 1 FROM chain.custody_request c JOIN chain.chain_request r ON r.request_id = c.request_id
                WHERE c.request_id = request AND r.operation = word AND r.chain_id = of_chain AND lower(r.contract_address) = contract)
            AND (SELECT array_agg(lower(l.to_address) ORDER BY l.leg) = wallets AND array_agg(l.amount ORDER BY l.leg) = amounts
                FROM chain.request_leg l WHERE l.request_id = request);
    END IF;
    SELECT t.asset_id INTO asset FROM people.token t WHERE t.chain_id = of_chain AND lower(t.contract_address) = contract;
    IF asset IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO chain.chain_request (request_id, idempotency_key, operation, chain_id, contract_address, token_asset, requested_by,
            reason)
        OVERRIDING SYSTEM VALUE VALUES (request, 'restored:' || request, word, of_chain, contract, asset, 'custody',
            'restored_from_the_signers_log');
    INSERT INTO chain.custody_request (request_id) VALUES (request);
    INSERT INTO chain.request_leg (request_id, leg, to_address, amount)
        SELECT request, x.ordinality - 1, x.wallet, x.amount FROM unnest(wallets, amounts) WITH ORDINALITY AS x (wallet, amount, ordinality);
    PERFORM setval('chain.chain_request_request_id_seq', request) FROM chain.chain_request_request_id_seq s WHERE s.last_value < request;
    UPDATE chain.custody_wallet w SET request_id = request
        WHERE w.token_asset = asset AND w.address = ANY (wallets) AND w.request_id IS NULL;
    RETURN true;
END $$;

-- Units that the ledger has moved and the chain has not, or of which the core is not told: of these trades seller and buyer. Of
-- off_chain ones the chain may have moved them all the same (a mark), or never will.
CREATE VIEW chain.custody_untold AS
SELECT d.token_asset, x.account_id, x.sign * coalesce(w.corrected_quantity, d.quantity) AS units, l.moved, l.off_chain
FROM record.trade d JOIN people.token t ON t.asset_id = d.token_asset AND t.custody = 'frozen'
JOIN settle.trade w ON w.trade_id = d.trade_id
CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM chain.request_leg g WHERE g.trade_id = d.trade_id AND g.state = 'done') AS moved,
    w.settlement_type IS NOT DISTINCT FROM 'off_chain' AS off_chain) l
CROSS JOIN LATERAL (VALUES (d.seller_account, 1), (d.buyer_account, -1)) x (account_id, sign)
WHERE l.off_chain OR NOT l.moved OR (SELECT r.outcome FROM settle.result r WHERE r.trade_id = d.trade_id AND r.state = 'booked'
    ORDER BY r.ref_number DESC LIMIT 1) IS DISTINCT FROM 'settled';

-- What our transfers took of others' freezes (chain.custody_taken), event by event, of wallets in which others have frozen or unfrozen.
CREATE FUNCTION chain.custody_retake(of_chain bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    wallet record;
    event record;
    own numeric;
    held numeric;
    took numeric;
BEGIN
    DELETE FROM chain.custody_taken k USING people.token t WHERE t.asset_id = k.token_asset AND t.chain_id = of_chain;
    FOR wallet IN SELECT DISTINCT f.token_asset, f.address, lower(t.contract_address) AS contract FROM chain.freeze_event f
            JOIN people.token t ON t.asset_id = f.token_asset WHERE t.chain_id = of_chain LOOP
        own := 0;
        held := 0;
        FOR event IN SELECT e.block_number, (e.decoded_payload ->> 'amount')::numeric * CASE e.event_name WHEN 'TokensFrozen' THEN 1 ELSE -1 END
                    AS change, EXISTS (SELECT 1 FROM settle.attempt a WHERE a.tx_hash = e.tx_hash AND chain.custody_is_ours(a.request_id)) AS ours
                FROM chain.event_log e WHERE e.event_name IN ('TokensFrozen', 'TokensUnfrozen') AND e.chain_id = of_chain
                    AND lower(e.address) = wallet.contract AND lower(e.decoded_payload ->> 'wallet') = wallet.address AND e.state <> 'orphaned'
                ORDER BY e.block_number, e.log_index LOOP
            IF event.ours THEN
                own := own + event.change;
                took := least(greatest(-own, 0), held);
            ELSE
                held := held + event.change;
                own := own + least(held, 0);
                held := greatest(held, 0);
                took := 0;
            END IF;
            IF took > 0 THEN
                own := own + took;
                held := held - took;
                INSERT INTO chain.custody_taken (token_asset, address, block_number, units)
                    VALUES (wallet.token_asset, wallet.address, event.block_number, took);
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- `lonja settle rebuild` at its end, when requests, trades and what the core has booked are there, and before it is told of the rest:
-- the three figures of each wallet, as final up to `last_block`. Returns how many wallets, or NULL: lonja-index is not as far yet.
--   frozen    from the requests
--   claimed   from the record: what the ledger has, but for what it has of trades that are not told; of off_chain ones as the wallet
--             has it
--   released  what is in the wallet besides, as far as it was withdrawn
-- Credits and deposits that waited for their freeze, and are lost, too, are then the holder's own: a deposit takes them in.
CREATE FUNCTION settle.custody_rebuild(of_chain bigint, last_block bigint) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    wallets integer;
BEGIN
    IF EXISTS (SELECT 1 FROM people.token t WHERE t.chain_id = of_chain AND t.custody = 'frozen')
        AND EXISTS (SELECT 1 FROM chain.index_chain c WHERE c.chain_id = of_chain AND c.confirmed_block < last_block) THEN
        RETURN NULL;
    END IF;
    DELETE FROM chain.custody_need n USING people.token t
        WHERE t.asset_id = n.token_asset AND t.chain_id = of_chain AND n.kind = 'purchase';
    DELETE FROM chain.custody_entry e USING people.token t WHERE t.asset_id = e.token_asset AND t.chain_id = of_chain;
    UPDATE chain.custody_wallet w SET request_id = NULL, changed = true, failures = 0, alone = false, retry_at = NULL, reason = NULL
        FROM people.token t WHERE t.asset_id = w.token_asset AND t.chain_id = of_chain;
    -- What others did, if that is lost, too.
    INSERT INTO chain.freeze_event (event_id, token_asset, address, change)
        SELECT e.event_id, s.token_asset, lower(e.decoded_payload ->> 'wallet'), (e.decoded_payload ->> 'amount')::numeric
            * CASE e.event_name WHEN 'TokensFrozen' THEN 1 ELSE -1 END
        FROM chain.event_log e JOIN chain.index_source s ON s.chain_id = e.chain_id AND s.address = lower(e.address) AND s.kind = 'token'
        WHERE e.chain_id = of_chain AND e.event_name IN ('TokensFrozen', 'TokensUnfrozen')
            AND NOT EXISTS (SELECT 1 FROM settle.attempt a WHERE a.tx_hash = e.tx_hash AND chain.custody_is_ours(a.request_id))
        ON CONFLICT DO NOTHING;
    PERFORM chain.custody_retake(of_chain);
    WITH done AS (
        SELECT l.request_id, l.leg, t.asset_id, c.request_id IS NOT NULL AS own,
            lower(CASE WHEN c.request_id IS NULL THEN coalesce(g.from_address, l.from_address) ELSE l.to_address END) AS address,
            CASE WHEN c.request_id IS NULL THEN -l.unfrozen WHEN r.operation = 'freeze_partial' THEN l.amount ELSE -l.amount END AS change
        FROM chain.request_leg l JOIN chain.chain_request r ON r.request_id = l.request_id
        JOIN people.token t ON t.chain_id = r.chain_id AND lower(t.contract_address) = lower(r.contract_address)
        LEFT JOIN chain.custody_request c ON c.request_id = l.request_id
        LEFT JOIN chain.net g ON g.net_id = l.net_id
        WHERE r.chain_id = of_chain AND l.state = 'done' AND (c.request_id IS NOT NULL OR (l.unfrozen > 0 AND l.trade_id IS NOT NULL)))
    INSERT INTO chain.custody_entry (source, request_id, token_asset, address, frozen)
        SELECT 'leg:' || d.request_id || ':' || d.leg, d.request_id, d.asset_id, d.address, d.change FROM done d
        WHERE d.own OR EXISTS (SELECT 1 FROM done o WHERE o.own AND o.asset_id = d.asset_id AND o.address = d.address);
    -- `there`: units of the ledger's trades in the wallet, by its transfers; NULL: nobody reads the token's.
    CREATE TEMP TABLE custody_holding ON COMMIT DROP AS
        SELECT h.asset_id, h.account_id, h.address, h.one, h.there, h.claim + CASE WHEN h.there IS NULL THEN h.off_chain
            ELSE least(greatest(h.there - h.claim, least(h.off_chain, 0)), greatest(h.off_chain, 0)) END AS claim
        FROM (SELECT t.asset_id, a.account_id, lower(a.wallet_address) AS address, x.one,
            (b.available + b.held - b.deficit + coalesce(u.untold, 0) + coalesce(p.units, 0)) * x.one AS claim,
            coalesce(u.off_chain, 0) * x.one AS off_chain,
            CASE WHEN i.token_asset IS NOT NULL THEN coalesce(f.indexed, 0) + coalesce(u.moved, 0) * x.one
                - coalesce(d.net - d.booked * x.one, 0) - coalesce(n.units, 0) END AS there
            FROM people.token t CROSS JOIN LATERAL (SELECT chain.units_of_one(t.asset_id) AS one) x
            JOIN record.balance b ON b.asset_id = t.asset_id
            JOIN people.account a ON a.account_id = b.account_id AND a.wallet_address IS NOT NULL
            LEFT JOIN chain.index_source i ON i.token_asset = t.asset_id AND i.chain_id = t.chain_id AND i.kind = 'token'
            LEFT JOIN LATERAL (SELECT sum(v.units) FILTER (WHERE NOT v.off_chain) AS untold, sum(v.units) FILTER (WHERE v.off_chain) AS off_chain,
                    sum(v.units) FILTER (WHERE v.moved AND NOT v.off_chain) AS moved
                FROM chain.custody_untold v WHERE v.token_asset = t.asset_id AND v.account_id = a.account_id) u ON true
            LEFT JOIN LATERAL (SELECT sum(CASE q.kind WHEN 'chain_in' THEN q.units ELSE -q.units END) AS units FROM chain.ledger_posting q
                WHERE q.token_asset = t.asset_id AND q.account_id = a.account_id
                    AND (q.state = 'open' OR q.sequence > (SELECT c.sequence FROM record.cursor c))) p ON true
            LEFT JOIN LATERAL (SELECT sum(CASE WHEN y.to_address = lower(a.wallet_address) THEN y.amount ELSE -y.amount END) AS indexed
                FROM chain.transfer y WHERE y.token_asset = t.asset_id AND y.state = 'confirmed' AND y.from_address <> y.to_address
                    AND lower(a.wallet_address) IN (y.from_address, y.to_address)) f ON true
            LEFT JOIN chain.wallet_net d ON d.token_asset = t.asset_id AND d.address = lower(a.wallet_address)
            LEFT JOIN LATERAL (SELECT sum(c.units) AS units FROM chain.custody_need c WHERE c.token_asset = t.asset_id
                AND c.address = lower(a.wallet_address) AND c.kind = 'credit' AND c.state IN ('open', 'frozen')) n ON true
            WHERE t.chain_id = of_chain AND t.custody = 'frozen') h;
    INSERT INTO chain.custody_entry (source, token_asset, address, claimed, released)
        SELECT concat_ws(':', 'rebuilt', h.asset_id, nextval('chain.custody_number')), h.asset_id, h.address, h.claim,
            coalesce(greatest(least(h.there - h.claim, (SELECT sum(q.amount) * h.one FROM people.ledger_request q
                WHERE q.account_id = h.account_id AND q.asset_id = h.asset_id AND q.kind = 'withdrawal' AND q.state = 'done')), 0), 0)
        FROM pg_temp.custody_holding h;
    SELECT count(*) INTO wallets FROM chain.custody_wallet w JOIN people.token t ON t.asset_id = w.token_asset
        WHERE t.chain_id = of_chain AND (w.frozen, w.claimed, w.released) <> (0, 0, 0);
    NOTIFY settle;
    RETURN wallets;
END $$;

GRANT EXECUTE ON FUNCTION settle.custody_restore(bigint, bigint, text, text, text[], numeric[]) TO lonja_settle;

COMMIT;
