-- Rows of stablecoins must be gone: what was read and booked of them is no token's.
BEGIN;
DELETE FROM settle.reason_word WHERE word = 'escrow_of_another_key';
DROP FUNCTION chain.escrow_figures(bigint, bigint);
ALTER TABLE chain.reconciliation_break DROP CONSTRAINT reconciliation_break_cause_check;
ALTER TABLE chain.reconciliation_break ADD CONSTRAINT reconciliation_break_cause_check CHECK (cause IN ('database_behind',
    'record_differs', 'unindexed_transfer', 'booking_in_flight', 'booking_refused', 'settled_off_chain', 'transfer_before_account',
    'unplanned_transfer', 'unknown', 'unindexed_freeze', 'custody_differs', 'claim_differs', 'unfrozen_by_others', 'not_frozen',
    'frozen_surplus'));
DROP FUNCTION chain.payout_decide(bigint, boolean, text, text);
DROP FUNCTION chain.unmatched_keep(bigint, text, text);
DROP FUNCTION chain.unmatched_return(bigint, text, text);
DROP VIEW chain.unmatched_deposit;
DROP VIEW chain.payout_list;
DROP VIEW chain.stablecoin_status;
DROP FUNCTION chain.payout_post();
ALTER TABLE chain.ledger_posting DROP CONSTRAINT ledger_posting_source, DROP COLUMN payout_id,
    ADD CONSTRAINT ledger_posting_check3 CHECK (event_id IS NOT NULL OR need_id IS NOT NULL);
DROP TRIGGER payout_follows ON chain.chain_request;
DROP FUNCTION chain.payout_follows();
DROP TRIGGER withdrawn_of_stablecoin ON people.ledger_request;
DROP FUNCTION people.withdrawn_of_stablecoin();
DROP FUNCTION chain.payout_ask(bigint);
DROP TABLE chain.unmatched_kept;
DROP TABLE chain.payout;
ALTER TABLE chain.chain_request DROP CONSTRAINT chain_request_operation_check;
ALTER TABLE chain.chain_request ADD CONSTRAINT chain_request_operation_check CHECK (operation IN (
    'forced_transfer', 'batch_forced_transfer', 'mint', 'burn', 'register_identity', 'delete_identity', 'freeze_partial',
    'unfreeze_partial', 'set_address_frozen', 'deploy', 'add_agent', 'configure', 'cancel_nonce'));
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
CREATE OR REPLACE FUNCTION chain.units_of_one(asset integer) RETURNS numeric LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' RETURN
    (SELECT 10::numeric ^ (t.decimals - a.scale) FROM people.token t JOIN people.asset a ON a.asset_id = t.asset_id
        WHERE t.asset_id = asset);
DROP FUNCTION chain.index_stablecoin(chain.event_log);
ALTER TABLE chain.transfer DROP CONSTRAINT transfer_class_check,
    ADD CONSTRAINT transfer_class_check CHECK (class IN ('settlement', 'request', 'unplanned', 'outside', 'opening', 'other'));
ALTER TABLE chain.index_set DROP CONSTRAINT index_set_addresses_key, DROP COLUMN party, ADD CONSTRAINT index_set_addresses_key UNIQUE (addresses);
ALTER TABLE chain.index_source DROP CONSTRAINT index_source_party, DROP COLUMN party, DROP CONSTRAINT index_source_kind_check,
    ADD CONSTRAINT index_source_kind_check CHECK (kind IN ('token', 'identity_registry'));
DROP TRIGGER stablecoin_alone ON people.token;
DROP TRIGGER stablecoin_alone ON people.account;
DROP TABLE people.stablecoin;
DROP FUNCTION people.stablecoin_alone();
COMMIT;
