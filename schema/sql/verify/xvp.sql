BEGIN;
SELECT reference, number, content_hash, name, cutoff_ns, auto_execute, legs, assets, operator_id, requested_by, state, sequence,
    reject_code, created_at, answered_at
    FROM people.xvp_request WHERE false;
SELECT xvp_id, step, state FROM record.xvp_step WHERE false;
SELECT id, state, legs FROM public.settlement_instructions WHERE false;
SELECT people.xvp_asset_on_chain('{}');
ROLLBACK;
