BEGIN;
DROP VIEW public.audit_logs, public.event_log, public.gas_transactions, public.wallet_transactions,
    public.order_rejects, public.order_status_history, public.orders, public.user_balances, public.wallets,
    public.users, public.tokens, public.trade_settlement_history, public.trades;
COMMIT;
