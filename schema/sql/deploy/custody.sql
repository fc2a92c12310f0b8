-- Custody per token: watched (what holders do by themselves is booked as it comes, and may become a deficit), or frozen (the
-- agent freezes in the wallet what is tradable, before it becomes so). docs/settlement.md, Custody.
--
-- For each wallet of a frozen token three figures, in the token's smallest units on the chain:
--   frozen    what the venue has frozen, final: its freezes, less its releases, less what its transfers have unfrozen
--   claimed   of it what the core knows as tradable, and which is in the wallet still
--   released  withdrawn from the ledger, and in the wallet still: the holder's, free
-- and its open needs: units that have come and of which the core is told only when they are frozen, too. What is frozen has
-- to become claimed + needed; settle.custody_step asks for what lacks, and gives back what is too much.
BEGIN;

ALTER TABLE people.token ADD COLUMN custody text NOT NULL DEFAULT 'watched' CHECK (custody IN ('watched', 'frozen'));

CREATE TABLE chain.custody_wallet (
    token_asset integer NOT NULL REFERENCES people.token,
    address     text NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'), -- lower case
    frozen      numeric(78, 0) NOT NULL DEFAULT 0,
    claimed     numeric(78, 0) NOT NULL DEFAULT 0,
    released    numeric(78, 0) NOT NULL DEFAULT 0,
    changed     boolean NOT NULL DEFAULT true, -- it is to be looked at
    request_id  bigint REFERENCES chain.chain_request, -- the freeze or release that is under way
    failures    integer NOT NULL DEFAULT 0,    -- in a row
    alone       boolean NOT NULL DEFAULT false, -- goes in a request of its own: one with others has failed
    retry_at    timestamptz,
    reason      text,                          -- of the last failure
    PRIMARY KEY (token_asset, address)
);
CREATE INDEX custody_wallet_changed ON chain.custody_wallet (token_asset, address) WHERE changed;

-- Which requests are custody's own. A freeze that somebody else asks for by the same queue is somebody else's.
CREATE TABLE chain.custody_request (
    request_id bigint PRIMARY KEY REFERENCES chain.chain_request ON DELETE CASCADE,
    open       boolean NOT NULL DEFAULT true
);
CREATE INDEX custody_request_open ON chain.custody_request (request_id) WHERE open;
CREATE SEQUENCE chain.custody_number AS bigint;

-- What the three figures are made of; each source counts once, whatever the chain loses and brings again.
CREATE TABLE chain.custody_entry (
    source      text PRIMARY KEY, -- leg:REQUEST:LEG, sold:TRADE, need:NEED, out:EVENT:SIDE:ROUND, release:NUMBER, switch:…
    request_id  bigint,
    token_asset integer NOT NULL REFERENCES people.token,
    address     text NOT NULL,
    frozen      numeric(78, 0) NOT NULL DEFAULT 0,
    claimed     numeric(78, 0) NOT NULL DEFAULT 0,
    released    numeric(78, 0) NOT NULL DEFAULT 0,
    at          timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX custody_entry_request ON chain.custody_entry (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX custody_entry_wallet ON chain.custody_entry (token_asset, address);

CREATE FUNCTION chain.custody_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE chain.custody_wallet w SET frozen = w.frozen - OLD.frozen, claimed = w.claimed - OLD.claimed,
            released = w.released - OLD.released, changed = true
            WHERE w.token_asset = OLD.token_asset AND w.address = OLD.address;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO chain.custody_wallet AS w (token_asset, address, frozen, claimed, released)
            VALUES (NEW.token_asset, NEW.address, NEW.frozen, NEW.claimed, NEW.released)
            ON CONFLICT (token_asset, address) DO UPDATE SET frozen = w.frozen + NEW.frozen,
                claimed = w.claimed + NEW.claimed, released = w.released + NEW.released, changed = true;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER custody_count AFTER INSERT OR UPDATE OR DELETE ON chain.custody_entry
    FOR EACH ROW EXECUTE FUNCTION chain.custody_count();

-- Units that the core is told of only when they are frozen.
--   purchase  bought, and moved on the chain: the result of the trade waits
--   credit    came by a transfer that the venue did not make: its booking waits
--   opening   in the wallet already, and to be taken into the ledger by an administrator's word: likewise
CREATE TABLE chain.custody_need (
    need_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('purchase', 'credit', 'opening')),
    token_asset integer NOT NULL REFERENCES people.token,
    address     text NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'),
    account_id  integer NOT NULL REFERENCES people.account,
    units       numeric(78, 0) NOT NULL CHECK (units >= 0), -- less what has left the wallet meanwhile
    -- open; frozen: its booking may get its number; posted: it has, or the trade's result goes; taken: nothing was left; refused
    state       text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'frozen', 'posted', 'taken', 'refused')),
    trade_id    bigint UNIQUE REFERENCES settle.trade,
    event_id    bigint REFERENCES chain.event_log,
    side        text NOT NULL DEFAULT 'to' CHECK (side IN ('from', 'to')),
    round       smallint NOT NULL DEFAULT 0,
    reversal    boolean NOT NULL DEFAULT false,
    reference   text UNIQUE CHECK (length(reference) BETWEEN 1 AND 128),
    asked       bigint CHECK (asked > 0), -- units of the ledger
    requested_by text,
    reason      text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    done_at     timestamptz,
    UNIQUE (event_id, side, round, reversal),
    CHECK ((kind = 'purchase') = (trade_id IS NOT NULL)),
    CHECK ((kind = 'credit') = (event_id IS NOT NULL)),
    CHECK ((kind = 'opening') = (reference IS NOT NULL AND asked IS NOT NULL)),
    CHECK ((state = 'open') = (done_at IS NULL))
);
CREATE INDEX custody_need_open ON chain.custody_need (token_asset, address, need_id) WHERE state = 'open';
CREATE INDEX custody_need_frozen ON chain.custody_need (need_id) WHERE state = 'frozen';

