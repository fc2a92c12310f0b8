BEGIN;
DELETE FROM settle.reason_word WHERE word = 'freeze_not_final';
DROP FUNCTION settle.custody_spendable(bigint, text, text[], bigint);
CREATE FUNCTION settle.custody_spendable(of_chain bigint, contract text, wallets text[], at_block bigint)
    RETURNS TABLE (address text, units numeric) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT w.address, greatest(w.frozen - o.spilled, 0) FROM people.token t JOIN chain.custody_wallet w ON w.token_asset = t.asset_id
    CROSS JOIN LATERAL chain.custody_others(w.token_asset, w.address, at_block) o
    WHERE t.chain_id = of_chain AND lower(t.contract_address) = contract AND w.address = ANY (wallets)
$$;
GRANT EXECUTE ON FUNCTION settle.custody_spendable(bigint, text, text[], bigint) TO lonja_settle;
COMMIT;
