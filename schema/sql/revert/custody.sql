BEGIN;
DELETE FROM settle.reason_word WHERE word IN ('awaits_freeze', 'frozen_by_others');
CREATE OR REPLACE FUNCTION chain.index_post(event bigint, wallet text, moved text, times smallint, undo boolean, asset integer,
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
DROP TRIGGER custody_of_new ON people.token;
DROP FUNCTION people.custody_of_new();
DROP TRIGGER custody_changed ON people.token;
DROP FUNCTION people.custody_changed();
DROP TRIGGER withdrawn_of_custody ON people.ledger_request;
DROP FUNCTION people.withdrawn_of_custody();
DROP FUNCTION chain.custody_figures(bigint, bigint);
DROP INDEX chain.event_log_freezes;
DELETE FROM chain.reconciliation_break WHERE cause IN ('unindexed_freeze', 'custody_differs', 'claim_differs', 'unfrozen_by_others',
    'not_frozen', 'frozen_surplus');
ALTER TABLE chain.reconciliation_break DROP CONSTRAINT reconciliation_break_cause_check;
ALTER TABLE chain.reconciliation_break ADD CONSTRAINT reconciliation_break_cause_check CHECK (cause IN ('database_behind',
    'record_differs', 'unindexed_transfer', 'booking_in_flight', 'booking_refused', 'settled_off_chain', 'transfer_before_account',
    'unplanned_transfer', 'unknown'));
DROP VIEW chain.custody_status;
DROP FUNCTION settle.custody_spendable(bigint, text, text[]);
DROP FUNCTION chain.custody_left(integer, text, numeric, text, boolean);
DROP FUNCTION chain.custody_post();
DROP FUNCTION settle.custody_step(bigint);
DROP FUNCTION settle.custody_request(bigint, integer, text, text[], numeric[]);
DROP FUNCTION chain.custody_leaving(integer, text);
DROP FUNCTION settle.custody_satisfy(chain.custody_wallet, numeric);
DROP FUNCTION settle.custody_finish();
DROP TRIGGER result_made ON settle.result;
DROP FUNCTION settle.result_made();
DROP FUNCTION settle.custody_begin();
DROP TRIGGER custody_undone ON chain.chain_request;
DROP FUNCTION chain.custody_undone();
DROP TRIGGER custody_legs ON chain.request_leg;
DROP FUNCTION chain.custody_legs();
DROP FUNCTION chain.custody_others(integer, text, bigint);
DROP TRIGGER freeze_seen ON chain.event_log;
DROP FUNCTION chain.freeze_seen();
DROP TABLE chain.freeze_event;
DROP FUNCTION chain.custody_is_ours(bigint);
DROP FUNCTION chain.units_of_one(integer);
DELETE FROM chain.ledger_posting WHERE event_id IS NULL;
ALTER TABLE chain.ledger_posting DROP COLUMN need_id, ALTER COLUMN event_id SET NOT NULL;
ALTER TABLE chain.transfer_check DROP COLUMN venue_frozen;
ALTER TABLE chain.request_leg DROP COLUMN unfrozen;
ALTER TABLE settle.result DROP COLUMN awaits_freeze;
DROP TABLE chain.custody_need;
DROP FUNCTION chain.custody_need_made();
DROP TABLE chain.custody_entry;
DROP FUNCTION chain.custody_count();
DROP TABLE chain.custody_request;
DROP SEQUENCE chain.custody_number;
DROP TABLE chain.custody_wallet;
ALTER TABLE people.token DROP COLUMN custody;
COMMIT;
