BEGIN;
SELECT session_id, account_id, rights FROM record.session_account WHERE false;
SELECT scope, id, order_value_max, messages_max, executions_ms, flags FROM record.limits WHERE false;
SELECT instrument_id, dynamic_bps, nav_stale_action, investor_types, supply FROM record.instrument_controls WHERE false;
SELECT instrument_id, mode, codes FROM record.jurisdictions WHERE false;
SELECT account_id, instrument_id, sell_maker_bps, buy_taker_bps FROM record.fees WHERE false;
SELECT scope, id, killed, operator_id FROM record.kill WHERE false;
SELECT flags, operator_id FROM record.venue_rules WHERE false;
SELECT proposal_id, state, proposer, approver, expires_at FROM record.proposal WHERE false;
SELECT proposal_id, state, operator_id FROM record.proposal_event WHERE false;
SELECT account_id, asset_id, amount, deficit FROM record.deficit_change WHERE false;
SELECT trade_id, quantity, new_quantity, token_short FROM record.trade_correction WHERE false;
SELECT deficit FROM record.balance WHERE false;
SELECT deficit FROM record.ledger_entry WHERE false;
SELECT limit_state_end_ns FROM record.instrument_state WHERE false;
SELECT corrected_quantity, corrected_notional FROM settle.trade WHERE false;
SELECT status, traded_quantity, corrected_seq FROM public.trades WHERE false;
SELECT status, quantity_change, new_quantity FROM public.trade_corrections WHERE false;
SELECT deficit FROM public.wallets WHERE false;
SELECT deficit FROM public.user_balances WHERE false;
SELECT id, state, call, body, proposer, approver FROM public.proposals WHERE false;
SELECT kill_switches, proposals_waiting, deficits FROM public.risk_figures;
SELECT rights FROM people.session_account WHERE false;
SELECT source, counter_account_id, proposal_id FROM people.ledger_request WHERE false;
SELECT reference, trade_id, new_quantity FROM people.correction_request WHERE false;
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
