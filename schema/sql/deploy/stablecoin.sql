-- A stablecoin (USDC, a plain ERC-20) as cash (F12): an asset of kind cash has a contract, and an escrow wallet of the venue that
-- holds what the ledger owes. What members' wallets send there is credited, each Transfer once; what a member withdraws leaves the
-- ledger first and the escrow afterwards, by settlement's queue; ledger and escrow are compared (F13). docs/stablecoin.md.
BEGIN;

-- state: asked; proved (lonja-index has found an ERC-20 of these decimals there, and reads it); refused, with the reason
CREATE TABLE people.stablecoin (
    asset_id         integer PRIMARY KEY,
    kind             text NOT NULL DEFAULT 'cash' CHECK (kind = 'cash'),
    chain_id         bigint NOT NULL CHECK (chain_id > 0),
    contract_address text NOT NULL CHECK (contract_address ~ '^0x[0-9a-fA-F]{40}$'),
    escrow_address   text NOT NULL CHECK (escrow_address ~ '^0x[0-9a-fA-F]{40}$'),
    decimals         smallint NOT NULL CHECK (decimals BETWEEN 6 AND 36), -- a unit of the ledger is a millionth
    state            text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'proved', 'refused')),
    reason           text,
    asked_by         text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (asset_id, kind) REFERENCES people.asset (asset_id, kind),
    CHECK ((state = 'refused') = (reason IS NOT NULL)),
    CHECK (lower(contract_address) <> lower(escrow_address))
);
CREATE UNIQUE INDEX stablecoin_contract ON people.stablecoin (chain_id, lower(contract_address));

-- What else has the contract or the wallet would be booked twice, or be paid to itself.
CREATE FUNCTION people.stablecoin_alone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    why text;
BEGIN
    IF TG_TABLE_NAME = 'account' THEN
        why := CASE WHEN EXISTS (SELECT FROM people.stablecoin c WHERE lower(c.escrow_address) = lower(NEW.wallet_address))
            THEN 'the wallet is the escrow of a stablecoin' END;
    ELSIF TG_TABLE_NAME = 'token' THEN
        why := CASE WHEN EXISTS (SELECT FROM people.stablecoin c WHERE c.chain_id = NEW.chain_id
            AND lower(c.contract_address) = lower(NEW.contract_address)) THEN 'the contract is a stablecoin''s' END;
    ELSE
        why := CASE
            WHEN EXISTS (SELECT FROM people.account a WHERE lower(a.wallet_address) = lower(NEW.escrow_address))
                THEN 'the escrow is the wallet of an account'
            WHEN EXISTS (SELECT FROM people.token t WHERE t.chain_id = NEW.chain_id
                AND lower(NEW.contract_address) IN (lower(t.contract_address), lower(t.identity_registry_addr)))
                THEN 'the contract is a token''s' END;
        IF TG_OP = 'UPDATE' THEN
            IF OLD.state <> 'proved' THEN
                NEW.state := 'asked'; -- once more
                NEW.reason := NULL;
            ELSIF (NEW.chain_id, lower(NEW.contract_address), lower(NEW.escrow_address), NEW.decimals)
                    IS DISTINCT FROM (OLD.chain_id, lower(OLD.contract_address), lower(OLD.escrow_address), OLD.decimals) THEN
                why := 'contract, escrow and decimals of a stablecoin that is read are fixed';
            END IF;
        END IF;
        NOTIFY index;
    END IF;
    IF why IS NOT NULL THEN
        RAISE EXCEPTION '%', why USING ERRCODE = 'check_violation', CONSTRAINT = 'stablecoin';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER stablecoin_alone BEFORE INSERT OR UPDATE OF chain_id, contract_address, escrow_address, decimals ON people.stablecoin
    FOR EACH ROW EXECUTE FUNCTION people.stablecoin_alone();
CREATE TRIGGER stablecoin_alone BEFORE INSERT OR UPDATE OF wallet_address ON people.account
    FOR EACH ROW EXECUTE FUNCTION people.stablecoin_alone();
