-- Ledger = record = chain, per token and wallet: what each comparison found, and what differs since when. Written by
-- lonja-index and `lonja reconcile`; docs/reconciliation.md says what each figure and cause means.
BEGIN;

-- Settlement may write its rows again from the chain (lonja settle rebuild).
ALTER TABLE chain.transfer DROP CONSTRAINT transfer_request_id_fkey;

CREATE TABLE chain.reconciliation (
    run_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain_id     bigint NOT NULL,
    sequence     bigint NOT NULL, -- of the record, and of the ledger
    block_number bigint NOT NULL, -- at which the chain was asked
    block_hash   text NOT NULL,
    wallets      integer NOT NULL, -- pairs of token and wallet that were compared
    breaks       integer NOT NULL,
    milliseconds integer NOT NULL,
    at           timestamptz NOT NULL DEFAULT now()
);

-- One row per difference, for as long as it lasts; when it has gone it is closed and stays.
CREATE TABLE chain.reconciliation_break (
    break_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_asset    integer NOT NULL REFERENCES people.asset,
    wallet_address text NOT NULL, -- lower case
    account_id     integer,       -- whose wallet it is
    cause          text NOT NULL CHECK (cause IN ('database_behind', 'record_differs', 'unindexed_transfer', 'booking_in_flight',
        'booking_refused', 'settled_off_chain', 'transfer_before_account', 'unplanned_transfer', 'unknown')),
    words          text NOT NULL,
    difference     numeric(78, 0) NOT NULL, -- chain less what is expected there; the token's smallest units
    figures        jsonb NOT NULL,          -- all that was compared
    since_run      bigint NOT NULL REFERENCES chain.reconciliation,
    since          timestamptz NOT NULL DEFAULT now(),
    last_run       bigint NOT NULL REFERENCES chain.reconciliation,
    runs           integer NOT NULL DEFAULT 1, -- in a row
    alerted_at     timestamptz,
    halted_at      timestamptz, -- its instruments' breakers were tripped
    closed_at      timestamptz
);
CREATE UNIQUE INDEX reconciliation_break_open ON chain.reconciliation_break (token_asset, wallet_address) WHERE closed_at IS NULL;

-- When ledger and chain agreed for the first time: before that opening balances are being booked, and nothing is halted.
ALTER TABLE chain.index_source ADD COLUMN agreed_at timestamptz;

-- NOTIFY reconciliation, '{json}': a break that two comparisons in a row have seen, and its end.
CREATE FUNCTION chain.break_told() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    IF NEW.alerted_at IS NOT NULL AND (OLD.alerted_at IS NULL OR (NEW.closed_at IS NOT NULL AND OLD.closed_at IS NULL)
            OR NEW.halted_at IS DISTINCT FROM OLD.halted_at) THEN
        PERFORM pg_notify('reconciliation', jsonb_build_object('event', CASE WHEN NEW.closed_at IS NULL THEN 'break' ELSE
            'break_closed' END, 'break', NEW.break_id, 'asset', NEW.token_asset, 'account', NEW.account_id, 'cause', NEW.cause,
            'words', NEW.words, 'difference', NEW.difference::text, 'since', NEW.since, 'halted', NEW.halted_at IS NOT NULL)::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER break_told AFTER UPDATE ON chain.reconciliation_break FOR EACH ROW EXECUTE FUNCTION chain.break_told();

-- What reconciliation looks for among trades and attempts, without going through all of them.
CREATE INDEX trade_unmoved ON settle.trade (trade_id) WHERE settlement_status <> 'settled' OR settlement_type = 'off_chain';
CREATE INDEX attempt_confirmed_block ON settle.attempt (block_number) WHERE state = 'confirmed';

-- Everything that is compared, of one moment (call it in one transaction with the cursor). `at_block`: the chain is asked
-- there. Amounts with the name chain_… are the token's smallest units, all others units of the ledger.
--   total, deficit     the account's, as the record has them
--   in_flight          units that the ledger has moved and the chain has not yet: sold less bought, of trades not settled
--   chain_moved        of requests that settle trades: what the chain has moved already and they do not say yet, less what
--                      they say and the chain (up to at_block) has not
--   booking            commands for outside transfers that have no answer: in less out
--   refused            … that the ledger has refused
--   chain_dust         what of outside transfers makes no whole unit
--   chain_indexed      sum of all Transfers of the event log up to at_block
--   off_chain          settled off the chain: bought less sold
--   chain_unbooked     transfers that were confirmed while the wallet was nobody's here
--   chain_unplanned    … of transactions of ours, but no leg of them
CREATE FUNCTION chain.reconcile_figures(of_chain bigint, at_block bigint)
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

GRANT SELECT (block_number) ON settle.attempt TO lonja_index;
GRANT SELECT, INSERT ON chain.reconciliation TO lonja_index;
GRANT SELECT, INSERT, UPDATE ON chain.reconciliation_break TO lonja_index;
GRANT EXECUTE ON FUNCTION chain.reconcile_figures(bigint, bigint) TO lonja_index;
GRANT SELECT ON chain.reconciliation, chain.reconciliation_break TO lonja_admin, lonja_ops;

COMMIT;
