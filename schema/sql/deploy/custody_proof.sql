-- F11, D7, M21: tokens are minted under a custody proof: a document of the custodian, named by its hash, that says how many there may
-- be. One person records it, another one verifies it; a person who waives it for a token does so by the same two steps.
-- The rows are only ever added to: what a proof says never changes, and what people decided about it stands beside it.
BEGIN;

CREATE TABLE chain.custody_proof (
    proof_id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_asset         integer NOT NULL REFERENCES people.token,
    custodian_reference text NOT NULL CHECK (length(custodian_reference) BETWEEN 1 AND 200), -- the custodian's number of it; of a waiver: the decision's
    proof_hash          text CHECK (proof_hash ~ '^0x[0-9a-f]{64}$'),                        -- of the document
    quantity            numeric CHECK (quantity > 0 AND quantity < 1e40 AND scale(quantity) <= 36), -- whole tokens; NULL: a waiver, however many
    expires_at          timestamptz,
    reason              text CHECK (reason <> ''),                                           -- of a waiver
    recorded_by         text NOT NULL,
    recorded_at         timestamptz NOT NULL DEFAULT now(),
    CHECK ((quantity IS NULL) = (reason IS NOT NULL)),
    CHECK (quantity IS NULL OR proof_hash IS NOT NULL),
    CHECK (expires_at > recorded_at)
);
CREATE INDEX custody_proof_token ON chain.custody_proof (token_asset, proof_id);

CREATE TABLE chain.custody_proof_decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- in the order in which they were made
    proof_id    bigint NOT NULL REFERENCES chain.custody_proof,
    decision    text NOT NULL CHECK (decision IN ('verified', 'revoked')),
    decided_by  text NOT NULL,
    decided_at  timestamptz NOT NULL DEFAULT now(),
    reason      text CHECK (reason <> ''),
    UNIQUE (proof_id, decision),
    CHECK ((decision = 'revoked') = (reason IS NOT NULL))
);

