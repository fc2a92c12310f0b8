BEGIN;
SELECT externals, hashlock, margin_ns FROM people.xvp_request WHERE false;
SELECT xvp_id, hash, secret FROM record.xvp_lock WHERE false;
SELECT id, externals, hashlock, secret, votes_to_cancel FROM public.settlement_instructions WHERE false;
ROLLBACK;