CREATE TRIGGER stablecoin_alone BEFORE INSERT OR UPDATE OF contract_address, chain_id ON people.token
    FOR EACH ROW EXECUTE FUNCTION people.stablecoin_alone();

-- Smallest units on the chain that make one of the ledger.
CREATE OR REPLACE FUNCTION chain.units_of_one(asset integer) RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' RETURN
    (SELECT 10::numeric ^ (coalesce(t.decimals, c.decimals) - a.scale) FROM people.asset a LEFT JOIN people.token t USING (asset_id)
        LEFT JOIN people.stablecoin c USING (asset_id) WHERE a.asset_id = asset);

-- ---- what is read of it: the Transfers from and to the escrow, and nothing else of the contract

ALTER TABLE chain.index_source DROP CONSTRAINT index_source_kind_check,
    ADD CONSTRAINT index_source_kind_check CHECK (kind IN ('token', 'identity_registry', 'stablecoin')),
    ADD COLUMN party text CHECK (party ~ '^0x[0-9a-f]{40}$'), -- only Transfers from or to this wallet
    ADD CONSTRAINT index_source_party CHECK ((kind = 'stablecoin') = (party IS NOT NULL));
ALTER TABLE chain.index_set ADD COLUMN party text NOT NULL DEFAULT '', -- likewise; '': of all
    DROP CONSTRAINT index_set_addresses_key,
    ADD CONSTRAINT index_set_addresses_key UNIQUE (addresses, party);

--   deposit    into the escrow, from the wallet of a member's account: booked
--   unmatched  into the escrow, from a wallet of nobody here: money that waits to go back (M47)
ALTER TABLE chain.transfer DROP CONSTRAINT transfer_class_check,
    ADD CONSTRAINT transfer_class_check CHECK (class IN ('settlement', 'request', 'unplanned', 'outside', 'opening', 'other',
        'deposit', 'unmatched'));

-- Classifies one confirmed Transfer of a stablecoin, and books a deposit. `request` is a payout, `outside` what left the escrow by
-- none, `unplanned` what a transaction of ours moved and no leg of it.
CREATE FUNCTION chain.index_stablecoin(event chain.event_log) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    source chain.index_source;
    sender text := lower(event.decoded_payload ->> 'from');
    receiver text := lower(event.decoded_payload ->> 'to');
    moved numeric := (event.decoded_payload ->> 'value')::numeric;
    request bigint;
    planned smallint;
    word text;
    times smallint;
BEGIN
    SELECT * INTO source FROM chain.index_source s
        WHERE s.chain_id = event.chain_id AND s.address = lower(event.address) AND s.kind = 'stablecoin';
    IF source.address IS NULL OR sender IS NULL OR receiver IS NULL OR moved IS NULL THEN
        RETURN;
    END IF;
    SELECT a.request_id INTO request FROM settle.attempt a WHERE a.tx_hash = event.tx_hash; -- committed before it was sent
    SELECT l.leg INTO planned FROM chain.request_leg l
        WHERE l.request_id = request AND lower(l.from_address) = sender AND lower(l.to_address) = receiver AND l.amount = moved
            AND NOT EXISTS (SELECT 1 FROM chain.transfer t
                WHERE t.request_id = l.request_id AND t.leg = l.leg AND t.state = 'confirmed')
        ORDER BY l.leg LIMIT 1;
    word := CASE
        WHEN sender = receiver OR moved = 0 THEN 'other'
        WHEN event.block_number <= source.anchor_block THEN 'opening'
        WHEN planned IS NOT NULL THEN 'request'
        WHEN request IS NOT NULL THEN 'unplanned'
        WHEN sender = source.party THEN 'outside'
        WHEN EXISTS (SELECT 1 FROM people.account a WHERE lower(a.wallet_address) = sender AND a.account_id > 15) THEN 'deposit'
        ELSE 'unmatched' END;
    IF word <> 'request' THEN
        planned := NULL;
    END IF;
    INSERT INTO chain.transfer (event_id, chain_id, token_asset, block_number, from_address, to_address, amount, class,
            request_id, leg)
        VALUES (event.event_id, event.chain_id, source.token_asset, event.block_number, sender, receiver, moved, word,
            request, planned)
        ON CONFLICT (event_id) DO UPDATE SET state = 'confirmed', round = chain.transfer.round + 1, class = excluded.class,
            request_id = excluded.request_id, leg = excluded.leg, from_counted = false, to_counted = false
        RETURNING round INTO times;
    IF word = 'deposit' THEN
        UPDATE chain.transfer t SET
            from_counted = chain.index_post(event.event_id, sender, 'from', times, false, source.token_asset, moved)
            WHERE t.event_id = event.event_id;
    END IF;
