-- Custody, made exact: what a transfer took that is mined again is what it takes there; what our transfers took of others' freezes
-- is the others' no more; a settled trade keeps the reason that it has; a token that is watched again keeps no wallet's claim.
BEGIN;

-- Between check and block another agent can unfreeze what is the venue's and freeze it for himself; a transfer that is under way
-- then takes of his. The contract keeps one number per wallet, so that from there on he has that much less, and the venue has not
-- minus as much, which no freeze could make good.
CREATE TABLE chain.custody_taken (
    token_asset  integer NOT NULL REFERENCES people.token,
    address      text NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'),
    block_number bigint NOT NULL, -- counts behind all that others had done up to there
    units        numeric(78, 0) NOT NULL CHECK (units > 0),
    at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX custody_taken_wallet ON chain.custody_taken (token_asset, address);

-- held: frozen by others now. spilled: what others have unfrozen of the venue's, less what the venue has taken of theirs. The contract
-- keeps one number per wallet: what others unfreeze is taken from their own freezes first. Up to a block, or all that was seen.
CREATE OR REPLACE FUNCTION chain.custody_others(asset integer, wallet text, upto bigint, OUT held numeric, OUT spilled numeric)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    change numeric;
    taken numeric;
BEGIN
    held := 0;
    spilled := 0;
    FOR change, taken IN SELECT x.change, x.taken FROM (
            SELECT f.change, 0::numeric AS taken, e.block_number, e.log_index FROM chain.freeze_event f
                JOIN chain.event_log e ON e.event_id = f.event_id
                WHERE f.token_asset = asset AND f.address = wallet AND e.state <> 'orphaned'
                    AND NOT EXISTS (SELECT 1 FROM settle.attempt a WHERE a.tx_hash = e.tx_hash AND chain.custody_is_ours(a.request_id))
            UNION ALL
            SELECT -t.units, t.units, t.block_number, 2147483647 FROM chain.custody_taken t
                WHERE t.token_asset = asset AND t.address = wallet) x
            WHERE upto IS NULL OR x.block_number <= upto ORDER BY x.block_number, x.log_index LOOP
        held := held + change;
        spilled := spilled - taken;
        IF held < 0 THEN
            spilled := spilled - held;
            held := 0;
        END IF;
    END LOOP;
END $$;

-- ---- what a request has done, when it is final

CREATE OR REPLACE FUNCTION chain.custody_legs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM chain.custody_wallet) THEN
        RETURN NULL;
    END IF;
    INSERT INTO chain.custody_entry AS e (source, request_id, token_asset, address, frozen)
        SELECT 'leg:' || n.request_id || ':' || n.leg, n.request_id, t.asset_id, lower(x.wallet), x.change
        FROM new_legs n JOIN chain.chain_request r ON r.request_id = n.request_id
        JOIN people.token t ON t.chain_id = r.chain_id AND lower(t.contract_address) = lower(r.contract_address)
        LEFT JOIN chain.custody_request c ON c.request_id = n.request_id
        LEFT JOIN chain.net g ON g.net_id = n.net_id
        CROSS JOIN LATERAL (SELECT
            CASE WHEN c.request_id IS NULL THEN coalesce(g.from_address, n.from_address) ELSE coalesce(n.to_address, n.from_address) END AS wallet,
            CASE WHEN c.request_id IS NULL THEN -coalesce(n.unfrozen, 0)
                WHEN r.operation = 'freeze_partial' THEN n.amount ELSE -n.amount END AS change) x
        WHERE n.state = 'done' AND (x.change <> 0 OR EXISTS (SELECT 1 FROM chain.custody_entry o
                WHERE o.source = 'leg:' || n.request_id || ':' || n.leg)) -- mined again, it may have taken free units
            AND (c.request_id IS NOT NULL OR (chain.request_settles(n.request_id)
            AND EXISTS (SELECT 1 FROM chain.custody_wallet w WHERE w.token_asset = t.asset_id AND w.address = lower(x.wallet))))
        ON CONFLICT (source) DO UPDATE SET frozen = excluded.frozen;
    DELETE FROM chain.custody_entry e USING new_legs n
        WHERE n.state = 'back' AND e.source = 'leg:' || n.request_id || ':' || n.leg;
    RETURN NULL;
END $$;

-- ---- what the worker does in each pass: a reason of its own (net_zero, a mark, a rebuild) stays a trade's reason