CREATE FUNCTION chain.custody_need_made() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO chain.custody_wallet (token_asset, address) VALUES (NEW.token_asset, NEW.address)
        ON CONFLICT (token_asset, address) DO UPDATE SET changed = true;
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER custody_need_made AFTER INSERT ON chain.custody_need
    FOR EACH ROW EXECUTE FUNCTION chain.custody_need_made();

-- A result waits for a freeze: it gets its number, and goes to the core, afterwards.
ALTER TABLE settle.result ADD COLUMN awaits_freeze boolean NOT NULL DEFAULT false,
    ADD CHECK (NOT awaits_freeze OR ref_number IS NULL);
CREATE INDEX result_awaits_freeze ON settle.result (result_id) WHERE awaits_freeze;

-- What a transfer took from the frozen units of its sender, by its receipt.
ALTER TABLE chain.request_leg ADD COLUMN unfrozen numeric(78, 0) CHECK (unfrozen >= 0);

-- M24: of frozen_tokens, what the venue itself has frozen and its transfers may take.
ALTER TABLE chain.transfer_check ADD COLUMN venue_frozen numeric(78, 0);

-- A booking of an opening need is of no transfer.
ALTER TABLE chain.ledger_posting ALTER COLUMN event_id DROP NOT NULL,
    ADD COLUMN need_id bigint UNIQUE REFERENCES chain.custody_need,
    ADD CHECK (event_id IS NOT NULL OR need_id IS NOT NULL);

-- Smallest units on the chain that make one of the ledger.
CREATE FUNCTION chain.units_of_one(asset integer) RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' RETURN
    (SELECT 10::numeric ^ (t.decimals - a.scale) FROM people.token t JOIN people.asset a ON a.asset_id = t.asset_id
        WHERE t.asset_id = asset);

-- ---- what the venue froze itself, and what others did

