-- Netting: trades of the same two wallets in one request move their difference, once. A row of chain.request_leg stays what one
-- trade wants to move, so that what a trade is promised stays as it is (request_leg_once: of all its legs one at most is open or
-- done); legs with the same net move together.
BEGIN;

-- The option, per token: a row = on. The worker writes why it is not followed.
CREATE TABLE settle.netting (
    token_asset integer PRIMARY KEY REFERENCES people.token,
    enabled_by  text NOT NULL DEFAULT session_user,
    enabled_at  timestamptz NOT NULL DEFAULT now(),
    refused     text,       -- netting_module_not_reviewed: which; NULL = it is netted
    refused_at  timestamptz,
    CHECK ((refused IS NULL) = (refused_at IS NULL))
);

-- What the trades of a net move together, as planned before it was signed; written with the attempt, or, where it is zero, with
-- the settlement of its trades. A trade is in one net at most, ever: what failed as a net goes trade by trade.
CREATE TABLE chain.net (
    net_id       bigint PRIMARY KEY REFERENCES settle.trade, -- the first of its trades
    request_id   bigint NOT NULL REFERENCES chain.chain_request,
    from_address text NOT NULL CHECK (from_address ~ '^0x[0-9a-fA-F]{40}$'),
    to_address   text NOT NULL CHECK (to_address ~ '^0x[0-9a-fA-F]{40}$'),
    amount       numeric(78, 0) NOT NULL CHECK (amount >= 0), -- 0: nothing moves, there is no transaction
    trades       smallint NOT NULL CHECK (trades BETWEEN 2 AND 100),
    digest       text NOT NULL CHECK (digest ~ '^0x[0-9a-f]{64}$'), -- over wallets, amount, trades and their amounts (settle_net.h)
    block_number bigint CHECK (block_number >= 0), -- its trades and it were allowed there
    at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX net_request ON chain.net (request_id);

ALTER TABLE chain.request_leg
    ADD COLUMN net_id bigint REFERENCES chain.net,
    ADD COLUMN place  smallint CHECK (place BETWEEN 0 AND 99); -- in the transaction, if legs of the request are netted
CREATE INDEX request_leg_net ON chain.request_leg (net_id) WHERE net_id IS NOT NULL;

ALTER TABLE settle.trade
    ADD COLUMN net_id bigint REFERENCES chain.net,
    DROP CONSTRAINT trade_settlement_type_check,
    ADD CONSTRAINT trade_settlement_type_check CHECK (settlement_type IN ('on_chain', 'off_chain', 'netted')),
    ADD CONSTRAINT trade_net CHECK ((settlement_type IS NOT DISTINCT FROM 'netted') = (net_id IS NOT NULL)),
    ADD CONSTRAINT trade_net_hash CHECK (settlement_type <> 'netted' OR tx_hash IS NOT NULL OR reason IN ('net_zero', 'rebuilt_from_chain'));
CREATE INDEX trade_net_of ON settle.trade (net_id) WHERE net_id IS NOT NULL;

-- What requests move on the chain: one row per Transfer. `leg` is the first one that is part of it.
CREATE VIEW chain.movement AS
SELECT request_id, leg, from_address, to_address, amount, trade_id, net_id FROM chain.request_leg WHERE net_id IS NULL
UNION ALL
SELECT n.request_id, l.leg, n.from_address, n.to_address, n.amount, l.trade_id, n.net_id
FROM chain.net n JOIN chain.request_leg l ON l.request_id = n.request_id AND l.trade_id = n.net_id
WHERE n.amount > 0;

-- Conservation, net by net: empty, or something is wrong. A net moves what its trades would have moved; they are settled by it
-- all together, or none of them is.
CREATE VIEW settle.net_differs AS
SELECT n.net_id, n.request_id, CASE
    WHEN s.trades <> n.trades THEN s.trades || ' trades, ' || n.trades || ' planned'
    WHEN NOT s.of_pair THEN 'trades of other wallets'
    WHEN s.owed <> n.amount THEN s.owed || ' by trades, ' || n.amount || ' moved'
    WHEN s.settled NOT IN (0, s.trades) THEN s.settled || ' of ' || s.trades || ' trades settled by it'
    WHEN s.settled <> s.done THEN s.done || ' legs done, ' || s.settled || ' trades settled by it' END AS what
FROM chain.net n CROSS JOIN LATERAL (
    SELECT count(*) AS trades, coalesce(bool_and((l.from_address, l.to_address) IN ((n.from_address, n.to_address),
            (n.to_address, n.from_address))), false) AS of_pair,
        sum(CASE WHEN l.to_address = n.to_address THEN l.amount ELSE -l.amount END) AS owed,
        count(*) FILTER (WHERE t.net_id = n.net_id AND t.settlement_status = 'settled') AS settled,
        count(*) FILTER (WHERE l.state IN ('open', 'done') AND t.settlement_status = 'settled') AS done
    FROM chain.request_leg l JOIN settle.trade t USING (trade_id) WHERE l.request_id = n.request_id AND l.net_id = n.net_id) s
WHERE s.trades <> n.trades OR NOT s.of_pair OR s.owed <> n.amount OR s.settled NOT IN (0, s.trades) OR s.settled <> s.done
UNION ALL
SELECT t.net_id, NULL, 'trade ' || t.trade_id || ' is no leg of it' FROM settle.trade t
WHERE t.net_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM chain.request_leg l WHERE l.trade_id = t.trade_id AND l.net_id = t.net_id);

-- ---- who reads Transfers of our requests: those of nets are planned, too

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
    SELECT l.leg INTO planned FROM chain.movement l
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
        FROM chain.chain_request q JOIN chain.movement l ON l.request_id = q.request_id
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

GRANT SELECT, INSERT ON chain.net TO lonja_settle;
GRANT UPDATE (net_id, place) ON chain.request_leg TO lonja_settle;
GRANT UPDATE (net_id) ON settle.trade TO lonja_settle;
GRANT SELECT, UPDATE (refused, refused_at) ON settle.netting TO lonja_settle;
GRANT SELECT ON chain.movement, settle.net_differs TO lonja_index;
GRANT SELECT, INSERT, DELETE ON settle.netting TO lonja_admin;
GRANT SELECT ON chain.net, settle.net_differs TO lonja_admin;
GRANT SELECT ON settle.netting, chain.net, settle.net_differs TO lonja_ops;

COMMIT;
