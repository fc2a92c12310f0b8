BEGIN;
SELECT session_id, member_id, gateway, flags, account_count, sequence FROM record.session WHERE false;
SELECT trade_id, sequence, quantity, notional, buyer_fee, seller_fee, new_quantity FROM settle.correction WHERE false;
SELECT proposal_id, call, body, proposed, note, login_id, created_at FROM people.proposal WHERE false;
SELECT session_id, account_id, rights, sequence FROM record.session_account WHERE false;
SELECT scope, id, order_value_max, daily_value_max, open_orders_max, messages_max, messages_ms, duplicate_ms, executions_max,
    executions_ms, flags, sequence
    FROM record.limits WHERE false;
SELECT instrument_id, dynamic_bps, limit_state_ms, nav_stale_ms, nav_stale_action, investor_types, concentration_bps,
    position_max, supply, sequence
    FROM record.instrument_controls WHERE false;
SELECT instrument_id, mode, codes, sequence FROM record.jurisdictions WHERE false;
SELECT account_id, instrument_id, sell_maker_bps, sell_taker_bps, buy_maker_bps, buy_taker_bps, sequence FROM record.fees WHERE false;
SELECT scope, id, killed, operator_id, changed_at, sequence FROM record.kill WHERE false;
SELECT only_row, flags, operator_id, changed_at, sequence FROM record.venue_rules WHERE false;
SELECT proposal_id, proposed, proposer, approver, state, created_at, expires_at, decided_at, sequence FROM record.proposal WHERE false;
SELECT proposal_id, sequence, event_index, created_at, state, operator_id FROM record.proposal_event WHERE false;
SELECT sequence, event_index, created_at, account_id, asset_id, amount, counter_account, entered, deficit, available
    FROM record.deficit_change WHERE false;
SELECT sequence, event_index, created_at, trade_id, instrument_id, buyer_account, seller_account, operator_id, quantity,
    notional, buyer_fee, seller_fee, token_short, cash_short, new_quantity
    FROM record.trade_correction WHERE false;
SELECT deficit FROM record.balance WHERE false;
SELECT deficit FROM record.ledger_entry WHERE false;
SELECT limit_state_end_ns FROM record.instrument_state WHERE false;
SELECT corrected_seq, corrected_quantity, corrected_notional, corrected_buyer_fee, corrected_seller_fee FROM settle.trade WHERE false;
SELECT status, traded_quantity, corrected_seq FROM public.trades WHERE false;
SELECT status, quantity_change, new_quantity FROM public.trade_corrections WHERE false;
SELECT deficit FROM public.wallets WHERE false;
SELECT deficit FROM public.user_balances WHERE false;
SELECT id, state, call, body, proposer, approver FROM public.proposals WHERE false;
SELECT kill_switches, proposals_waiting, deficits FROM public.risk_figures;
SELECT rights FROM people.session_account WHERE false;
SELECT source, counter_account_id, operator_id, proposal_id FROM people.ledger_request WHERE false;
SELECT reference, trade_id, instrument_id, buyer_account, seller_account, quantity, new_quantity, notional, new_notional,
    buyer_fee, new_buyer_fee, seller_fee, new_seller_fee
    FROM people.correction_request WHERE false;
SELECT 1 / (count(*) = 4)::int FROM people.account WHERE account_id <= 15;
SELECT 1 / (public.reason_word(16::smallint) = 'killed' AND public.reason_word(18::smallint) = 'uncovered')::int;
-- F3 goes on running as printed: the view has no more tables than before.
SELECT t.*, k.contract_address, b.wallet_address AS buyer_wallet, s.wallet_address AS seller_wallet
FROM trades t JOIN tokens k ON k.id = t.token_id JOIN users b ON b.id = t.buyer_id JOIN users s ON s.id = t.seller_id
WHERE t.settlement_status = 'pending' AND t.settlement_attempts < 5
ORDER BY t.created_at ASC LIMIT 10 FOR UPDATE OF t SKIP LOCKED;
-- The recorder tells of corrections and can neither read nor change settlement; nobody changes what was proposed.
SELECT 1 / has_table_privilege('lonja_record', 'settle.correction', 'INSERT')::int;
SELECT 1 / (NOT has_table_privilege('lonja_record', 'settle.correction', 'SELECT'))::int;
SELECT 1 / (NOT has_any_column_privilege('lonja_record', 'settle.trade', 'UPDATE'))::int;
SELECT 1 / (NOT has_any_column_privilege('lonja_settle', 'settle.correction', 'INSERT'))::int;
SELECT 1 / (NOT has_any_column_privilege('lonja_admin', 'people.proposal', 'UPDATE'))::int;
SELECT 1 / (NOT has_column_privilege('lonja_ops', 'record.balance', 'account_id', 'SELECT'))::int;
-- Nothing may point into the record.
SELECT 1 / (count(*) = 0)::int FROM pg_constraint c JOIN pg_class t ON t.oid = c.confrelid
    JOIN pg_namespace n ON n.oid = t.relnamespace WHERE c.contype = 'f' AND n.nspname = 'record';
ROLLBACK;