CREATE FUNCTION chain.custody_is_ours(request bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = '' RETURN
    EXISTS (SELECT 1 FROM chain.custody_request c WHERE c.request_id = request) OR chain.request_settles(request);

-- Freezes and releases of transactions that are not custody's, in the order of the chain. They are few.
CREATE TABLE chain.freeze_event (
    event_id    bigint PRIMARY KEY REFERENCES chain.event_log,
    token_asset integer NOT NULL,
    address     text NOT NULL,
    change      numeric(78, 0) NOT NULL -- of what is frozen
);
CREATE INDEX freeze_event_wallet ON chain.freeze_event (token_asset, address);

CREATE FUNCTION chain.freeze_seen() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    asset integer;
    wallet text := lower(NEW.decoded_payload ->> 'wallet');
    amount numeric := (NEW.decoded_payload ->> 'amount')::numeric;
BEGIN
    SELECT s.token_asset INTO asset FROM chain.index_source s
        WHERE s.chain_id = NEW.chain_id AND s.address = lower(NEW.address) AND s.kind = 'token';
    IF asset IS NULL OR wallet IS NULL OR amount IS NULL OR EXISTS (SELECT 1 FROM settle.attempt a
            WHERE a.tx_hash = NEW.tx_hash AND chain.custody_is_ours(a.request_id)) THEN
        RETURN NULL;
    END IF;
    INSERT INTO chain.freeze_event (event_id, token_asset, address, change)
        VALUES (NEW.event_id, asset, wallet, CASE NEW.event_name WHEN 'TokensFrozen' THEN amount ELSE -amount END);
    UPDATE chain.custody_wallet w SET changed = true WHERE w.token_asset = asset AND w.address = wallet;
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER freeze_seen AFTER INSERT ON chain.event_log FOR EACH ROW
    WHEN (NEW.event_name IN ('TokensFrozen', 'TokensUnfrozen')) EXECUTE FUNCTION chain.freeze_seen();

-- held: frozen by others now. spilled: what others have unfrozen of the venue's. The contract keeps one number per wallet:
-- what others unfreeze is taken from their own freezes first. Up to a block, or all that was seen.
CREATE FUNCTION chain.custody_others(asset integer, wallet text, upto bigint, OUT held numeric, OUT spilled numeric)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    change numeric;
BEGIN
    held := 0;
    spilled := 0;
    FOR change IN SELECT f.change FROM chain.freeze_event f JOIN chain.event_log e ON e.event_id = f.event_id
            WHERE f.token_asset = asset AND f.address = wallet AND e.state <> 'orphaned'
                AND (upto IS NULL OR e.block_number <= upto)
                AND NOT EXISTS (SELECT 1 FROM settle.attempt a WHERE a.tx_hash = e.tx_hash AND chain.custody_is_ours(a.request_id))
            ORDER BY e.block_number, e.log_index LOOP
        held := held + change;
        IF held < 0 THEN
            spilled := spilled - held;
            held := 0;
        END IF;
    END LOOP;
END $$;

-- ---- what a request has done, when it is final

CREATE FUNCTION chain.custody_legs() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
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
        WHERE n.state = 'done' AND x.change <> 0 AND (c.request_id IS NOT NULL OR (chain.request_settles(n.request_id)
            AND EXISTS (SELECT 1 FROM chain.custody_wallet w WHERE w.token_asset = t.asset_id AND w.address = lower(x.wallet))))
        ON CONFLICT (source) DO UPDATE SET frozen = excluded.frozen;
    DELETE FROM chain.custody_entry e USING new_legs n
        WHERE n.state = 'back' AND e.source = 'leg:' || n.request_id || ':' || n.leg;
    RETURN NULL;
END $$;
CREATE TRIGGER custody_legs AFTER UPDATE ON chain.request_leg REFERENCING NEW TABLE AS new_legs
    FOR EACH STATEMENT EXECUTE FUNCTION chain.custody_legs();

-- One that was final, was lost and has ended otherwise has frozen nothing.
CREATE FUNCTION chain.custody_undone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    DELETE FROM chain.custody_entry e WHERE e.request_id = NEW.request_id;
    RETURN NULL;
END $$;
CREATE TRIGGER custody_undone AFTER UPDATE OF state ON chain.chain_request FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NEW.state IN ('prepared', 'reverted', 'dropped', 'rejected', 'cancelled'))
    EXECUTE FUNCTION chain.custody_undone();

-- ---- purchases

-- Results of trades on the chain in a frozen token wait. A trade that is not in the record at this moment (it is being
-- rebuilt) may be of one.
CREATE FUNCTION settle.result_made() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM people.token t WHERE t.custody = 'frozen') THEN
        RETURN NULL;
    END IF;
    UPDATE settle.result r SET awaits_freeze = true
        FROM new_results n JOIN settle.trade s ON s.trade_id = n.trade_id LEFT JOIN record.trade d ON d.trade_id = n.trade_id
        LEFT JOIN people.token t ON t.asset_id = d.token_asset
        WHERE r.result_id = n.result_id AND n.outcome = 'settled' AND n.state = 'open' AND n.ref_number IS NULL
            AND s.settlement_type IS DISTINCT FROM 'off_chain' AND coalesce(t.custody, 'frozen') = 'frozen';
    IF FOUND THEN
        PERFORM settle.custody_begin();
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER result_made AFTER INSERT ON settle.result REFERENCING NEW TABLE AS new_results
    FOR EACH STATEMENT EXECUTE FUNCTION settle.result_made();