CREATE OR REPLACE FUNCTION settle.custody_begin() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    moved record;
    begun integer := 0;
BEGIN
    FOR moved IN SELECT r.result_id, r.trade_id, d.token_asset, t.custody, d.buyer_account,
                lower(coalesce(l.to_address, b.wallet_address)) AS buyer, lower(coalesce(l.from_address, s.wallet_address)) AS seller,
                x.units
            FROM settle.result r JOIN settle.trade w ON w.trade_id = r.trade_id JOIN record.trade d ON d.trade_id = r.trade_id
            JOIN people.token t ON t.asset_id = d.token_asset
            CROSS JOIN LATERAL (SELECT coalesce(w.corrected_quantity, d.quantity) * chain.units_of_one(d.token_asset) AS units) x
            LEFT JOIN people.account b ON b.account_id = d.buyer_account
            LEFT JOIN people.account s ON s.account_id = d.seller_account
            LEFT JOIN LATERAL (SELECT g.from_address, g.to_address FROM chain.request_leg g
                WHERE g.trade_id = r.trade_id AND g.state = 'done' AND g.amount = x.units LIMIT 1) l ON true
            WHERE r.awaits_freeze AND r.state = 'open'
                AND NOT EXISTS (SELECT 1 FROM chain.custody_need n WHERE n.trade_id = r.trade_id)
            ORDER BY r.result_id LOOP
        begun := begun + 1;
        IF moved.custody <> 'frozen' OR moved.buyer IS NULL OR moved.seller IS NULL OR moved.buyer = moved.seller THEN
            UPDATE settle.result r SET awaits_freeze = false WHERE r.result_id = moved.result_id;
            CONTINUE;
        END IF;
        INSERT INTO chain.custody_entry (source, token_asset, address, claimed)
            VALUES ('sold:' || moved.trade_id, moved.token_asset, moved.seller, -moved.units) ON CONFLICT (source) DO NOTHING;
        INSERT INTO chain.custody_need (kind, token_asset, address, account_id, units, trade_id)
            VALUES ('purchase', moved.token_asset, moved.buyer, moved.buyer_account, moved.units, moved.trade_id);
        UPDATE settle.trade w SET reason = 'awaits_freeze' WHERE w.trade_id = moved.trade_id AND w.reason IS NULL;
    END LOOP;
    RETURN begun;
END $$;

CREATE OR REPLACE FUNCTION settle.custody_finish() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended record;
    done integer := 0;
BEGIN
    FOR ended IN SELECT r.request_id, r.state, coalesce(r.reason, r.state) AS reason, (SELECT count(*) FROM chain.request_leg l WHERE l.request_id = r.request_id) AS legs
            FROM chain.custody_request c JOIN chain.chain_request r ON r.request_id = c.request_id
            WHERE c.open AND r.state IN ('confirmed', 'reverted', 'rejected', 'dropped', 'cancelled') ORDER BY r.request_id LOOP
        done := done + 1;
        UPDATE chain.custody_request c SET open = false WHERE c.request_id = ended.request_id;
        IF ended.state = 'confirmed' THEN
            UPDATE chain.custody_wallet w SET request_id = NULL, changed = true, failures = 0, alone = false, retry_at = NULL,
                reason = NULL WHERE w.request_id = ended.request_id;
            CONTINUE;
        END IF;
        -- An opening need may ask for what is not there: that is answered, not tried again.
        IF ended.legs = 1 AND ended.state IN ('rejected', 'reverted') THEN
            UPDATE chain.custody_need n SET state = 'refused', done_at = now(), reason = ended.reason
                FROM chain.custody_wallet w WHERE w.request_id = ended.request_id AND n.token_asset = w.token_asset
                    AND n.address = w.address AND n.kind = 'opening' AND n.state = 'open';
        END IF;
        UPDATE settle.trade t SET reason = 'awaits_freeze: ' || ended.reason
            FROM chain.custody_need n JOIN chain.custody_wallet w ON w.token_asset = n.token_asset AND w.address = n.address
            WHERE w.request_id = ended.request_id AND n.state = 'open' AND t.trade_id = n.trade_id AND ended.legs = 1
                AND t.reason LIKE 'awaits_freeze%' AND t.reason <> 'awaits_freeze: ' || ended.reason;
        UPDATE chain.custody_wallet w SET request_id = NULL, changed = true, failures = w.failures + (ended.legs = 1)::int,
            alone = true, reason = ended.reason, retry_at = CASE WHEN ended.legs = 1
                THEN clock_timestamp() + least(0.5 * 2 ^ least(w.failures, 10), 60) * interval '1 second' END
            WHERE w.request_id = ended.request_id;
    END LOOP;
    RETURN done;
