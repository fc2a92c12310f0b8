-- What triggers and functions of settlement's rows promise, in one transaction that leaves nothing. Run as lonja_owner in a
-- database with the schema; it fails at the first promise that is not kept.
\set ON_ERROR_STOP 1
SELECT last_value AS number, is_called AS given FROM chain.chain_request_request_id_seq \gset
BEGIN;

-- A statement that is refused, with these words.
CREATE FUNCTION pg_temp.refused(statement text, words text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    BEGIN
        EXECUTE statement;
    EXCEPTION WHEN check_violation OR foreign_key_violation THEN
        ASSERT SQLERRM LIKE '%' || words || '%', 'refused for another reason: ' || SQLERRM;
        RETURN;
    END;
    RAISE EXCEPTION 'not refused: %', statement;
END $$;
CREATE FUNCTION pg_temp.says(trade bigint) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws('>', coalesce(from_status, '-'), to_status) || coalesce(' ' || reason, ''), ', ' ORDER BY history_id)
    FROM settle.trade_settlement_history WHERE trade_id = trade $$;
CREATE FUNCTION pg_temp.tally() RETURNS bigint LANGUAGE sql AS 'SELECT settled FROM settle.tally';

-- ---- settle.trade: history, tally, what is refused

INSERT INTO settle.trade (trade_id, created_at) SELECT 9000000000000000 + n, now() FROM generate_series(1, 6) n;
DO $$
DECLARE
    first CONSTANT bigint := 9000000000000001;
    before CONSTANT bigint := pg_temp.tally();
    at timestamptz;
BEGIN
    -- All of a statement, each with what it was; what is no step leaves no row.
    UPDATE settle.trade SET settlement_status = 'processing' WHERE trade_id BETWEEN first AND first + 3;
    UPDATE settle.trade SET block_number = 7 WHERE trade_id BETWEEN first AND first + 5;
    UPDATE settle.trade SET reason = 'waits' WHERE trade_id IN (first + 4, first + 5);
    UPDATE settle.trade SET settlement_status = 'settled', settlement_type = 'off_chain', settled_at = now(), reason = 'r'
        WHERE trade_id IN (first, first + 1);
    UPDATE settle.trade SET settlement_status = 'failed', reason = 'bad', total_attempts = 1 WHERE trade_id = first + 2;
    ASSERT pg_temp.says(first) = '->pending, pending>processing, processing>settled r', pg_temp.says(first);
    ASSERT pg_temp.says(first + 2) = '->pending, pending>processing, processing>failed bad', pg_temp.says(first + 2);
    ASSERT pg_temp.says(first + 3) = '->pending, pending>processing', pg_temp.says(first + 3);
    ASSERT pg_temp.says(first + 4) = '->pending, pending>pending waits', pg_temp.says(first + 4);
    ASSERT (SELECT attempt FROM settle.trade_settlement_history WHERE trade_id = first + 2 AND to_status = 'failed') = 1, 'which attempt';
    ASSERT pg_temp.tally() = before + 2, 'the tally counts what is settled';
    UPDATE settle.trade SET block_number = 8 WHERE trade_id = first;
    UPDATE settle.trade SET reason = 's' WHERE trade_id = first;
    ASSERT pg_temp.tally() = before + 2, 'the tally counts it once';

    SELECT updated_at INTO at FROM settle.trade WHERE trade_id = first + 3;
    PERFORM pg_sleep(0.001);
    UPDATE settle.trade SET block_number = 9 WHERE trade_id = first + 3;
    ASSERT (SELECT updated_at > at FROM settle.trade WHERE trade_id = first + 3), 'when it was changed last';

    PERFORM pg_temp.refused(format('UPDATE settle.trade SET settlement_status = ''processing'', settlement_type = NULL, settled_at = NULL WHERE trade_id = %s', first), 'cannot go from settled to processing');
    PERFORM pg_temp.refused(format('UPDATE settle.trade SET tx_hash = ''0x%s'' WHERE trade_id = %s', repeat('1', 64), first), 'is final');
    PERFORM pg_temp.refused(format('UPDATE settle.trade SET trade_id = 1 WHERE trade_id = %s', first + 5), 'its number is final');
    UPDATE settle.trade SET corrected_quantity = 0 WHERE trade_id = first + 2;
    PERFORM pg_temp.refused(format('UPDATE settle.trade SET settlement_status = ''pending'' WHERE trade_id = %s', first + 2), 'busted');
    UPDATE settle.trade SET corrected_quantity = NULL WHERE trade_id = first + 2;
    UPDATE settle.trade SET settlement_status = 'pending' WHERE trade_id = first + 2;

    -- A trade with a history stays; one without takes its place in the tally along.
    PERFORM pg_temp.refused(format('DELETE FROM settle.trade WHERE trade_id = %s', first + 1), 'it has a history');
    DELETE FROM settle.trade_settlement_history WHERE trade_id IN (first + 1, first + 5);
    DELETE FROM settle.trade WHERE trade_id IN (first + 1, first + 5);
    ASSERT pg_temp.tally() = before + 1, 'one that was settled has gone';
