-- Verify xvp_chain.
BEGIN;
SELECT xvp_id, move FROM settle.trade WHERE false;
SELECT sign_before FROM chain.chain_request WHERE false;
SELECT trade_id, xvp_id, move, moves, token_asset, seller_account, buyer_account, quantity, token_scale FROM record.xvp_move WHERE false;
SELECT settlement, chain_token, chain_status, tx_hash, block_number, chain_reason FROM public.settlement_instructions WHERE false;
SELECT people.xvp_chain_asset('{}'), people.xvp_asset_on_chain('{}');
ROLLBACK;