END $$;

-- `units` of what others hold frozen were taken by our transfers. Returns them.
CREATE FUNCTION chain.custody_take(asset integer, wallet text, units numeric) RETURNS numeric
    LANGUAGE sql SECURITY DEFINER SET search_path = '' AS $$
    INSERT INTO chain.custody_taken (token_asset, address, block_number, units)
        SELECT asset, wallet, max(e.block_number), units FROM chain.freeze_event f JOIN chain.event_log e ON e.event_id = f.event_id
        WHERE f.token_asset = asset AND f.address = wallet AND e.state <> 'orphaned' RETURNING units
$$;

CREATE OR REPLACE FUNCTION settle.custody_step(of_chain bigint) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    w chain.custody_wallet;
    many CONSTANT integer := 100;
    done integer;
    spilled numeric;
    held numeric;
    lacks numeric;
    leaving numeric;
    group_asset integer;
    group_word text;
    wallets text[];
    amounts numeric[];
    lack jsonb := '[]';
BEGIN
    IF NOT EXISTS (SELECT 1 FROM chain.custody_wallet c WHERE c.changed)
        AND NOT EXISTS (SELECT 1 FROM chain.custody_request c WHERE c.open)
        AND NOT EXISTS (SELECT 1 FROM settle.result r WHERE r.awaits_freeze) THEN
        RETURN 0;
    END IF;
    done := settle.custody_begin() + settle.custody_finish();
    FOR w IN SELECT c.* FROM chain.custody_wallet c JOIN people.token t ON t.asset_id = c.token_asset
            WHERE c.changed AND t.chain_id = of_chain ORDER BY c.token_asset, c.address LIMIT 1000 FOR UPDATE OF c SKIP LOCKED LOOP
        SELECT o.spilled, o.held INTO spilled, held FROM chain.custody_others(w.token_asset, w.address, NULL) o;
        IF w.frozen < spilled AND held > 0 AND w.request_id IS NULL THEN -- with all that was asked for final
            spilled := spilled - chain.custody_take(w.token_asset, w.address, least(spilled - w.frozen, held));
        END IF;
        done := done + settle.custody_satisfy(w, spilled);
        SELECT * INTO w FROM chain.custody_wallet c WHERE c.token_asset = w.token_asset AND c.address = w.address;
        SELECT w.claimed + coalesce(sum(n.units), 0) - (w.frozen - spilled) INTO lacks FROM chain.custody_need n
            WHERE n.token_asset = w.token_asset AND n.address = w.address AND n.state = 'open';
        IF lacks = 0 OR (lacks < 0 AND -lacks < chain.units_of_one(w.token_asset)) OR w.request_id IS NOT NULL THEN
            UPDATE chain.custody_wallet c SET changed = false WHERE c.token_asset = w.token_asset AND c.address = w.address;
            CONTINUE; -- as it is to be; or looked at when its request has ended
        END IF;
        IF w.retry_at > clock_timestamp() THEN
            CONTINUE;
        END IF;
        leaving := chain.custody_leaving(w.token_asset, w.address);
        IF lacks > 0 THEN
            lacks := lacks - leaving;
            CONTINUE WHEN lacks <= 0; -- those transfers leave frozen units behind that are free for it
        END IF;
        lack := lack || jsonb_build_object('asset', w.token_asset, 'word', CASE WHEN lacks > 0 THEN 'freeze_partial'
            ELSE 'unfreeze_partial' END, 'alone', w.alone, 'address', w.address, 'amount', abs(lacks));
    END LOOP;
    FOR group_asset, group_word, wallets, amounts IN
            SELECT q.asset, q.word, array_agg(q.address ORDER BY q.address), array_agg(q.amount ORDER BY q.address) FROM (
                SELECT l.*, CASE WHEN l.alone THEN l.address ELSE ((row_number() OVER (PARTITION BY l.asset, l.word, l.alone
                    ORDER BY l.address) - 1) / many)::text END AS part
                FROM jsonb_to_recordset(lack) AS l (asset integer, word text, alone boolean, address text, amount numeric)) q
            GROUP BY q.asset, q.word, q.part ORDER BY 1, 2, q.part LOOP
        PERFORM settle.custody_request(of_chain, group_asset, group_word, wallets, amounts);
        done := done + 1;
    END LOOP;
    RETURN done;