END $$;

-- The hash of a settled trade is final, but for another bid at its nonce that is confirmed.
INSERT INTO chain.chain_request (request_id, idempotency_key, operation, chain_id, contract_address) OVERRIDING SYSTEM VALUE
    VALUES (9000000000000001, 'settle_rows 1', 'forced_transfer', 1, '0x' || repeat('a', 40));
INSERT INTO settle.nonce (chain_id, signer_address, nonce, request_id) VALUES (1, '0x' || repeat('b', 40), 7, 9000000000000001),
    (1, '0x' || repeat('b', 40), 8, 9000000000000001);
INSERT INTO settle.attempt (request_id, attempt, chain_id, signer_address, nonce, to_address, calldata, gas_limit, max_fee_wei,
        priority_fee_wei, raw, tx_hash, state, block_number, gas_used)
    SELECT 9000000000000001, n, 1, '0x' || repeat('b', 40), CASE n WHEN 4 THEN 8 ELSE 7 END, '0x' || repeat('a', 40), '\x01', 1, 1, 1, '\x01',
        '0x' || repeat(n::text, 64), CASE n WHEN 4 THEN 'confirmed' ELSE 'replaced' END, 1, 1 FROM generate_series(1, 4) n;
DO $$
DECLARE
    which CONSTANT bigint := 9000000000000004;
BEGIN
    UPDATE settle.trade SET tx_hash = '0x' || repeat('1', 64) WHERE trade_id = which; -- it is sent
    ASSERT (SELECT to_status || tx_hash FROM settle.trade_settlement_history WHERE trade_id = which ORDER BY history_id DESC LIMIT 1)
        = 'processing0x' || repeat('1', 64), 'its hash';
    UPDATE settle.trade SET settlement_status = 'settled', settlement_type = 'on_chain', settled_at = now() WHERE trade_id = which;
    PERFORM pg_temp.refused(format('UPDATE settle.trade SET tx_hash = ''0x%s'' WHERE trade_id = %s', repeat('3', 64), which), 'is final');
    PERFORM pg_temp.refused(format('UPDATE settle.trade SET tx_hash = ''0x%s'' WHERE trade_id = %s', repeat('4', 64), which), 'is final');
    UPDATE settle.attempt SET state = 'replaced' WHERE request_id = 9000000000000001 AND attempt = 4;
    UPDATE settle.attempt SET state = 'confirmed' WHERE request_id = 9000000000000001 AND attempt = 2;
    UPDATE settle.trade SET tx_hash = '0x' || repeat('2', 64) WHERE trade_id = which;
END $$;

-- ---- settle.custody_restore

INSERT INTO people.asset (asset_id, kind, scale, symbol) VALUES (990, 'token', 2, 'SETTLEROWS');
INSERT INTO people.token (asset_id, name, decimals, chain_id, contract_address) VALUES (990, 'n', 18, 1, '0x' || repeat('C', 40));
INSERT INTO chain.custody_wallet (token_asset, address, request_id) VALUES (990, '0x' || repeat('1', 40), NULL),
    (990, '0x' || repeat('2', 40), 9000000000000001), (990, '0x' || repeat('3', 40), NULL);