-- What the results that wait mean for the wallets: the seller's claim goes, the buyer's need comes. Returns how many began.
CREATE FUNCTION settle.custody_begin() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
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
        UPDATE settle.trade w SET reason = 'awaits_freeze' WHERE w.trade_id = moved.trade_id;
    END LOOP;
    RETURN begun;
END $$;

-- ---- what the worker does in each pass

-- Requests that have ended: their wallets are looked at again; what failed goes again, alone, and ever later.
CREATE FUNCTION settle.custody_finish() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    ended record;
    done integer := 0;
BEGIN
    FOR ended IN SELECT r.request_id, r.state, r.reason, (SELECT count(*) FROM chain.request_leg l WHERE l.request_id = r.request_id) AS legs
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
                AND t.reason IS DISTINCT FROM 'awaits_freeze: ' || ended.reason;
        UPDATE chain.custody_wallet w SET request_id = NULL, changed = true, failures = w.failures + (ended.legs = 1)::int,
            alone = true, reason = ended.reason, retry_at = CASE WHEN ended.legs = 1
                THEN clock_timestamp() + least(0.5 * 2 ^ least(w.failures, 10), 60) * interval '1 second' END
            WHERE w.request_id = ended.request_id;
    END LOOP;
    RETURN done;
END $$;

-- The core may be told of the needs that are frozen, in their order.
CREATE FUNCTION settle.custody_satisfy(of_wallet chain.custody_wallet, spilled numeric) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    need chain.custody_need;
    free numeric := of_wallet.frozen - spilled - of_wallet.claimed;
    done integer := 0;
BEGIN
    FOR need IN SELECT * FROM chain.custody_need n WHERE n.token_asset = of_wallet.token_asset
            AND n.address = of_wallet.address AND n.state = 'open' ORDER BY n.need_id FOR UPDATE LOOP
        EXIT WHEN need.units > free AND need.units > 0;
        free := free - need.units;
        done := done + 1;
        UPDATE chain.custody_need n SET state = CASE WHEN need.units = 0 THEN 'taken' WHEN need.kind = 'purchase' THEN 'posted'
            ELSE 'frozen' END, done_at = now(), reason = NULL WHERE n.need_id = need.need_id;
        IF need.units > 0 THEN
            -- What is deposited again is the holder's own no more.
            INSERT INTO chain.custody_entry (source, token_asset, address, claimed, released)
                VALUES ('need:' || need.need_id, need.token_asset, need.address, need.units,
                    CASE WHEN need.kind = 'opening' THEN -least(greatest(of_wallet.released, 0), need.units) ELSE 0 END);
            of_wallet.released := of_wallet.released - CASE WHEN need.kind = 'opening' THEN least(greatest(of_wallet.released, 0), need.units) ELSE 0 END;
        END IF;
        IF need.kind = 'purchase' THEN
            UPDATE settle.result r SET awaits_freeze = false WHERE r.trade_id = need.trade_id AND r.awaits_freeze;
            UPDATE settle.trade t SET reason = NULL WHERE t.trade_id = need.trade_id AND t.reason LIKE 'awaits_freeze%';
        ELSE
            NOTIFY index;
        END IF;
    END LOOP;
    RETURN done;
END $$;

-- Units that transfers of the venue which are not final yet may take from the wallet. The contract takes free ones first.
CREATE FUNCTION chain.custody_leaving(asset integer, wallet text) RETURNS numeric LANGUAGE sql STABLE SET search_path = '' RETURN
    (SELECT coalesce(sum(l.amount), 0) FROM people.token t JOIN chain.chain_request r ON r.chain_id = t.chain_id
        AND lower(r.contract_address) = lower(t.contract_address)
        JOIN chain.request_leg l ON l.request_id = r.request_id
        WHERE t.asset_id = asset AND r.state IN ('prepared', 'awaiting_approval', 'signed', 'sent', 'mined')
            AND r.operation IN ('forced_transfer', 'batch_forced_transfer', 'burn') AND l.state = 'open'
            AND lower(coalesce(l.from_address, l.to_address)) = wallet);

