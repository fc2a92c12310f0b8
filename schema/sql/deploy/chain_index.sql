-- What lonja-index keeps: which chain, which contracts, which blocks and ranges it has read and proved, which transfers
-- it has seen and what it told the ledger of them. Every function here runs inside one transaction of the one writer
-- (an advisory lock), so that a crash leaves either all of a step or nothing.
BEGIN;

GRANT USAGE ON SCHEMA public, people, record, settle, chain TO lonja_index;

-- ---- the event log: nothing in it changes but the state (J2)

CREATE FUNCTION chain.event_is_written_once() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF (NEW.event_id, NEW.chain_id, NEW.tx_hash, NEW.log_index, NEW.block_number, NEW.block_hash, NEW.address, NEW.event_name,
            NEW.decoded_payload, NEW.processed_at)
        IS DISTINCT FROM (OLD.event_id, OLD.chain_id, OLD.tx_hash, OLD.log_index, OLD.block_number, OLD.block_hash, OLD.address,
            OLD.event_name, OLD.decoded_payload, OLD.processed_at) THEN
        RAISE EXCEPTION 'event %: only its state changes', OLD.event_id USING ERRCODE = 'check_violation';
    END IF;
    IF (OLD.state, NEW.state) NOT IN (('seen', 'confirmed'), ('seen', 'orphaned'), ('confirmed', 'orphaned'), ('orphaned', 'seen'))
        AND OLD.state <> NEW.state THEN
        RAISE EXCEPTION 'event %: it cannot go from % to %', OLD.event_id, OLD.state, NEW.state USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER event_is_written_once BEFORE UPDATE ON chain.event_log
    FOR EACH ROW EXECUTE FUNCTION chain.event_is_written_once();
CREATE INDEX event_log_seen ON chain.event_log (chain_id, block_number, log_index) WHERE state = 'seen';

-- ---- where the reading is

-- The genesis block tells two chains of one number apart (a development chain that was begun anew, another node).
CREATE TABLE chain.index_chain (
    chain_id         bigint PRIMARY KEY,
    genesis_hash     text NOT NULL CHECK (genesis_hash ~ '^0x[0-9a-f]{64}$'),
    head_block       bigint NOT NULL DEFAULT 0, -- newest block of the node when it was asked last
    confirmed_block  bigint NOT NULL DEFAULT -1, -- deep enough; all events up to it are confirmed and classified
    subscribed       boolean NOT NULL DEFAULT false, -- the node tells by WebSocket; else it is polled
    trouble          text,                       -- why the reading stands still; NULL = it does not
    updated_at       timestamptz NOT NULL DEFAULT now()
);

-- Contracts whose events are read: the venue's tokens, their identity registries and compliance contracts.
CREATE TABLE chain.index_source (
    chain_id     bigint NOT NULL,
    address      text NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'), -- lower case
    kind         text NOT NULL CHECK (kind IN ('token', 'identity_registry')),
    token_asset  integer NOT NULL REFERENCES people.asset,
    next_block   bigint NOT NULL CHECK (next_block >= 0), -- the first one that is not read
    anchor_block bigint NOT NULL, -- transfers up to here are opening balances, which people have booked
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, address)
);

-- A token is taken up at once, so that as little as can be counts as from before.
CREATE FUNCTION chain.index_new_source() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    NOTIFY index;
    RETURN NULL;
END $$;
CREATE TRIGGER index_new_source AFTER INSERT OR UPDATE ON people.token
    FOR EACH STATEMENT EXECUTE FUNCTION chain.index_new_source();

-- The last blocks of the chain, as many as a reorganisation may reach.
CREATE TABLE chain.block (
    chain_id    bigint NOT NULL,
    number      bigint NOT NULL CHECK (number >= 0),
    hash        text NOT NULL CHECK (hash ~ '^0x[0-9a-f]{64}$'),
    parent_hash text NOT NULL CHECK (parent_hash ~ '^0x[0-9a-f]{64}$'),
    state       text NOT NULL DEFAULT 'seen' CHECK (state IN ('seen', 'confirmed', 'orphaned')),
    seen_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, number, hash)
);
CREATE UNIQUE INDEX block_canonical ON chain.block (chain_id, number) WHERE state <> 'orphaned';