-- What a mint was signed on, or refused by, at the last moment. No foreign keys: it stays when settlement's rows are lost and rebuilt.
CREATE TABLE chain.mint_check (
    check_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id bigint NOT NULL,
    attempt_id bigint NOT NULL,
    proof_id   bigint,                                -- NULL: there was none
    supply     numeric(78, 0) NOT NULL,               -- on the chain: minted − burned
    under_way  numeric(78, 0) NOT NULL,               -- other mints whose transactions are not final
    units      numeric(78, 0) NOT NULL,               -- of this one
    covered    numeric(78, 0),                        -- NULL: nothing, or by a waiver however much
    refused    text,                                  -- NULL: it was allowed
    checked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mint_check_request ON chain.mint_check (request_id);

CREATE FUNCTION chain.is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.%: rows are only added', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON chain.custody_proof
    FOR EACH STATEMENT EXECUTE FUNCTION chain.is_only_added_to();
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON chain.custody_proof_decision
    FOR EACH STATEMENT EXECUTE FUNCTION chain.is_only_added_to();
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON chain.mint_check
    FOR EACH STATEMENT EXECUTE FUNCTION chain.is_only_added_to();

-- Two persons; and what is over is not verified any more. The lock on the proof makes one of two decisions the first.
CREATE FUNCTION chain.custody_proof_decided() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
DECLARE
    proof chain.custody_proof;
BEGIN
    SELECT * INTO proof FROM chain.custody_proof p WHERE p.proof_id = NEW.proof_id FOR UPDATE;
    IF NEW.decision = 'verified' THEN
        IF lower(NEW.decided_by) = lower(proof.recorded_by) THEN
            RAISE EXCEPTION 'custody proof %: another person verifies it', NEW.proof_id USING ERRCODE = 'check_violation';
        END IF;
        IF proof.expires_at <= now() OR EXISTS (SELECT FROM chain.custody_proof_decision d WHERE d.proof_id = NEW.proof_id) THEN
            RAISE EXCEPTION 'custody proof %: it is over, or decided', NEW.proof_id USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    NOTIFY settle; -- what waits for it goes on
    RETURN NEW;
END $$;
CREATE TRIGGER decided BEFORE INSERT ON chain.custody_proof_decision
    FOR EACH ROW EXECUTE FUNCTION chain.custody_proof_decided();

-- The proof that counts is the one of the token that was verified last: it says how many tokens there may be, all in all. When it
-- has expired or was revoked, none counts until another one is verified; an older one does not come back.
-- state: recorded (another person verifies it), valid, expired, superseded, revoked.
CREATE VIEW chain.custody_proof_list AS
SELECT p.proof_id AS proof, p.token_asset AS token, a.symbol, p.custodian_reference, p.proof_hash,
    trim_scale(p.quantity)::text AS quantity, p.quantity IS NULL AS waiver, p.reason, p.expires_at,
    CASE WHEN r.decided_at IS NOT NULL THEN 'revoked' WHEN p.expires_at <= now() THEN 'expired' WHEN v.decided_at IS NULL THEN 'recorded'
        WHEN v.decision_id < (SELECT max(d.decision_id) FROM chain.custody_proof_decision d JOIN chain.custody_proof o USING (proof_id)
            WHERE o.token_asset = p.token_asset AND d.decision = 'verified') THEN 'superseded' ELSE 'valid' END AS state,
    p.recorded_by, p.recorded_at, v.decided_by AS verified_by, v.decided_at AS verified_at,
    r.decided_by AS revoked_by, r.decided_at AS revoked_at, r.reason AS revoke_reason,
    r.decided_at IS NULL AND (p.expires_at IS NULL OR p.expires_at > now()) AND v.decided_at IS NULL AS open
FROM chain.custody_proof p JOIN people.asset a ON a.asset_id = p.token_asset
LEFT JOIN chain.custody_proof_decision v ON v.proof_id = p.proof_id AND v.decision = 'verified'
LEFT JOIN chain.custody_proof_decision r ON r.proof_id = p.proof_id AND r.decision = 'revoked';

-- Of every token how it stands: what counts, and what waits for it.
-- state: none, valid, expired, revoked. covered: the contract's units; NULL: nothing, or with `waiver` however many.
CREATE VIEW chain.custody_proof_standing AS
SELECT t.asset_id AS token, a.symbol, t.chain_id, lower(t.contract_address) AS contract_address, p.proof_id AS proof,
    CASE WHEN p.proof_id IS NULL THEN 'none' WHEN p.revoked THEN 'revoked' WHEN p.expires_at <= now() THEN 'expired' ELSE 'valid' END AS state,
    p.quantity IS NULL AND p.proof_id IS NOT NULL AS waiver, trunc(p.quantity * ('1e' || t.decimals)::numeric) AS covered, t.decimals, p.expires_at,
    (SELECT count(*) FROM chain.chain_request r WHERE r.operation = 'mint' AND r.state = 'prepared' AND r.chain_id = t.chain_id
        AND lower(r.contract_address) = lower(t.contract_address) AND r.reason LIKE 'custody\_proof\_%') AS waiting
FROM people.token t JOIN people.asset a USING (asset_id)
LEFT JOIN LATERAL (
    SELECT c.proof_id, c.quantity, c.expires_at, EXISTS (SELECT FROM chain.custody_proof_decision r
        WHERE r.proof_id = c.proof_id AND r.decision = 'revoked') AS revoked
    FROM chain.custody_proof c JOIN chain.custody_proof_decision v USING (proof_id)
    WHERE c.token_asset = t.asset_id AND v.decision = 'verified' ORDER BY v.decision_id DESC LIMIT 1) p ON true;

-- May `units` be minted where there are `supply`? refused: NULL, or why not (a word of settle.reason_word), with the limit and what
-- was seen, and all of that as a reason. What is under way counts although it may be in `supply` already: that refuses too much until
-- it is final, never too little. of_attempt: the mint is prepared, and those prepared before it come first. of_request 0: nobody has
-- asked for it yet.
CREATE FUNCTION settle.mint_cover(of_chain bigint, contract text, supply numeric, units numeric, of_request bigint, of_attempt bigint)
    RETURNS TABLE (refused text, reason text, most text, seen text, proof bigint, covered numeric, under_way numeric)
    LANGUAGE sql STABLE AS $$
    WITH others AS (
        SELECT coalesce(CASE WHEN of_request = 0 THEN (
            SELECT sum(l.amount) FROM chain.chain_request r JOIN chain.request_leg l USING (request_id)
            WHERE r.operation = 'mint' AND r.chain_id = of_chain AND lower(r.contract_address) = lower(contract)
            AND r.state IN ('prepared', 'awaiting_approval', 'signed', 'sent'))
        ELSE (
            SELECT sum(l.amount) FROM chain.request_leg l WHERE l.request_id <> of_request AND l.request_id IN (
                SELECT r.request_id FROM settle.attempt o JOIN chain.chain_request r USING (request_id)
                WHERE o.state IN ('prepared', 'signed', 'sent', 'mined') AND r.operation = 'mint' AND r.chain_id = of_chain
                AND lower(r.contract_address) = lower(contract)
                AND (o.state <> 'prepared' OR of_attempt = 0 OR o.attempt_id < of_attempt))) END, 0) AS units),
    found AS (SELECT s.state, s.proof, s.covered, s.waiver, o.units AS under_way,
            to_char(s.expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS ended, supply + o.units + mint_cover.units AS sum,
            ('1e-' || coalesce(s.decimals, 0))::numeric AS one
        FROM others o LEFT JOIN chain.custody_proof_standing s ON s.chain_id = of_chain AND s.contract_address = lower(contract)),
    judged AS (SELECT f.*, trim_scale(f.covered * one)::text AS most, trim_scale(f.sum * one)::text AS seen,
            CASE WHEN f.state = 'valid' AND (f.waiver OR f.sum <= f.covered) THEN NULL WHEN f.state = 'valid' THEN 'custody_proof_exceeded'
            WHEN f.state = 'expired' THEN 'custody_proof_expired' ELSE 'custody_proof_missing' END AS refused
        FROM found f)
    SELECT j.refused, CASE j.refused WHEN 'custody_proof_exceeded' THEN j.refused || ': ' || j.seen || ', ' || j.most || ' covered'
            WHEN 'custody_proof_expired' THEN j.refused || ': at ' || j.ended ELSE j.refused END,
        CASE j.refused WHEN 'custody_proof_exceeded' THEN j.most WHEN 'custody_proof_expired' THEN j.ended END,
        CASE j.refused WHEN 'custody_proof_expired' THEN to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') ELSE j.seen END,
        j.proof, j.covered, j.under_way
    FROM judged j
$$;

-- The documents' table (S2).
CREATE VIEW public.custody_proof AS
SELECT l.proof AS id, l.token AS asset_id, l.custodian_reference, l.proof_hash, l.verified_at, l.expires_at AS expiry_at,
    CASE l.state WHEN 'valid' THEN 'VALID' ELSE 'EXPIRED' END AS status
FROM chain.custody_proof_list l WHERE l.verified_at IS NOT NULL AND NOT l.waiver;

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('custody_proof_missing', 'waits: no custody proof of the token is valid', 'lonja admin proofs record, and another person verifies it (docs/operations.md)'),
    ('custody_proof_expired', 'waits: the token''s custody proof has expired', 'ask the custodian for a new one: lonja admin proofs record, verify'),
    ('custody_proof_exceeded', 'waits: there would be more tokens than the custody proof covers', 'a proof of more from the custodian: lonja admin proofs record, verify; or give the mint up: lonja admin abandon request R WHY');

GRANT SELECT ON chain.custody_proof, chain.custody_proof_decision, chain.custody_proof_standing TO lonja_settle, lonja_admin, lonja_ops;
GRANT SELECT ON chain.custody_proof_list, chain.mint_check TO lonja_admin, lonja_ops;
GRANT SELECT ON public.custody_proof TO lonja_admin;
GRANT INSERT ON chain.custody_proof, chain.custody_proof_decision TO lonja_admin;
GRANT SELECT, INSERT ON chain.mint_check TO lonja_settle;
GRANT EXECUTE ON FUNCTION settle.mint_cover(bigint, text, numeric, numeric, bigint, bigint) TO lonja_settle;

COMMIT;
