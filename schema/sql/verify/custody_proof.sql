BEGIN;
SELECT check_id, request_id, attempt_id, proof_id, supply, under_way, units, covered, refused, checked_at
    FROM chain.mint_check WHERE false;
SELECT proof_id, token_asset, custodian_reference, proof_hash, quantity, expires_at, reason, recorded_by, recorded_at
    FROM chain.custody_proof WHERE false;
SELECT decision_id, proof_id, decision, decided_by, decided_at, reason FROM chain.custody_proof_decision WHERE false;
SELECT proof, state, open FROM chain.custody_proof_list WHERE false;
SELECT token, state, covered, waiting FROM chain.custody_proof_standing WHERE false;
SELECT id, status FROM public.custody_proof WHERE false;
SELECT refused, reason, most, seen, proof, covered, under_way FROM settle.mint_cover(1, '', 0, 1, 0, 0);
SELECT 1 / (count(*) / 3) FROM settle.reason_word WHERE word LIKE 'custody\_proof\_%';
ROLLBACK;