END $$;

-- ---- from one custody to the other: whoever's a wallet is by now, nothing is claimed in it of a watched token

CREATE OR REPLACE FUNCTION people.custody_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    why text := CASE
        WHEN NEW.custody = 'frozen' AND NEW.contract_address IS NULL THEN 'a token without a contract cannot be in frozen custody'
        WHEN NEW.custody = 'frozen' AND EXISTS (SELECT 1 FROM record.instrument i WHERE i.token_asset = NEW.asset_id AND i.flags & 1 <> 0)
            THEN 'an instrument of the token has sell_unsettled: set that to false first'
        WHEN NOT EXISTS (SELECT 1 FROM record.balance b WHERE b.asset_id = NEW.asset_id AND b.account_id > 15
            AND (b.available, b.held, b.deficit) IS DISTINCT FROM (0, 0, 0)) THEN NULL
        WHEN NEW.status = 'secondary' THEN 'the token is traded, and the ledger has units of it: pause it first (its instruments'' status)'
        WHEN EXISTS (SELECT 1 FROM settle.trade s JOIN record.trade d USING (trade_id) WHERE d.token_asset = NEW.asset_id
            AND s.settlement_status <> 'settled' AND s.corrected_quantity IS DISTINCT FROM 0) THEN 'trades of the token are not settled'
        WHEN EXISTS (SELECT 1 FROM chain.ledger_posting p WHERE p.token_asset = NEW.asset_id AND p.state = 'open')
            OR EXISTS (SELECT 1 FROM chain.custody_need n WHERE n.token_asset = NEW.asset_id AND n.state IN ('open', 'frozen'))
            OR EXISTS (SELECT 1 FROM chain.custody_wallet w WHERE w.token_asset = NEW.asset_id AND w.request_id IS NOT NULL)
            THEN 'bookings or freezes of the token are under way' END;
BEGIN
    IF why IS NOT NULL THEN
        RAISE EXCEPTION '%', why USING ERRCODE = 'check_violation', CONSTRAINT = 'custody';
    END IF;
    -- Into custody: what the ledger has is claimed, and will be frozen. Out of it: nothing is, and what is frozen is released.
    INSERT INTO chain.custody_entry (source, token_asset, address, claimed)
        SELECT concat_ws(':', 'switch', NEW.asset_id, nextval('chain.custody_number')), NEW.asset_id, x.address, x.claim - coalesce(w.claimed, 0)
        FROM (SELECT w.address, 0::numeric AS claim FROM chain.custody_wallet w WHERE NEW.custody = 'watched' AND w.token_asset = NEW.asset_id
            UNION ALL
            SELECT lower(a.wallet_address), (b.available + b.held - b.deficit) * chain.units_of_one(NEW.asset_id)
            FROM people.account a JOIN record.balance b ON b.account_id = a.account_id AND b.asset_id = NEW.asset_id
            WHERE NEW.custody = 'frozen' AND a.wallet_address IS NOT NULL) x
        LEFT JOIN chain.custody_wallet w ON w.token_asset = NEW.asset_id AND w.address = x.address
        WHERE x.claim <> coalesce(w.claimed, 0);
    NOTIFY settle;
    RETURN NULL;
END $$;

-- ---- what the worker asks

-- What the venue's transfers may take of the frozen units of wallets of a contract, as of a block; no row: it has frozen none there.
DROP FUNCTION settle.custody_spendable(bigint, text, text[]);
CREATE FUNCTION settle.custody_spendable(of_chain bigint, contract text, wallets text[], at_block bigint)
    RETURNS TABLE (address text, units numeric) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT w.address, greatest(w.frozen - o.spilled, 0) FROM people.token t JOIN chain.custody_wallet w ON w.token_asset = t.asset_id
    CROSS JOIN LATERAL chain.custody_others(w.token_asset, w.address, at_block) o
    WHERE t.chain_id = of_chain AND lower(t.contract_address) = contract AND w.address = ANY (wallets)
$$;

GRANT EXECUTE ON FUNCTION settle.custody_spendable(bigint, text, text[], bigint) TO lonja_settle;
GRANT SELECT ON chain.custody_taken TO lonja_admin, lonja_ops;

COMMIT;