END $$;

-- As before; also of stablecoins, which have no row of people.token.
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
    per_unit := chain.units_of_one(asset);
    is_frozen := EXISTS (SELECT FROM people.token t WHERE t.asset_id = asset AND t.custody = 'frozen');
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

-- As before; stablecoins, too.
CREATE OR REPLACE FUNCTION chain.index_confirm(of_chain bigint, upto bigint, many integer) RETURNS bigint
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    event chain.event_log;
    remaining bigint;
BEGIN
    FOR event IN SELECT * FROM chain.event_log e WHERE e.chain_id = of_chain AND e.state = 'seen' AND e.block_number <= upto
            ORDER BY e.block_number, e.log_index LIMIT many LOOP
        UPDATE chain.event_log e SET state = 'confirmed' WHERE e.event_id = event.event_id;
        IF event.event_name = 'Transfer' THEN
            PERFORM chain.index_transfer(event);
            PERFORM chain.index_stablecoin(event);
        END IF;
    END LOOP;
    SELECT count(*) INTO remaining FROM chain.event_log e WHERE e.chain_id = of_chain AND e.state = 'seen' AND e.block_number <= upto;
    IF remaining = 0 THEN
        UPDATE chain.block b SET state = 'confirmed' WHERE b.chain_id = of_chain AND b.state = 'seen' AND b.number <= upto;
        UPDATE chain.index_chain c SET confirmed_block = upto, updated_at = now()
            WHERE c.chain_id = of_chain AND c.confirmed_block < upto;
    END IF;
    RETURN remaining;
END $$;