-- One request of up to 100 wallets.
CREATE FUNCTION settle.custody_request(of_chain bigint, asset integer, word text, wallets text[], amounts numeric[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    request bigint;
BEGIN
    INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, token_asset, requested_by)
        SELECT 'custody:' || nextval('chain.custody_number'), word, of_chain, t.contract_address, asset, 'custody'
        FROM people.token t WHERE t.asset_id = asset RETURNING request_id INTO request;
    INSERT INTO chain.custody_request (request_id) VALUES (request);
    INSERT INTO chain.request_leg (request_id, leg, to_address, amount)
        SELECT request, x.ordinality - 1, x.wallet, x.amount FROM unnest(wallets, amounts) WITH ORDINALITY AS x (wallet, amount, ordinality);
    UPDATE chain.custody_wallet w SET request_id = request WHERE w.token_asset = asset AND w.address = ANY (wallets);
END $$;

-- Looks at the wallets that have changed: tells of needs, and asks for what lacks. Returns how much it has done.
CREATE FUNCTION settle.custody_step(of_chain bigint) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    w chain.custody_wallet;
    many CONSTANT integer := 100;
    done integer;
    spilled numeric;
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
        SELECT o.spilled INTO spilled FROM chain.custody_others(w.token_asset, w.address, NULL) o;
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

-- ---- outside transfers of frozen tokens

-- Bookings of the needs that are frozen get their numbers. (One writer: lonja-index.)
CREATE FUNCTION chain.custody_post() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    need chain.custody_need;
    next bigint;
    posted integer := 0;
BEGIN
    FOR need IN SELECT * FROM chain.custody_need n WHERE n.state = 'frozen' ORDER BY n.need_id FOR UPDATE LOOP
        SELECT coalesce(max(p.number), 0) + 1 INTO next FROM chain.ledger_posting p;
        INSERT INTO chain.ledger_posting (number, event_id, side, round, reversal, account_id, token_asset, kind, units, content_hash,
                need_id)
            VALUES (next, need.event_id, need.side, need.round, need.reversal, need.account_id, need.token_asset, 'chain_in',
                need.units / chain.units_of_one(need.token_asset),
                hashtextextended(concat_ws('|', 'need', need.need_id, need.units), 0), need.need_id);
        UPDATE chain.custody_need n SET state = 'posted' WHERE n.need_id = need.need_id;
        posted := posted + 1;
    END LOOP;
    RETURN posted;
END $$;

-- Units that have left a wallet in spite of everything, or that a reorganisation takes back: first the holder's own that
-- were released, then what was not told yet, then what the ledger has. Returns the units that the ledger has to lose.
CREATE FUNCTION chain.custody_left(asset integer, wallet text, units numeric, entry text, undo boolean) RETURNS numeric
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    need chain.custody_need;
    own numeric := 0;
    bought numeric := 0;
    rest numeric;
    part numeric;
    booked numeric;
    is_frozen boolean;
BEGIN
    SELECT t.custody = 'frozen' INTO STRICT is_frozen FROM people.token t WHERE t.asset_id = asset;
    SELECT CASE WHEN undo THEN 0 ELSE least(greatest(w.released, 0), units) END INTO own FROM chain.custody_wallet w
        WHERE w.token_asset = asset AND w.address = wallet FOR UPDATE;
    own := coalesce(own, 0);
    rest := units - own;
    booked := rest;
    FOR need IN SELECT * FROM chain.custody_need n WHERE n.token_asset = asset AND n.address = wallet AND n.state = 'open'
            ORDER BY n.kind = 'purchase', n.need_id DESC FOR UPDATE LOOP
        part := least(need.units, rest);
        UPDATE chain.custody_need n SET units = n.units - part WHERE n.need_id = need.need_id;
        rest := rest - part;
        IF need.kind = 'purchase' THEN
            bought := bought + part; -- in the ledger since the match
        ELSE
            booked := booked - part; -- not in the ledger
        END IF;
    END LOOP;
    INSERT INTO chain.custody_entry (source, token_asset, address, claimed, released) VALUES (entry, asset, wallet,
        CASE WHEN is_frozen THEN -rest ELSE 0 END, -own);
    NOTIFY settle;
    RETURN booked;
END $$;

-- As before; of a frozen token what comes is booked when it is frozen, and what leaves by custody_left.
CREATE OR REPLACE FUNCTION chain.index_post(event bigint, wallet text, moved text, times smallint, undo boolean, asset integer,
    change numeric) RETURNS boolean LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    owner integer;
    per_unit numeric;
    is_frozen boolean;
    whole numeric;
    next bigint;
    back numeric := 0;
BEGIN
    SELECT a.account_id INTO owner FROM people.account a WHERE lower(a.wallet_address) = wallet;
    IF owner IS NULL THEN
        RETURN false;
    END IF;
    SELECT chain.units_of_one(asset), t.custody = 'frozen' INTO STRICT per_unit, is_frozen FROM people.token t WHERE t.asset_id = asset;
    INSERT INTO chain.wallet_net (token_asset, address) VALUES (asset, wallet) ON CONFLICT DO NOTHING;
    UPDATE chain.wallet_net w SET net = w.net + change, booked = floor((w.net + change) / per_unit)
        FROM (SELECT o.token_asset, o.address, o.booked FROM chain.wallet_net o
            WHERE o.token_asset = asset AND o.address = wallet FOR UPDATE) old
        WHERE w.token_asset = old.token_asset AND w.address = old.address RETURNING w.booked - old.booked INTO whole;
    IF whole <> 0 AND (is_frozen OR (whole < 0 AND EXISTS (SELECT 1 FROM chain.custody_wallet c
            WHERE c.token_asset = asset AND c.address = wallet AND c.released > 0))) THEN
        PERFORM chain.custody_post(); -- what came before is booked before
        IF whole > 0 THEN
            IF undo THEN -- what the holder had taken out of his own is his own again
                SELECT -e.released INTO back FROM chain.custody_entry e WHERE e.source = concat_ws(':', 'out', event, moved, times);
                back := coalesce(back, 0);
            END IF;
            IF back > 0 THEN
                INSERT INTO chain.custody_entry (source, token_asset, address, released)
                    VALUES (concat_ws(':', 'back', event, moved, times), asset, wallet, back);
            END IF;
            IF whole * per_unit > back THEN
                INSERT INTO chain.custody_need (kind, token_asset, address, account_id, units, event_id, side, round, reversal)
                    VALUES ('credit', asset, wallet, owner, whole * per_unit - back, event, moved, times, undo);
            END IF;
            RETURN true;
        END IF;
        whole := -chain.custody_left(asset, wallet, -whole * per_unit, concat_ws(':', CASE WHEN undo THEN 'undo' ELSE 'out' END, event, moved, times), undo)
            / per_unit;
    END IF;
    IF whole = 0 THEN
        RETURN true;
    END IF;
    SELECT coalesce(max(p.number), 0) + 1 INTO next FROM chain.ledger_posting p;
    INSERT INTO chain.ledger_posting (number, event_id, side, round, reversal, account_id, token_asset, kind, units, content_hash)
        VALUES (next, event, moved, times, undo, owner, asset, CASE WHEN whole > 0 THEN 'chain_in' ELSE 'chain_out' END,
            abs(whole), hashtextextended(concat_ws('|', event, moved, times, undo, owner, asset, whole), 0));
    RETURN true;
END $$;

-- ---- withdrawals: the ledger has given the units up; now the holder can move them

CREATE FUNCTION people.withdrawn_of_custody() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    units numeric := NEW.amount * chain.units_of_one(NEW.asset_id);
BEGIN
    INSERT INTO chain.custody_entry (source, token_asset, address, claimed, released)
        SELECT 'release:' || NEW.number, t.asset_id, lower(a.wallet_address), -units, units
        FROM people.token t JOIN people.account a ON a.account_id = NEW.account_id AND a.wallet_address IS NOT NULL
        WHERE t.asset_id = NEW.asset_id AND t.custody = 'frozen' ON CONFLICT (source) DO NOTHING;
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER withdrawn_of_custody AFTER UPDATE OF state ON people.ledger_request FOR EACH ROW
    WHEN (NEW.state = 'done' AND OLD.state <> 'done' AND NEW.kind = 'withdrawal')
    EXECUTE FUNCTION people.withdrawn_of_custody();

-- ---- from one custody to the other

-- Nothing may be under way, and the token not be traded: what the ledger has is then what is to be frozen, or given back.
CREATE FUNCTION people.custody_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
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
        FROM (SELECT lower(a.wallet_address) AS address, CASE WHEN NEW.custody = 'watched' THEN 0
                ELSE (b.available + b.held - b.deficit) * chain.units_of_one(NEW.asset_id) END AS claim
            FROM people.account a JOIN record.balance b ON b.account_id = a.account_id AND b.asset_id = NEW.asset_id
            WHERE a.wallet_address IS NOT NULL) x
        LEFT JOIN chain.custody_wallet w ON w.token_asset = NEW.asset_id AND w.address = x.address
        WHERE x.claim <> coalesce(w.claimed, 0);
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER custody_changed AFTER UPDATE OF custody ON people.token FOR EACH ROW
    WHEN (OLD.custody <> NEW.custody) EXECUTE FUNCTION people.custody_changed();
CREATE FUNCTION people.custody_of_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.custody = 'frozen' AND NEW.contract_address IS NULL THEN
        RAISE EXCEPTION 'a token without a contract cannot be in frozen custody' USING ERRCODE = 'check_violation', CONSTRAINT = 'custody';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER custody_of_new BEFORE INSERT ON people.token FOR EACH ROW EXECUTE FUNCTION people.custody_of_new();

-- ---- what operators see, and what the worker and the comparison ask

-- Units of the ledger as text; others: what agents besides the venue have frozen.
CREATE VIEW chain.custody_status AS
SELECT w.token_asset AS token, s.symbol, a.account_id AS account, w.address AS wallet,
    trim_scale(x.frozen / x.one / 10::numeric ^ s.scale)::text AS frozen, trim_scale(w.claimed / x.one / 10::numeric ^ s.scale)::text AS tradable,
    trim_scale(coalesce(n.units, 0) / x.one / 10::numeric ^ s.scale)::text AS waiting, coalesce(n.needs, 0) AS needs, n.oldest_s,
    trim_scale(w.released / x.one / 10::numeric ^ s.scale)::text AS released, trim_scale(o.held / x.one / 10::numeric ^ s.scale)::text AS others,
    r.operation AS under_way, r.state AS request_state, w.reason
FROM chain.custody_wallet w JOIN people.asset s ON s.asset_id = w.token_asset
CROSS JOIN LATERAL chain.custody_others(w.token_asset, w.address, NULL) o
CROSS JOIN LATERAL (SELECT chain.units_of_one(w.token_asset) AS one, w.frozen - o.spilled AS frozen) x
LEFT JOIN people.account a ON lower(a.wallet_address) = w.address
LEFT JOIN LATERAL (SELECT sum(c.units) AS units, count(*) AS needs, extract(epoch FROM now() - min(c.created_at))::bigint AS oldest_s
    FROM chain.custody_need c WHERE c.token_asset = w.token_asset AND c.address = w.address AND c.state = 'open') n ON true
LEFT JOIN chain.chain_request r ON r.request_id = w.request_id;

-- What the venue's transfers may take of the frozen units of wallets of a contract; no row: it has frozen none there.
CREATE FUNCTION settle.custody_spendable(of_chain bigint, contract text, wallets text[])
    RETURNS TABLE (address text, units numeric) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT w.address, greatest(w.frozen - o.spilled, 0) FROM people.token t JOIN chain.custody_wallet w ON w.token_asset = t.asset_id
    CROSS JOIN LATERAL chain.custody_others(w.token_asset, w.address, NULL) o
    WHERE t.chain_id = of_chain AND lower(t.contract_address) = contract AND w.address = ANY (wallets)
$$;

-- ---- compared with the chain (settlement/reconcile_custody.h)

CREATE INDEX event_log_freezes ON chain.event_log (chain_id, lower(address), lower(decoded_payload ->> 'wallet'))
    WHERE event_name IN ('TokensFrozen', 'TokensUnfrozen');
ALTER TABLE chain.reconciliation_break DROP CONSTRAINT reconciliation_break_cause_check;
ALTER TABLE chain.reconciliation_break ADD CONSTRAINT reconciliation_break_cause_check CHECK (cause IN ('database_behind',
    'record_differs', 'unindexed_transfer', 'booking_in_flight', 'booking_refused', 'settled_off_chain', 'transfer_before_account',
    'unplanned_transfer', 'unknown', 'unindexed_freeze', 'custody_differs', 'claim_differs', 'unfrozen_by_others', 'not_frozen',
    'frozen_surplus'));

-- Of every wallet that is, or was, in custody; the token's smallest units on the chain, but for `arriving`.
--   arriving  units of the ledger that are in the wallet, and booked when they are frozen
--   released  the holder's own since a withdrawal
--   frozen    by the venue, as its rows say (NULL: the token is watched by now); later: … of it above at_block
--   own       … as the events of its confirmed requests up to at_block say
--   held, spilled   frozen by others, and unfrozen of the venue's by others, up to at_block; spilled_now: seen so far
--   indexed   sum of all freezes up to at_block
--   claimed   what the core knows as tradable; bought: what waits to be told of purchases; waiting: all that waits
CREATE FUNCTION chain.custody_figures(of_chain bigint, at_block bigint)
    RETURNS TABLE (token_asset integer, wallet text, arriving numeric, released numeric, frozen numeric, later numeric, own numeric,
        held numeric, spilled numeric, spilled_now numeric, indexed numeric, claimed numeric, bought numeric, waiting numeric,
        under_way boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
SELECT w.token_asset, w.address, coalesce(n.arriving, 0) / chain.units_of_one(w.token_asset), w.released,
    CASE WHEN t.custody = 'frozen' THEN w.frozen END,
    coalesce(l.later, 0), coalesce(e.own, 0), o.held, o.spilled, s.spilled, coalesce(e.indexed, 0), w.claimed, coalesce(n.bought, 0),
    coalesce(n.waiting, 0), w.request_id IS NOT NULL
FROM chain.custody_wallet w JOIN people.token t ON t.asset_id = w.token_asset AND t.chain_id = of_chain
CROSS JOIN LATERAL chain.custody_others(w.token_asset, w.address, at_block) o
CROSS JOIN LATERAL chain.custody_others(w.token_asset, w.address, NULL) s
LEFT JOIN LATERAL (SELECT sum(c.units) FILTER (WHERE c.kind = 'credit' OR c.state = 'frozen') AS arriving,
        sum(c.units) FILTER (WHERE c.kind = 'purchase') AS bought, sum(c.units) FILTER (WHERE c.state = 'open') AS waiting
    FROM chain.custody_need c WHERE c.token_asset = w.token_asset AND c.address = w.address AND c.state IN ('open', 'frozen')) n ON true
LEFT JOIN LATERAL (SELECT sum(c.frozen) AS later FROM chain.custody_entry c JOIN settle.attempt a ON a.request_id = c.request_id
    WHERE c.token_asset = w.token_asset AND c.address = w.address AND c.frozen <> 0 AND a.state = 'confirmed'
        AND a.block_number > at_block) l ON true
LEFT JOIN LATERAL (SELECT sum(x.change) AS indexed, sum(x.change) FILTER (WHERE a.state = 'confirmed'
            AND chain.custody_is_ours(a.request_id)) AS own
    FROM chain.event_log g CROSS JOIN LATERAL (SELECT (g.decoded_payload ->> 'amount')::numeric
        * CASE g.event_name WHEN 'TokensFrozen' THEN 1 ELSE -1 END AS change) x
    LEFT JOIN settle.attempt a ON a.tx_hash = g.tx_hash
    WHERE g.event_name IN ('TokensFrozen', 'TokensUnfrozen') AND g.chain_id = of_chain AND lower(g.address) = lower(t.contract_address)
        AND lower(g.decoded_payload ->> 'wallet') = w.address AND g.state <> 'orphaned' AND g.block_number <= at_block) e ON true
$$;

GRANT EXECUTE ON FUNCTION chain.custody_figures(bigint, bigint) TO lonja_index;
GRANT EXECUTE ON FUNCTION settle.custody_step(bigint), settle.custody_spendable(bigint, text, text[]) TO lonja_settle;
GRANT UPDATE (unfrozen) ON chain.request_leg TO lonja_settle;
GRANT SELECT ON chain.custody_wallet, chain.custody_need, chain.custody_request TO lonja_settle;
GRANT SELECT, INSERT ON chain.custody_need, chain.custody_entry TO lonja_index;
GRANT SELECT ON chain.custody_wallet, chain.custody_request, chain.freeze_event TO lonja_index;
GRANT EXECUTE ON FUNCTION chain.custody_post(), chain.custody_left(integer, text, numeric, text, boolean) TO lonja_index;
GRANT EXECUTE ON FUNCTION chain.units_of_one(integer), chain.custody_others(integer, text, bigint) TO lonja_index, lonja_admin, lonja_ops;
GRANT INSERT ON chain.custody_need TO lonja_admin;
GRANT SELECT ON chain.custody_wallet, chain.custody_need, chain.custody_entry, chain.custody_request, chain.freeze_event,
    chain.custody_status TO lonja_admin, lonja_ops;

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('awaits_freeze', 'settled; tradable once the agent has frozen the units in the buyer''s wallet', 'lonja admin custody needs: what it waits for; if the signer or the contract refuses: mend the cause'),
    ('frozen_by_others', 'of the seller''s frozen tokens too many were frozen by others than the venue', 'ask the issuer who froze them; retry');

COMMIT;
