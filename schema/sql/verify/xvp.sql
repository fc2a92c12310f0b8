BEGIN;
SELECT reference, number, legs, assets, sequence FROM people.xvp_request WHERE false;
SELECT xvp_id, step, state FROM record.xvp_step WHERE false;
SELECT id, state, legs FROM public.settlement_instructions WHERE false;
SELECT people.xvp_asset_on_chain('{}');
ROLLBACK;