-- As before; a deposit was credited to its sender, so it is taken from him.
CREATE OR REPLACE FUNCTION chain.index_orphan(of_chain bigint, fork bigint, tip bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    t chain.transfer;
    again bigint;
    gone integer;
    final integer;
    booked bigint;
    reversed bigint;
BEGIN
    SELECT count(*), count(*) FILTER (WHERE e.state = 'confirmed') INTO gone, final FROM chain.event_log e
        WHERE e.chain_id = of_chain AND e.block_number > fork AND e.state <> 'orphaned';
    SELECT coalesce(max(p.number), 0) INTO booked FROM chain.ledger_posting p;
    FOR t IN SELECT o.* FROM chain.transfer o JOIN chain.event_log e ON e.event_id = o.event_id
            WHERE o.chain_id = of_chain AND o.block_number > fork AND o.state = 'confirmed'
            ORDER BY e.block_number DESC, e.log_index DESC LOOP
        IF t.to_counted THEN
            PERFORM chain.index_post(t.event_id, t.to_address, 'to', t.round, true, t.token_asset, -t.amount);
        END IF;
        IF t.from_counted THEN
            PERFORM chain.index_post(t.event_id, t.from_address, 'from', t.round, true, t.token_asset,
                CASE t.class WHEN 'deposit' THEN -t.amount ELSE t.amount END);
        END IF;
    END LOOP;
    SELECT coalesce(max(p.number), 0) - booked INTO reversed FROM chain.ledger_posting p;
    UPDATE chain.transfer o SET state = 'orphaned'
        WHERE o.chain_id = of_chain AND o.block_number > fork AND o.state = 'confirmed';
    UPDATE chain.event_log e SET state = 'orphaned' WHERE e.chain_id = of_chain AND e.block_number > fork AND e.state <> 'orphaned';
    UPDATE chain.block b SET state = 'orphaned' WHERE b.chain_id = of_chain AND b.number > fork AND b.state <> 'orphaned';
    -- A range that reaches over the fork is read again from its beginning.
    SELECT least(fork + 1, min(r.from_block)) INTO again FROM chain.index_range r
        WHERE r.chain_id = of_chain AND r.to_block > fork AND r.state = 'proved';
    UPDATE chain.index_range r SET state = 'orphaned' WHERE r.chain_id = of_chain AND r.to_block > fork AND r.state = 'proved';
    UPDATE chain.index_source s SET next_block = again WHERE s.chain_id = of_chain AND s.next_block > again;
    UPDATE chain.index_chain c SET confirmed_block = least(c.confirmed_block, fork), updated_at = now() WHERE c.chain_id = of_chain;
    INSERT INTO chain.reorganisation (chain_id, fork_block, depth, events, confirmed_events, postings)
        VALUES (of_chain, fork, tip - fork, gone, final, reversed);
    PERFORM pg_notify('reconciliation', jsonb_build_object('event', 'reorganisation', 'chain_id', of_chain, 'fork_block', fork,
        'depth', tip - fork, 'events', gone, 'confirmed_events', final, 'postings', reversed)::text);
END $$;

-- ---- payouts: what leaves the escrow

ALTER TABLE chain.chain_request DROP CONSTRAINT chain_request_operation_check;
ALTER TABLE chain.chain_request ADD CONSTRAINT chain_request_operation_check CHECK (operation IN (
    'forced_transfer', 'batch_forced_transfer', 'mint', 'burn', 'register_identity', 'delete_identity', 'freeze_partial',
    'unfreeze_partial', 'set_address_frozen', 'deploy', 'add_agent', 'configure', 'cancel_nonce', 'erc20_transfer'));

--   withdrawal  the ledger has given it up (people.ledger_request), and it goes to the account's wallet
--   return      money of an unknown wallet goes back to where it came from
-- state: open; paid; failed (nothing has left the escrow: what was withdrawn is put back); put_back: the ledger is told to;
--   unclear: mined without the Transfer that was planned, so a person looks before anything is put back
CREATE TABLE chain.payout (
    payout_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('withdrawal', 'return')),
    asset_id     integer NOT NULL REFERENCES people.stablecoin,
    account_id   integer REFERENCES people.account,
    reference    text UNIQUE REFERENCES people.ledger_request,
    event_id     bigint REFERENCES chain.event_log,
    to_address   text CHECK (to_address ~ '^0x[0-9a-f]{40}$'), -- NULL: the account has no wallet any more
    amount       numeric(78, 0) NOT NULL CHECK (amount > 0),
    request_id   bigint UNIQUE,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'paid', 'failed', 'put_back', 'unclear')),
    reason       text,
    requested_by text NOT NULL,
    why          text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind = 'withdrawal') = (reference IS NOT NULL AND account_id IS NOT NULL)),
    CHECK ((kind = 'return') = (event_id IS NOT NULL)),
    CHECK (kind = 'withdrawal' OR state <> 'put_back')
);
CREATE UNIQUE INDEX payout_return ON chain.payout (event_id) WHERE state IN ('open', 'paid', 'unclear');
CREATE INDEX payout_failed ON chain.payout (payout_id) WHERE state = 'failed';

-- Money of an unknown wallet that is the venue's own, by an administrator's word: nobody is owed it.
CREATE TABLE chain.unmatched_kept (
    event_id bigint PRIMARY KEY REFERENCES chain.event_log,
    kept_by  text NOT NULL,
    why      text NOT NULL CHECK (why <> ''),
    at       timestamptz NOT NULL DEFAULT now()
);

