BEGIN;
CREATE OR REPLACE VIEW public.wallet_transactions AS
SELECT e.sequence, e.event_index, e.line, e.account_id AS user_id,
    CASE e.cause WHEN 'deficit_changed' THEN 'deficit_covered' WHEN 'trade_corrected' THEN 'trade_correction'
        ELSE e.cause END AS type, a.symbol AS currency,
    public.decimal_of(e.available + e.held, a.scale) AS amount, 'completed'::text AS status,
    c.trade_id, e.created_at
FROM record.ledger_entry e JOIN record.asset a ON a.asset_id = e.asset_id
LEFT JOIN record.trade_correction c ON c.sequence = e.sequence AND c.event_index = e.event_index
WHERE e.cause IN ('deposit', 'withdrawal', 'credit', 'debit', 'transfer', 'chain_in', 'chain_out', 'cover',
    'deficit_changed', 'trade_corrected') AND e.account_id > 15 AND e.available + e.held <> 0
UNION ALL
SELECT t.sequence, t.event_index, 0::smallint, t.buyer_account, 'token_buy', a.symbol,
    public.decimal_of(-t.notional - t.buyer_fee, 6::smallint), 'completed', t.trade_id, s.created_at
FROM record.trade t JOIN record.asset a ON a.asset_id = t.cash_asset JOIN settle.trade s USING (trade_id)
UNION ALL
SELECT t.sequence, t.event_index, 1::smallint, t.seller_account, 'token_sell', a.symbol,
    public.decimal_of(t.notional - t.seller_fee, 6::smallint), 'completed', t.trade_id, s.created_at
FROM record.trade t JOIN record.asset a ON a.asset_id = t.cash_asset JOIN settle.trade s USING (trade_id);
DROP TRIGGER xvp_bars_deployment ON chain.deployment;
DROP TRIGGER xvp_bars_contract ON people.token;
DROP TRIGGER xvp_bars_new_contract ON people.token;
DROP FUNCTION people.xvp_asset_on_chain(integer[]), people.xvp_bars_contract();
DROP VIEW people.xvp_open, public.settlement_instructions, record.xvp, record.xvp_leg, record.xvp_step;
DROP INDEX record.venue_event_xvp;
DROP TABLE people.xvp_request;
COMMIT;
