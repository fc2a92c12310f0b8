-- Payouts of stablecoins again when settlement's rows are lost: the chain has a batch id on each (settlement/settle_batch_id.h), `people`
-- has the withdrawals, lonja-index what came and went, and what was put back.
BEGIN;

-- Which withdrawal, or which unmatched deposit, a payout is of: six bytes, of its batch id.
CREATE FUNCTION chain.payout_digest(reference text, deposit_hash text, deposit_log integer) RETURNS text LANGUAGE sql IMMUTABLE RETURN
    '0x' || left(encode(sha256(convert_to(CASE WHEN reference IS NULL THEN concat_ws(':', 'return', deposit_hash, deposit_log)
        ELSE concat_ws(':', 'withdrawal', reference) END, 'UTF8')), 'hex'), 12);

-- As before; with what its batch id says.
CREATE OR REPLACE FUNCTION chain.payout_ask(payout bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    p chain.payout;
    coin people.stablecoin;
    request bigint;
    digest text;
BEGIN
    SELECT * INTO STRICT p FROM chain.payout o WHERE o.payout_id = payout;
    SELECT * INTO STRICT coin FROM people.stablecoin c WHERE c.asset_id = p.asset_id;
    IF p.to_address IS NULL THEN
        UPDATE chain.payout o SET state = 'failed', reason = 'no_wallet', updated_at = now() WHERE o.payout_id = payout;
        NOTIFY index;
        RETURN;
    END IF;
    digest := chain.payout_digest(p.reference, e.tx_hash, e.log_index) FROM (SELECT) x LEFT JOIN chain.event_log e ON e.event_id = p.event_id;
    INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, token_asset, requested_by, arguments, evidence)
        VALUES ('payout:' || payout, 'erc20_transfer', coin.chain_id, coin.contract_address, p.asset_id, 'payout',
            jsonb_build_object('payout', payout, 'digest', digest),
            jsonb_strip_nulls(jsonb_build_object('payout', payout, 'kind', p.kind, 'reference', p.reference, 'event', p.event_id)))
        RETURNING request_id INTO request;
    INSERT INTO chain.request_leg (request_id, leg, from_address, to_address, amount)
        VALUES (request, 0, lower(coin.escrow_address), p.to_address, p.amount);
    UPDATE chain.payout o SET request_id = request WHERE o.payout_id = payout;
END $$;

-- As before. What lonja-index has read before its transaction was restored is this payout's Transfer, and nobody else's.
CREATE OR REPLACE FUNCTION chain.payout_follows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE chain.payout p SET updated_at = now(), reason = CASE WHEN NEW.state <> 'confirmed' THEN NEW.reason END,
        state = CASE WHEN NEW.state = 'confirmed' THEN 'paid' WHEN NEW.reason LIKE 'transfer_is_not_the_planned_one%' THEN 'unclear'
            ELSE 'failed' END
        WHERE p.request_id = NEW.request_id AND p.state IN ('open', 'paid');
    IF NEW.state = 'confirmed' THEN
        UPDATE chain.transfer t SET class = 'request', request_id = l.request_id, leg = l.leg
            FROM settle.attempt a JOIN chain.event_log e ON e.chain_id = a.chain_id AND e.tx_hash = a.tx_hash
            JOIN chain.request_leg l ON l.request_id = a.request_id
            WHERE a.request_id = NEW.request_id AND t.event_id = e.event_id AND t.token_asset = NEW.token_asset
                AND t.class = 'outside' AND t.from_address = lower(l.from_address) AND t.to_address = lower(l.to_address) AND t.amount = l.amount;
    END IF;
    NOTIFY index;
    RETURN NULL;
END $$;

-- The payout that this request, which the chain or the signer has, is of: the withdrawal or unmatched deposit that has its digest and
-- amount. One that was asked for again meanwhile, and not signed, is this one. False: none is, or it has ended otherwise.
CREATE FUNCTION chain.payout_adopt(request bigint, payout bigint, digest text, asset integer, receiver text, units numeric, words text)
    RETURNS boolean LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    withdrawals people.ledger_request[];
    deposit bigint;
    p chain.payout;