-- Asks settlement for the transfer of a payout that was just written.
CREATE FUNCTION chain.payout_ask(payout bigint) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
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

-- The ledger has given it up: in the same commit it is asked for.
CREATE FUNCTION people.withdrawn_of_stablecoin() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    payout bigint;
BEGIN
    INSERT INTO chain.payout (kind, asset_id, account_id, reference, to_address, amount, requested_by)
        SELECT 'withdrawal', c.asset_id, NEW.account_id, NEW.reference, lower(a.wallet_address),
            NEW.amount * chain.units_of_one(NEW.asset_id), NEW.requested_by
        FROM people.stablecoin c JOIN people.account a ON a.account_id = NEW.account_id
        WHERE c.asset_id = NEW.asset_id AND c.state = 'proved'
        ON CONFLICT (reference) DO NOTHING RETURNING payout_id INTO payout;
    IF payout IS NOT NULL THEN
        PERFORM chain.payout_ask(payout);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER withdrawn_of_stablecoin AFTER UPDATE OF state ON people.ledger_request FOR EACH ROW
    WHEN (NEW.state = 'done' AND OLD.state <> 'done' AND NEW.kind = 'withdrawal')
    EXECUTE FUNCTION people.withdrawn_of_stablecoin();

-- How its request has ended.
CREATE FUNCTION chain.payout_follows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE chain.payout p SET updated_at = now(), reason = CASE WHEN NEW.state <> 'confirmed' THEN NEW.reason END,
        state = CASE WHEN NEW.state = 'confirmed' THEN 'paid' WHEN NEW.reason LIKE 'transfer_is_not_the_planned_one%' THEN 'unclear'
            ELSE 'failed' END
        WHERE p.request_id = NEW.request_id AND p.state IN ('open', 'paid');
    NOTIFY index;
    RETURN NULL;
END $$;
CREATE TRIGGER payout_follows AFTER UPDATE OF state ON chain.chain_request FOR EACH ROW
    WHEN (NEW.operation = 'erc20_transfer' AND NEW.state IN ('confirmed', 'reverted', 'rejected', 'dropped', 'cancelled'))
    EXECUTE FUNCTION chain.payout_follows();

ALTER TABLE chain.ledger_posting ADD COLUMN payout_id bigint UNIQUE REFERENCES chain.payout,
    DROP CONSTRAINT ledger_posting_check3,
    ADD CONSTRAINT ledger_posting_source CHECK (num_nonnulls(event_id, need_id, payout_id) > 0);

-- What was withdrawn and could not be paid gets its number, and goes back into the ledger. (One writer: lonja-index.)
CREATE FUNCTION chain.payout_post() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    p chain.payout;
    next bigint;
    posted integer := 0;
BEGIN
    FOR p IN SELECT * FROM chain.payout o WHERE o.state = 'failed' AND o.kind = 'withdrawal' ORDER BY o.payout_id FOR UPDATE LOOP
        SELECT coalesce(max(l.number), 0) + 1 INTO next FROM chain.ledger_posting l;
        INSERT INTO chain.ledger_posting (number, side, round, reversal, account_id, token_asset, kind, units, content_hash, payout_id)
            VALUES (next, 'from', 0, true, p.account_id, p.asset_id, 'chain_in', p.amount / chain.units_of_one(p.asset_id),
                hashtextextended(concat_ws('|', 'payout', p.payout_id, p.amount), 0), p.payout_id);
        UPDATE chain.payout o SET state = 'put_back', updated_at = now() WHERE o.payout_id = p.payout_id;
        posted := posted + 1;
    END LOOP;
    RETURN posted;
END $$;

-- ---- what operators see and decide

