BEGIN;
SELECT asset_id, kind, scale, symbol, created_at FROM people.asset WHERE false;
SELECT member_id, name, suspended, created_at, updated_at FROM people.member WHERE false;
SELECT account_id, member_id, name, nationality, jurisdiction, kyc_status, kyc_level, accreditation_status, fatca_status,
    wallet_address, is_activated, is_suspended, limits_waived, fee_bps, created_at, updated_at
    FROM people.account WHERE false;
SELECT session_id, member_id, gateway, cancel_on_disconnect, disabled, created_at, updated_at FROM people.session WHERE false;
SELECT session_id, account_id FROM people.session_account WHERE false;
SELECT login_id, kind, login_name, comp_id, session_id, member_id, role, password_hash, disabled, created_at, updated_at
    FROM people.login WHERE false;
SELECT asset_id, kind, name, decimals, chain_id, contract_address, identity_registry_addr, status, trading_mode, price_per_token,
    total_supply, min_investment, raise_currency, primary_offering_pct, team_pct, reserve_pct, primary_start, primary_end,
    tokens_sold, total_raised, created_at, updated_at
    FROM people.token WHERE false;
SELECT instrument_id, symbol, token_asset, cash_asset, created_at FROM people.instrument WHERE false;
SELECT reference, number, content_hash, kind, account_id, asset_id, amount, note, state, sequence, reject_code, requested_by,
    created_at, answered_at
    FROM people.ledger_request WHERE false;
SELECT audit_id, at, login_id, actor, role, action, details, outcome, answer FROM people.audit_log WHERE false;
SELECT 1 / (count(*) = 3)::int FROM people.account WHERE account_id IN (1, 2, 3);
ROLLBACK;