-- The proof that a range was read whole: the headers are a chain, and every block whose bloom may hold one of the
-- contracts was read a second way, by its receipts. The digest covers block hashes and events (chain/index_prove.h);
-- `lonja index verify` computes it again.
CREATE TABLE chain.index_set (
    set_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    addresses text[] NOT NULL UNIQUE -- ascending
);
CREATE TABLE chain.index_range (
    range_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain_id          bigint NOT NULL,
    set_id            bigint NOT NULL REFERENCES chain.index_set,
    from_block        bigint NOT NULL CHECK (from_block >= 0),
    to_block          bigint NOT NULL CHECK (to_block >= from_block),
    first_parent_hash text NOT NULL,
    last_hash         text NOT NULL,
    log_count         integer NOT NULL CHECK (log_count >= 0),
    bloom_blocks      integer NOT NULL CHECK (bloom_blocks >= 0),   -- blocks that may hold one of the contracts
    receipts_blocks   integer NOT NULL CHECK (receipts_blocks >= 0), -- of them read by their receipts, too
    headers_proved    integer NOT NULL CHECK (headers_proved >= 0), -- headers whose hash is that of their fields
    digest            text NOT NULL CHECK (digest ~ '^0x[0-9a-f]{64}$'),
    state             text NOT NULL DEFAULT 'proved' CHECK (state IN ('proved', 'orphaned')),
    proved_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX index_range_block ON chain.index_range (chain_id, to_block) WHERE state = 'proved';

CREATE TABLE chain.reorganisation (
    reorganisation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain_id          bigint NOT NULL,
    fork_block        bigint NOT NULL, -- the last one that stayed
    depth             bigint NOT NULL, -- blocks that went
    events            integer NOT NULL,
    confirmed_events  integer NOT NULL, -- of them thought final: the network's confirmations are too few
    postings          bigint NOT NULL, -- ledger entries that were taken back
    at                timestamptz NOT NULL DEFAULT now()
);

-- ---- transfers and the ledger

-- One row per confirmed Transfer of a token of the venue.
--   settlement  ours: the leg of a request that settles trades. Never booked: its trades are in the ledger (U6)
--   request     ours: another request (mint, burn, forced transfer), which no other command tells the ledger
--   unplanned   of a transaction of ours, but no leg of it
--   outside     anybody else's, of a wallet of an account
--   opening     up to the token's anchor
--   other       of wallets of nobody here
CREATE TABLE chain.transfer (
    event_id     bigint PRIMARY KEY REFERENCES chain.event_log,
    chain_id     bigint NOT NULL,
    token_asset  integer NOT NULL,
    block_number bigint NOT NULL,
    from_address text NOT NULL,
    to_address   text NOT NULL,
    amount       numeric(78, 0) NOT NULL CHECK (amount >= 0),
    class        text NOT NULL CHECK (class IN ('settlement', 'request', 'unplanned', 'outside', 'opening', 'other')),
    request_id   bigint REFERENCES chain.chain_request,
    leg          smallint,
    state        text NOT NULL DEFAULT 'confirmed' CHECK (state IN ('confirmed', 'orphaned')),
    round        smallint NOT NULL DEFAULT 0, -- how often it came back after a reorganisation
    from_counted boolean NOT NULL DEFAULT false, -- in chain.wallet_net, because the wallet was an account's
    to_counted   boolean NOT NULL DEFAULT false,
    CHECK ((class IN ('settlement', 'request')) = (leg IS NOT NULL))
);
CREATE INDEX transfer_from ON chain.transfer (token_asset, from_address);
CREATE INDEX transfer_to ON chain.transfer (token_asset, to_address);
CREATE UNIQUE INDEX transfer_leg ON chain.transfer (request_id, leg) WHERE state = 'confirmed' AND leg IS NOT NULL;
CREATE INDEX transfer_block ON chain.transfer (chain_id, block_number);

-- What of the transfers that are booked makes whole units of the ledger: booked = floor(net), always. The rest is dust.
CREATE TABLE chain.wallet_net (
    token_asset integer NOT NULL,
    address     text NOT NULL,
    net         numeric(78, 0) NOT NULL DEFAULT 0, -- the token's smallest units on the chain
    booked      numeric(78, 0) NOT NULL DEFAULT 0, -- units of the ledger
    PRIMARY KEY (token_asset, address)
);

-- Commands to the core, told one after the other, each until it is answered; `number` is the reference (source 3).
CREATE TABLE chain.ledger_posting (
    number       bigint PRIMARY KEY CHECK (number > 0),
    event_id     bigint NOT NULL REFERENCES chain.event_log,
    side         text NOT NULL CHECK (side IN ('from', 'to')),
    round        smallint NOT NULL,
    reversal     boolean NOT NULL, -- the chain has taken the transfer back
    account_id   integer NOT NULL REFERENCES people.account,
    token_asset  integer NOT NULL REFERENCES people.asset,
    kind         text NOT NULL CHECK (kind IN ('chain_in', 'chain_out')),
    units        numeric(78, 0) NOT NULL CHECK (units > 0),
    content_hash bigint NOT NULL,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'booked', 'refused')),
    sequence     bigint CHECK (sequence > 0), -- of the core's answer
    reject_code  integer CHECK (reject_code > 0),
    created_at   timestamptz NOT NULL DEFAULT now(),
    answered_at  timestamptz,
    UNIQUE (event_id, side, round, reversal),
    CHECK ((state = 'open') = (answered_at IS NULL)),
    CHECK ((state = 'booked') = (sequence IS NOT NULL)),
    CHECK ((state = 'refused') = (reject_code IS NOT NULL))
);
CREATE INDEX ledger_posting_open ON chain.ledger_posting (number) WHERE state = 'open';
CREATE INDEX ledger_posting_account ON chain.ledger_posting (account_id, token_asset);