CREATE VIEW chain.stablecoin_status AS
SELECT c.asset_id AS asset, a.symbol, c.chain_id, c.contract_address, c.escrow_address, c.decimals, c.state, c.reason, c.asked_by,
    trim_scale(public.decimal_of(coalesce(-(SELECT b.available + b.held FROM record.balance b
        WHERE b.account_id = 1 AND b.asset_id = c.asset_id), 0), a.scale))::text AS ledger,
    trim_scale(coalesce(p.leaving, 0) / 10::numeric ^ c.decimals)::text AS leaving, coalesce(p.unclear, 0) AS unclear,
    trim_scale(coalesce(u.amount, 0) / 10::numeric ^ c.decimals)::text AS unmatched, coalesce(u.transfers, 0) AS unmatched_transfers,
    s.next_block - 1 AS read_to_block
FROM people.stablecoin c JOIN people.asset a USING (asset_id)
LEFT JOIN chain.index_source s ON s.chain_id = c.chain_id AND s.address = lower(c.contract_address) AND s.kind = 'stablecoin'
LEFT JOIN LATERAL (SELECT sum(o.amount) FILTER (WHERE o.state IN ('open', 'unclear')) AS leaving, count(*) FILTER (WHERE o.state = 'unclear') AS unclear
    FROM chain.payout o WHERE o.asset_id = c.asset_id) p ON true
LEFT JOIN LATERAL (SELECT sum(t.amount) AS amount, count(*) AS transfers FROM chain.transfer t
    WHERE t.token_asset = c.asset_id AND t.class = 'unmatched' AND t.state = 'confirmed'
        AND NOT EXISTS (SELECT FROM chain.payout o WHERE o.event_id = t.event_id AND o.state = 'paid')
        AND NOT EXISTS (SELECT FROM chain.unmatched_kept k WHERE k.event_id = t.event_id)) u ON true;

CREATE VIEW chain.payout_list AS
SELECT p.payout_id AS payout, p.kind, a.symbol, p.account_id AS account, p.reference, p.event_id AS event, p.to_address,
    trim_scale(p.amount / 10::numeric ^ c.decimals)::text AS amount, p.state, coalesce(p.reason, r.reason) AS reason, p.request_id AS request,
    r.state AS request_state, x.tx_hash, l.state AS put_back, p.requested_by, p.why, p.created_at, p.updated_at
FROM chain.payout p JOIN people.asset a USING (asset_id) JOIN people.stablecoin c USING (asset_id)
LEFT JOIN chain.chain_request r USING (request_id)
LEFT JOIN LATERAL (SELECT t.tx_hash FROM settle.attempt t WHERE t.request_id = p.request_id AND t.tx_hash IS NOT NULL
    ORDER BY t.state = 'confirmed' DESC, t.attempt_id DESC LIMIT 1) x ON true
LEFT JOIN chain.ledger_posting l ON l.payout_id = p.payout_id;

-- state: waits; going_back; returned; unclear (its payout is); kept
CREATE VIEW chain.unmatched_deposit AS
SELECT t.event_id AS event, a.symbol, t.from_address, trim_scale(t.amount / 10::numeric ^ c.decimals)::text AS amount, e.tx_hash, e.log_index,
    t.block_number, CASE WHEN k.event_id IS NOT NULL THEN 'kept' ELSE CASE p.state WHEN 'paid' THEN 'returned' WHEN 'open' THEN 'going_back' WHEN 'unclear' THEN 'unclear'
    ELSE 'waits' END END AS state, p.payout_id AS payout, p.reason, k.kept_by, k.why, e.processed_at AS seen_at
FROM chain.transfer t JOIN chain.event_log e USING (event_id) JOIN people.asset a ON a.asset_id = t.token_asset
JOIN people.stablecoin c ON c.asset_id = t.token_asset LEFT JOIN chain.unmatched_kept k USING (event_id)
LEFT JOIN LATERAL (SELECT * FROM chain.payout o WHERE o.event_id = t.event_id ORDER BY o.payout_id DESC LIMIT 1) p ON true
WHERE t.class = 'unmatched' AND t.state = 'confirmed';