BEGIN
    withdrawals := ARRAY(SELECT q FROM people.ledger_request q WHERE q.kind = 'withdrawal' AND q.state = 'done' AND q.asset_id = asset
        AND q.amount * chain.units_of_one(asset) = units AND chain.payout_digest(q.reference, NULL, NULL) = digest);
    SELECT min(t.event_id) INTO deposit FROM chain.transfer t JOIN chain.event_log e USING (event_id)
        WHERE t.token_asset = asset AND t.class = 'unmatched' AND t.state = 'confirmed' AND t.amount = units
            AND chain.payout_digest(NULL, e.tx_hash, e.log_index) = digest HAVING count(*) = 1;
    IF cardinality(withdrawals) + num_nonnulls(deposit) <> 1 THEN
        RETURN false;
    END IF;
    SELECT * INTO p FROM chain.payout o
        WHERE o.reference = withdrawals[1].reference OR (o.event_id = deposit AND o.state IN ('open', 'paid', 'unclear'));
    IF p.payout_id IS NULL THEN
        INSERT INTO chain.payout (payout_id, kind, asset_id, account_id, reference, event_id, to_address, amount, request_id, requested_by, why)
            OVERRIDING SYSTEM VALUE
            SELECT CASE WHEN EXISTS (SELECT FROM chain.payout o WHERE o.payout_id = payout) THEN nextval('chain.payout_payout_id_seq') ELSE payout END,
                CASE WHEN deposit IS NULL THEN 'withdrawal' ELSE 'return' END, asset, withdrawals[1].account_id, withdrawals[1].reference,
                deposit, lower(receiver), units, request, coalesce(withdrawals[1].requested_by, words), words;
        PERFORM setval('chain.payout_payout_id_seq', payout) FROM chain.payout_payout_id_seq s WHERE s.last_value < payout;
        RETURN true;
    END IF;
    IF p.state <> 'open' OR EXISTS (SELECT FROM settle.attempt a WHERE a.request_id = p.request_id) THEN
        RETURN false;
    END IF;
    UPDATE chain.payout o SET request_id = request, to_address = lower(receiver), updated_at = now() WHERE o.payout_id = p.payout_id;
    UPDATE chain.chain_request r SET state = 'cancelled', reason = words, updated_at = now() WHERE r.request_id = p.request_id;
    RETURN true;
END $$;

-- A payout that the signer has signed and this database has lost (settlement/settle_lost.c): its request is written as the bytes have it,
-- or is there already. False: the number is another request's, or nobody here is paid by it.
CREATE FUNCTION settle.payout_restore(request bigint, payout bigint, of_chain bigint, contract text, sender text, receiver text, units numeric,
    digest text) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    asset integer;
BEGIN
    IF EXISTS (SELECT FROM chain.chain_request r WHERE r.request_id = request) THEN
        RETURN EXISTS (SELECT FROM chain.chain_request r JOIN chain.request_leg l USING (request_id) WHERE r.request_id = request
            AND r.operation = 'erc20_transfer' AND r.chain_id = of_chain AND lower(r.contract_address) = lower(contract)
            AND lower(l.from_address) = lower(sender) AND lower(l.to_address) = lower(receiver) AND l.amount = units
            AND r.arguments @> jsonb_build_object('payout', payout, 'digest', digest));
    END IF;
    SELECT c.asset_id INTO asset FROM people.stablecoin c WHERE c.chain_id = of_chain AND lower(c.contract_address) = lower(contract);
    IF asset IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO chain.chain_request (request_id, idempotency_key, operation, chain_id, contract_address, token_asset, requested_by,
            reason, arguments)
        OVERRIDING SYSTEM VALUE VALUES (request, 'restored:' || request, 'erc20_transfer', of_chain, contract, asset, 'payout',
            'restored_from_the_signers_log', jsonb_build_object('payout', payout, 'digest', digest));
    INSERT INTO chain.request_leg (request_id, leg, from_address, to_address, amount) VALUES (request, 0, sender, receiver, units);
    PERFORM setval('chain.chain_request_request_id_seq', request) FROM chain.chain_request_request_id_seq s WHERE s.last_value < request;
    RETURN chain.payout_adopt(request, payout, digest, asset, receiver, units, 'restored_from_the_signers_log');
END $$;