-- Does a request settle trades? Their legs are in the ledger since the match.
CREATE FUNCTION chain.request_settles(request bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = '' RETURN
    EXISTS (SELECT 1 FROM chain.request_leg l WHERE l.request_id = request AND l.trade_id IS NOT NULL);

-- Adds `change` to what a wallet has, and tells the ledger what whole units that makes. False: it is nobody's here.
CREATE FUNCTION chain.index_post(event bigint, wallet text, moved text, times smallint, undo boolean, asset integer,
    change numeric) RETURNS boolean LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    owner integer;
    per_unit numeric;
    whole numeric;
    next bigint;
BEGIN
    SELECT a.account_id INTO owner FROM people.account a WHERE lower(a.wallet_address) = wallet;
    IF owner IS NULL THEN
        RETURN false;
    END IF;
    SELECT 10::numeric ^ t.decimals / 10::numeric ^ a.scale INTO STRICT per_unit
        FROM people.token t JOIN people.asset a ON a.asset_id = t.asset_id WHERE t.asset_id = asset;
    INSERT INTO chain.wallet_net (token_asset, address) VALUES (asset, wallet) ON CONFLICT DO NOTHING;
    UPDATE chain.wallet_net w SET net = w.net + change, booked = floor((w.net + change) / per_unit)
        FROM (SELECT o.token_asset, o.address, o.booked FROM chain.wallet_net o
            WHERE o.token_asset = asset AND o.address = wallet FOR UPDATE) old
        WHERE w.token_asset = old.token_asset AND w.address = old.address RETURNING w.booked - old.booked INTO whole;
    IF whole = 0 THEN
        RETURN true;
    END IF;
    SELECT coalesce(max(p.number), 0) + 1 INTO next FROM chain.ledger_posting p;
    INSERT INTO chain.ledger_posting (number, event_id, side, round, reversal, account_id, token_asset, kind, units, content_hash)
        VALUES (next, event, moved, times, undo, owner, asset, CASE WHEN whole > 0 THEN 'chain_in' ELSE 'chain_out' END,
            abs(whole), hashtextextended(concat_ws('|', event, moved, times, undo, owner, asset, whole), 0));
    RETURN true;
END $$;

-- Classifies one confirmed Transfer and books it where it is an outside fact of an account's wallet.
CREATE FUNCTION chain.index_transfer(event chain.event_log) RETURNS void LANGUAGE plpgsql SET search_path = '' AS $$
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

-- Confirms what lies up to `upto`, at most `many` events at once. Returns how many events are left to be confirmed.
CREATE FUNCTION chain.index_confirm(of_chain bigint, upto bigint, many integer) RETURNS bigint
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

-- The chain has left everything above `fork`. What the ledger was told of it is taken back, newest first, by the opposite
-- command; if the same transactions come again, they are booked anew.
CREATE FUNCTION chain.index_orphan(of_chain bigint, fork bigint, tip bigint) RETURNS void
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
            PERFORM chain.index_post(t.event_id, t.from_address, 'from', t.round, true, t.token_asset, t.amount);
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

-- ---- rights

GRANT SELECT, INSERT, UPDATE ON chain.event_log, chain.index_chain, chain.index_source, chain.block, chain.index_range,
    chain.transfer, chain.wallet_net, chain.ledger_posting TO lonja_index;
GRANT DELETE ON chain.block TO lonja_index; -- what no reorganisation reaches any more
GRANT SELECT, INSERT ON chain.index_set, chain.reorganisation TO lonja_index;
GRANT SELECT ON chain.chain_request, chain.request_leg, settle.trade, record.cursor, record.balance, record.trade,
    record.ledger_entry, record.instrument, people.asset, people.token TO lonja_index;
GRANT SELECT (request_id, tx_hash, state) ON settle.attempt TO lonja_index;
GRANT SELECT (account_id, wallet_address) ON people.account TO lonja_index;
GRANT EXECUTE ON FUNCTION chain.request_settles(bigint), chain.index_post(bigint, text, text, smallint, boolean, integer, numeric),
    chain.index_transfer(chain.event_log), chain.index_confirm(bigint, bigint, integer),
    chain.index_orphan(bigint, bigint, bigint) TO lonja_index;
GRANT SELECT ON chain.index_chain, chain.index_source, chain.block, chain.index_set, chain.index_range, chain.reorganisation,
    chain.transfer, chain.wallet_net, chain.ledger_posting TO lonja_admin, lonja_ops;

COMMIT;