-- Money of an unknown wallet goes back to it. NULL: no such transfer waits.
CREATE FUNCTION chain.unmatched_return(event bigint, who text, reason text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    payout bigint;
BEGIN
    INSERT INTO chain.payout (kind, asset_id, event_id, to_address, amount, requested_by, why)
        SELECT 'return', t.token_asset, t.event_id, t.from_address, t.amount, who, reason FROM chain.transfer t
        WHERE t.event_id = event AND t.class = 'unmatched' AND t.state = 'confirmed'
            AND t.from_address <> '0x0000000000000000000000000000000000000000' -- made there: it came from nobody
            AND NOT EXISTS (SELECT FROM chain.unmatched_kept k WHERE k.event_id = event)
        ON CONFLICT (event_id) WHERE state IN ('open', 'paid', 'unclear') DO NOTHING RETURNING payout_id INTO payout;
    IF payout IS NOT NULL THEN
        PERFORM chain.payout_ask(payout);
    END IF;
    RETURN payout;
END $$;

-- … is the venue's own. False: no such transfer waits.
CREATE FUNCTION chain.unmatched_keep(event bigint, who text, reason text) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO chain.unmatched_kept (event_id, kept_by, why)
        SELECT t.event_id, who, reason FROM chain.transfer t WHERE t.event_id = event AND t.class = 'unmatched' AND t.state = 'confirmed'
            AND NOT EXISTS (SELECT FROM chain.payout p WHERE p.event_id = event AND p.state <> 'failed')
        ON CONFLICT (event_id) DO NOTHING;
    RETURN FOUND;
END $$;

-- A person has looked at a payout that is unclear: it has left the escrow, or it has not (then it is put back). NULL: none is.
CREATE FUNCTION chain.payout_decide(payout bigint, has_left boolean, who text, words text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    now_is text;
BEGIN
    UPDATE chain.payout p SET state = CASE WHEN has_left THEN 'paid' ELSE 'failed' END, why = who || ': ' || words, updated_at = now()
        WHERE p.payout_id = payout AND p.state = 'unclear' RETURNING p.state INTO now_is;
    NOTIFY index;
    RETURN now_is;
END $$;

-- ---- compared with the chain (settlement/reconcile.h)

ALTER TABLE chain.reconciliation_break DROP CONSTRAINT reconciliation_break_cause_check;
ALTER TABLE chain.reconciliation_break ADD CONSTRAINT reconciliation_break_cause_check CHECK (cause IN ('database_behind',
    'record_differs', 'unindexed_transfer', 'booking_in_flight', 'booking_refused', 'settled_off_chain', 'transfer_before_account',
    'unplanned_transfer', 'unknown', 'unindexed_freeze', 'custody_differs', 'claim_differs', 'unfrozen_by_others', 'not_frozen',
    'frozen_surplus', 'escrow_imbalance'));

-- One row per escrow, in the columns of chain.reconcile_figures; account 1 is the outside world, whose debt is what the ledger owes.
--   leaving    given up by the ledger, as far as the record knows, not put back, and not gone by at_block
--   unmatched  came from nobody here, and has not gone back by at_block
CREATE FUNCTION chain.escrow_figures(of_chain bigint, at_block bigint)
    RETURNS TABLE (token_asset integer, symbol text, contract text, scale smallint, decimals smallint, wallet text,
        account_id integer, total numeric, deficit numeric, in_flight numeric, chain_moved numeric, booking numeric,
        refused numeric, chain_dust numeric, chain_indexed numeric, off_chain numeric, chain_unbooked numeric,
        chain_unplanned numeric, leaving numeric, unmatched numeric)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
SELECT c.asset_id, a.symbol, s.address, a.scale, c.decimals, s.party, 1,
    coalesce(-(SELECT b.available + b.held FROM record.balance b WHERE b.account_id = 1 AND b.asset_id = c.asset_id), 0),
    0, 0, 0, k.booking, k.refused, n.dust, f.indexed, 0, 0, f.unplanned, p.leaving - f.paid, f.unmatched - f.returned
FROM people.stablecoin c JOIN people.asset a USING (asset_id)
JOIN chain.index_source s ON s.chain_id = of_chain AND s.address = lower(c.contract_address) AND s.kind = 'stablecoin'
    AND s.next_block > at_block
CROSS JOIN LATERAL (SELECT
        coalesce(sum(x.units) FILTER (WHERE l.state = 'open' OR l.sequence > (SELECT r.sequence FROM record.cursor r)), 0) AS booking,
        coalesce(sum(x.units) FILTER (WHERE l.state = 'refused'), 0) AS refused
    FROM chain.ledger_posting l CROSS JOIN LATERAL (SELECT CASE l.kind WHEN 'chain_in' THEN l.units ELSE -l.units END AS units) x
    WHERE l.token_asset = c.asset_id) k
CROSS JOIN LATERAL (SELECT coalesce(sum(w.net - w.booked * chain.units_of_one(c.asset_id)), 0) AS dust
    FROM chain.wallet_net w WHERE w.token_asset = c.asset_id) n
CROSS JOIN LATERAL (SELECT coalesce(sum(o.amount), 0) AS leaving FROM chain.payout o JOIN people.ledger_request q USING (reference)
    WHERE o.asset_id = c.asset_id AND o.state <> 'put_back' AND q.sequence <= (SELECT r.sequence FROM record.cursor r)) p
CROSS JOIN LATERAL (SELECT coalesce(sum(x.change), 0) AS indexed,
        coalesce(sum(x.change) FILTER (WHERE t.class IN ('unplanned', 'outside')), 0) AS unplanned,
        coalesce(sum(t.amount) FILTER (WHERE t.class = 'unmatched'
            AND NOT EXISTS (SELECT FROM chain.unmatched_kept k WHERE k.event_id = t.event_id)), 0) AS unmatched,
        coalesce(sum(t.amount) FILTER (WHERE t.class = 'request' AND o.kind = 'withdrawal' AND o.state <> 'put_back'), 0) AS paid,
        coalesce(sum(t.amount) FILTER (WHERE t.class = 'request' AND o.kind = 'return'), 0) AS returned
    FROM chain.transfer t CROSS JOIN LATERAL (SELECT CASE WHEN t.from_address = t.to_address THEN 0 WHEN t.to_address = s.party THEN t.amount
        ELSE -t.amount END AS change) x LEFT JOIN chain.payout o ON o.request_id = t.request_id
    WHERE t.token_asset = c.asset_id AND t.state = 'confirmed' AND t.block_number <= at_block) f
WHERE c.chain_id = of_chain AND c.state = 'proved'
$$;

-- ---- rights

GRANT SELECT, INSERT ON people.stablecoin TO lonja_admin;
GRANT UPDATE (chain_id, contract_address, escrow_address, decimals, asked_by, updated_at) ON people.stablecoin TO lonja_admin;
GRANT SELECT, UPDATE (state, reason, updated_at) ON people.stablecoin TO lonja_index;
GRANT EXECUTE ON FUNCTION chain.index_stablecoin(chain.event_log), chain.payout_post(), chain.escrow_figures(bigint, bigint) TO lonja_index;
REVOKE EXECUTE ON FUNCTION chain.payout_ask(bigint), chain.payout_post(), chain.unmatched_return(bigint, text, text),
    chain.unmatched_keep(bigint, text, text), chain.payout_decide(bigint, boolean, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION chain.payout_post() TO lonja_index;
GRANT EXECUTE ON FUNCTION chain.unmatched_return(bigint, text, text), chain.unmatched_keep(bigint, text, text),
    chain.payout_decide(bigint, boolean, text, text) TO lonja_admin;
GRANT SELECT ON people.stablecoin, chain.payout, chain.unmatched_kept, chain.stablecoin_status, chain.payout_list, chain.unmatched_deposit TO lonja_admin, lonja_ops;

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('escrow_of_another_key', 'the escrow wallet is not the key that signs, so nothing can be paid from it',
        'the signer''s active key must be the escrow''s: lonja admin stablecoin; docs/stablecoin.md');

COMMIT;