-- `lonja settle rebuild` at its end, when the requests of payouts that the chain has are there, `sent`, with their attempts, and people,
-- record and lonja-index's rows. Says what became of them; NULL: lonja-index is not as far as `last_block`.
--   mined                     paid, failed, or unclear (mined without its Transfer)
--   put back                  by lonja-index's postings, which have the payout's number
--   withdrawn and neither     asked for again; where the escrow has paid that wallet just that amount by no transaction of ours that is
--                             known, a person decides: unclear
-- Returns that were never mined leave their money unmatched.
CREATE FUNCTION settle.payouts_rebuild(of_chain bigint, last_block bigint) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    coins integer[] := ARRAY(SELECT c.asset_id FROM people.stablecoin c WHERE c.chain_id = of_chain AND c.state = 'proved');
    taken bigint[] := '{}';
    again integer := 0;
    r record;
BEGIN
    IF cardinality(coins) = 0 THEN
        RETURN '';
    END IF;
    IF NOT EXISTS (SELECT FROM chain.index_chain c WHERE c.chain_id = of_chain AND c.confirmed_block >= last_block) THEN
        RETURN NULL;
    END IF;
    -- What is not known to be put back, or withdrawn, would be paid twice, or never.
    SELECT e.sequence INTO r FROM record.ledger_entry e WHERE e.asset_id = ANY (coins) AND e.account_id <> 1 AND e.cause = 'chain_in'
        AND NOT EXISTS (SELECT FROM people.ledger_request q WHERE q.sequence = e.sequence)
        AND NOT EXISTS (SELECT FROM chain.ledger_posting l WHERE l.sequence = e.sequence
            OR (l.state = 'open' AND l.account_id = e.account_id AND l.token_asset = e.asset_id)) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the rows of lonja-index are older than the ledger: it has booked %, and they do not know of it', r.sequence;
    END IF;
    SELECT e.sequence INTO r FROM record.ledger_entry e WHERE e.asset_id = ANY (coins) AND e.account_id <> 1 AND e.cause = 'withdrawal'
        AND NOT EXISTS (SELECT FROM people.ledger_request q WHERE q.sequence = e.sequence
            OR (q.state IN ('requested', 'proposed') AND q.account_id = e.account_id AND q.asset_id = e.asset_id)) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'people is older than the ledger: it has booked withdrawal %, and people does not know of it', r.sequence;
    END IF;
    PERFORM setval('chain.payout_payout_id_seq', greatest(s.last_value, l.last))
        FROM chain.payout_payout_id_seq s, (SELECT max(q.payout_id) AS last FROM chain.ledger_posting q) l WHERE l.last IS NOT NULL;

    FOR r IN SELECT q.request_id, q.arguments, q.token_asset, l.to_address, l.amount,
                EXISTS (SELECT FROM settle.attempt a WHERE a.request_id = q.request_id AND a.state = 'confirmed') AS is_paid,
                EXISTS (SELECT FROM chain.gas_transaction g WHERE g.request_id = q.request_id AND g.succeeded) AS is_mined
            FROM chain.chain_request q JOIN chain.request_leg l USING (request_id)
            WHERE q.chain_id = of_chain AND q.operation = 'erc20_transfer' AND q.state = 'sent' AND q.arguments ? 'payout' ORDER BY q.request_id LOOP
        IF NOT EXISTS (SELECT FROM chain.payout p WHERE p.request_id = r.request_id) AND NOT chain.payout_adopt(r.request_id,
                (r.arguments ->> 'payout')::bigint, r.arguments ->> 'digest', r.token_asset, r.to_address, r.amount, 'rebuilt_from_chain') THEN
            RAISE EXCEPTION 'whom the payout of request % has paid cannot be told: no withdrawal of people, or unmatched deposit, of that '
                'amount has its digest', r.request_id;
        END IF;
        UPDATE chain.chain_request q SET state = CASE WHEN r.is_paid THEN 'confirmed' ELSE 'reverted' END, reason = CASE
                WHEN r.is_paid THEN 'rebuilt_from_chain' WHEN r.is_mined THEN 'transfer_is_not_the_planned_one: rebuilt_from_chain'
                ELSE 'reverted: rebuilt_from_chain' END, updated_at = now() WHERE q.request_id = r.request_id;
    END LOOP;

    -- Of withdrawals that are alike the eldest: they are of one account and one amount.
    FOR r IN SELECT l.* FROM chain.ledger_posting l WHERE l.token_asset = ANY (coins) AND l.payout_id IS NOT NULL ORDER BY l.number LOOP
        UPDATE chain.payout p SET state = 'put_back' WHERE p.payout_id = r.payout_id AND p.account_id = r.account_id AND p.state <> 'paid';
        CONTINUE WHEN FOUND;
        INSERT INTO chain.payout (payout_id, kind, asset_id, account_id, reference, to_address, amount, state, reason, requested_by, why)
            OVERRIDING SYSTEM VALUE
            SELECT r.payout_id, 'withdrawal', q.asset_id, q.account_id, q.reference, lower(a.wallet_address),
                q.amount * chain.units_of_one(q.asset_id), 'put_back', 'rebuilt_from_chain', q.requested_by, 'rebuilt_from_chain'
            FROM people.ledger_request q JOIN people.account a USING (account_id)
            WHERE q.kind = 'withdrawal' AND q.state = 'done' AND q.asset_id = r.token_asset AND q.account_id = r.account_id AND q.amount = r.units
                AND NOT EXISTS (SELECT FROM chain.payout p WHERE p.reference = q.reference OR p.payout_id = r.payout_id)
            ORDER BY q.number LIMIT 1;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'posting % puts payout % back, of which people has no withdrawal that is not paid', r.number, r.payout_id;
        END IF;
    END LOOP;

    -- (Cash that was withdrawn before it was a stablecoin was paid otherwise.)
    INSERT INTO chain.payout (kind, asset_id, account_id, reference, to_address, amount, requested_by, why)
        SELECT 'withdrawal', q.asset_id, q.account_id, q.reference, lower(a.wallet_address), q.amount * chain.units_of_one(q.asset_id),
            q.requested_by, 'rebuilt_from_chain'
        FROM people.ledger_request q JOIN people.stablecoin c USING (asset_id) JOIN people.account a USING (account_id)
        WHERE q.kind = 'withdrawal' AND q.state = 'done' AND q.asset_id = ANY (coins) AND q.answered_at >= c.created_at
            AND NOT EXISTS (SELECT FROM chain.payout p WHERE p.reference = q.reference) ORDER BY q.number;
    FOR r IN SELECT p.*, o.event_id AS paid_by, o.tx_hash FROM chain.payout p
            LEFT JOIN LATERAL (SELECT t.event_id, e.tx_hash FROM chain.transfer t JOIN chain.event_log e USING (event_id)
                WHERE t.token_asset = p.asset_id AND t.state = 'confirmed' AND t.class IN ('request', 'unplanned', 'outside')
                    AND t.to_address = p.to_address AND t.amount = p.amount AND t.event_id <> ALL (taken)
                    AND NOT EXISTS (SELECT FROM chain.payout x WHERE x.request_id = t.request_id AND x.state = 'paid')
                ORDER BY t.event_id LIMIT 1) o ON true
            WHERE p.asset_id = ANY (coins) AND p.state = 'open'
                AND NOT EXISTS (SELECT FROM chain.chain_request q WHERE q.request_id = p.request_id) ORDER BY p.payout_id LOOP
        IF r.paid_by IS NULL THEN
            PERFORM chain.payout_ask(r.payout_id);
            again := again + 1;
        ELSE
            taken := taken || r.paid_by;
            UPDATE chain.payout p SET state = 'unclear', reason = 'perhaps_paid: by ' || r.tx_hash, updated_at = now() WHERE p.payout_id = r.payout_id;
        END IF;
    END LOOP;
    NOTIFY index;
    NOTIFY settle;
    RETURN (SELECT format('%s payouts of stablecoins: %s paid, %s put back or failed, %s asked for again, %s to be decided by a person',
            count(*), count(*) FILTER (WHERE p.state = 'paid'), count(*) FILTER (WHERE p.state IN ('failed', 'put_back')), again,
            count(*) FILTER (WHERE p.state = 'unclear'))
        FROM chain.payout p WHERE p.asset_id = ANY (coins));
END $$;

REVOKE EXECUTE ON FUNCTION chain.payout_adopt(bigint, bigint, text, integer, text, numeric, text),
    settle.payout_restore(bigint, bigint, bigint, text, text, text, numeric, text), settle.payouts_rebuild(bigint, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settle.payout_restore(bigint, bigint, bigint, text, text, text, numeric, text) TO lonja_settle;

COMMIT;
