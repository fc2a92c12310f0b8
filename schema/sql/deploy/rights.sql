-- What each role may do; nothing that is not here. The owner of everything is lonja_owner (migrations).
BEGIN;

-- The recorder: its own schema, and the initial row of a trade's settlement.
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA record TO lonja_record;
GRANT TEMPORARY ON DATABASE :"DBNAME" TO lonja_record;
GRANT INSERT (trade_id, created_at) ON settle.trade TO lonja_record;

-- Settlement: claims by the query of F3 (FOR UPDATE needs UPDATE on the view; a join cannot be written).
GRANT SELECT, UPDATE ON public.trades TO lonja_settle;
GRANT SELECT ON public.tokens TO lonja_settle;
GRANT SELECT (id, wallet_address) ON public.users TO lonja_settle;
GRANT SELECT ON settle.trade, settle.trade_settlement_history, settle.retry_request TO lonja_settle;
GRANT UPDATE (settlement_status, settlement_attempts, total_attempts, settlement_type, tx_hash, block_number,
    reason, settled_at) ON settle.trade TO lonja_settle;
GRANT UPDATE (answered_at, answer) ON settle.retry_request TO lonja_settle;
GRANT SELECT, INSERT, UPDATE ON settle.nonce, settle.attempt, settle.result TO lonja_settle;
GRANT SELECT, INSERT, UPDATE ON chain.chain_request, chain.event_log TO lonja_settle;
GRANT SELECT, INSERT ON chain.request_leg, chain.transfer_check, chain.gas_transaction TO lonja_settle;
GRANT SELECT ON record.cursor TO lonja_settle;
GRANT INSERT ON people.audit_log TO lonja_settle;

-- Logins: each gateway sees its own kind only.
ALTER TABLE people.login ENABLE ROW LEVEL SECURITY;
CREATE POLICY login_fix ON people.login FOR SELECT TO lonja_fix USING (kind = 'fix');
CREATE POLICY login_web ON people.login FOR SELECT TO lonja_web USING (kind = 'web');
CREATE POLICY login_admin ON people.login TO lonja_admin USING (true) WITH CHECK (true);
GRANT SELECT ON people.login TO lonja_fix, lonja_web;

-- History and settlement state for pages and REST.
GRANT SELECT ON public.trades, public.trade_settlement_history, public.tokens, public.wallets, public.user_balances,
    public.orders, public.order_status_history, public.order_rejects, public.wallet_transactions, record.cursor
    TO lonja_web;
GRANT SELECT ON people.session, people.session_account TO lonja_web, lonja_fix;

-- Administration.
GRANT SELECT, INSERT, UPDATE ON people.member, people.account, people.session, people.login, people.asset,
    people.token, people.instrument, people.ledger_request TO lonja_admin;
GRANT SELECT, INSERT, DELETE ON people.session_account TO lonja_admin;
GRANT SELECT, INSERT ON people.audit_log, settle.retry_request TO lonja_admin;
GRANT USAGE ON SEQUENCE people.ledger_number TO lonja_admin;
GRANT SELECT ON ALL TABLES IN SCHEMA public, record, settle, chain TO lonja_admin;

-- Operations: figures only, nobody's name.
GRANT SELECT ON public.trades, public.trade_settlement_history, public.tokens, public.gas_transactions,
    public.event_log, record.cursor, chain.chain_request, settle.trade, settle.nonce, settle.retry_request,
    settle.result TO lonja_ops;
GRANT SELECT (attempt_id, request_id, attempt, chain_id, signer_address, nonce, tx_hash, state, signed_at, sent_at,
    mined_at, block_number, gas_used) ON settle.attempt TO lonja_ops;

COMMIT;