DO $$
DECLARE
    r CONSTANT bigint := 9000000000000100;
    contract CONSTANT text := '0x' || repeat('c', 40);
    wallets CONSTANT text[] := ARRAY['0x' || repeat('2', 40), '0x' || repeat('1', 40)];
    amounts CONSTANT numeric[] := ARRAY[340282366920938463463374607431768211455, 7];
    is_written CONSTANT text := 'SELECT concat_ws('' '', q.operation, q.chain_id, q.contract_address, q.token_asset, q.requested_by, q.state, q.reason,
        (SELECT string_agg(l.leg || '':'' || l.to_address || ''='' || l.amount, '','' ORDER BY l.leg) FROM chain.request_leg l WHERE l.request_id = q.request_id),
        (SELECT count(*) FROM chain.custody_request c WHERE c.request_id = q.request_id)) FROM chain.chain_request q WHERE request_id = ' || r;
    should CONSTANT text := 'freeze_partial 1 ' || contract || ' 990 custody prepared restored_from_the_signers_log 0:' || wallets[1] || '=' || amounts[1]
        || ',1:' || wallets[2] || '=7 1';
    written text;
BEGIN
    ASSERT has_function_privilege('lonja_settle', 'settle.custody_restore(bigint, bigint, text, text, text[], numeric[])', 'EXECUTE'), 'the worker may';
    -- Of no token of ours: nothing is guessed.
    ASSERT NOT settle.custody_restore(r, 1, '0x' || repeat('d', 40), 'freeze_partial', wallets, amounts), 'another contract';
    ASSERT NOT settle.custody_restore(r, 2, contract, 'freeze_partial', wallets, amounts), 'another chain';
    ASSERT NOT EXISTS (SELECT FROM chain.chain_request WHERE request_id = r), 'a row of nobody';
    -- As the bytes have it, with its number; the next request has another.
    FOR again IN 1..2 LOOP
        ASSERT settle.custody_restore(r, 1, contract, 'freeze_partial', wallets, amounts), 'it is one of ours';
        EXECUTE is_written INTO written;
        ASSERT written = should, written;
    END LOOP;
    ASSERT nextval('chain.chain_request_request_id_seq') > r, 'its number would be given again';
    -- The wallet waits for it, unless another one is under way there.
    ASSERT (SELECT array_agg(w.request_id ORDER BY w.address) FROM chain.custody_wallet w WHERE w.token_asset = 990)
        IS NOT DISTINCT FROM ARRAY[r, 9000000000000001, NULL], 'which wallets wait for which';
    -- The number is another request's: nothing is changed.
    ASSERT NOT settle.custody_restore(r, 1, contract, 'unfreeze_partial', wallets, amounts), 'another call';
    ASSERT NOT settle.custody_restore(r, 2, contract, 'freeze_partial', wallets, amounts), 'on another chain';
    ASSERT NOT settle.custody_restore(r, 1, '0x' || repeat('d', 40), 'freeze_partial', wallets, amounts), 'of another contract';
    ASSERT NOT settle.custody_restore(r, 1, contract, 'freeze_partial', ARRAY[wallets[2], wallets[1]], amounts), 'in another order';
    ASSERT NOT settle.custody_restore(r, 1, contract, 'freeze_partial', wallets[1:1], amounts[1:1]), 'fewer wallets';
    ASSERT NOT settle.custody_restore(r, 1, contract, 'freeze_partial', wallets, ARRAY[amounts[1], 8]), 'other amounts';
    ASSERT NOT settle.custody_restore(9000000000000001, 1, '0x' || repeat('a', 40), 'forced_transfer', wallets, amounts), 'a settlement''s';
    DELETE FROM chain.custody_request WHERE request_id = r;
    ASSERT NOT settle.custody_restore(r, 1, contract, 'freeze_partial', wallets, amounts), 'a freeze of others';
    EXECUTE is_written INTO written;
    ASSERT written = regexp_replace(should, '1$', '0'), 'it was changed: ' || written;
    -- A number below the last one given leaves the sequence alone.
    ASSERT settle.custody_restore(9000000000000050, 1, contract, 'unfreeze_partial', wallets, amounts), 'an older one';
    ASSERT nextval('chain.chain_request_request_id_seq') > r, 'the sequence went back';
END $$;

-- ---- all of it goes: the tally with it

SET LOCAL lock_timeout = '10s';
SET LOCAL client_min_messages = warning;
TRUNCATE settle.trade CASCADE;
DO $$ BEGIN ASSERT pg_temp.tally() = 0, 'what is gone is counted'; END $$;

ROLLBACK;
-- A sequence is not rolled back.
SELECT setval('chain.chain_request_request_id_seq', :number, :'given') AS number \gset
