-- Requests that two persons give up: the nonce of what is signed ends by an empty transaction, or by the one that was signed;
-- its trades are held until somebody releases them. The worker carries it out, and answers by what the chain has mined.
BEGIN;

-- No foreign key: what waits unsigned may leave no row of its request behind.
CREATE TABLE settle.abandonment (
    abandonment_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id      bigint NOT NULL,
    reason          text NOT NULL CHECK (reason <> ''),
    proposed_by     text NOT NULL,
    proposed_at     timestamptz NOT NULL DEFAULT now(),
    approved_by     text CHECK (approved_by <> proposed_by), -- another person
    approved_at     timestamptz,
    withdrawn_by    text,
    withdrawn_at    timestamptz,
    withdraw_reason text CHECK (withdraw_reason <> ''),
    begun_at        timestamptz, -- since then its nonce is given up
    answered_at     timestamptz,
    answer          text,
    CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL)),
    CHECK ((answered_at IS NULL) = (answer IS NULL)),
    CHECK (withdrawn_at IS NULL OR approved_at IS NULL), -- what is decided is not taken back
    CHECK (begun_at IS NULL OR approved_at IS NOT NULL)
);
CREATE UNIQUE INDEX abandonment_open ON settle.abandonment (request_id) WHERE answered_at IS NULL AND withdrawn_at IS NULL;
CREATE FUNCTION settle.abandonment_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY settle;
    RETURN NULL;
END $$;
CREATE TRIGGER abandonment_changed AFTER INSERT OR UPDATE OF approved_at ON settle.abandonment
    FOR EACH STATEMENT EXECUTE FUNCTION settle.abandonment_changed();

-- abandon: as cancel, but the request does not go again by itself.
ALTER TABLE settle.attempt DROP CONSTRAINT attempt_fate_check,
    ADD CONSTRAINT attempt_fate_check CHECK (fate IN ('cancel', 'abandon', 'over'));
-- The holds that come of it: they end by themselves if the transaction is mined after all.
ALTER TABLE settle.hold ADD COLUMN abandonment_id bigint REFERENCES settle.abandonment;
CREATE INDEX hold_abandonment ON settle.hold (abandonment_id) WHERE abandonment_id IS NOT NULL;

-- state: proposed, approved (the worker has not begun), ending (its nonce is being given up), done, refused, withdrawn.
CREATE VIEW settle.abandonment_list AS
SELECT b.abandonment_id AS abandonment, b.request_id AS request, r.operation, a.symbol,
    (SELECT coalesce(json_agg(l.trade_id ORDER BY l.leg), '[]') FROM chain.request_leg l
        WHERE l.request_id = b.request_id AND l.trade_id IS NOT NULL AND l.state <> 'left') AS trades,
    CASE WHEN b.answered_at IS NOT NULL THEN CASE WHEN b.answer = 'done' THEN 'done' ELSE 'refused' END
        WHEN b.withdrawn_at IS NOT NULL THEN 'withdrawn' WHEN b.begun_at IS NOT NULL THEN 'ending'
        WHEN b.approved_at IS NOT NULL THEN 'approved' ELSE 'proposed' END AS state,
    b.reason, b.proposed_by, b.proposed_at, b.approved_by, b.approved_at, b.withdrawn_by, b.withdrawn_at, b.withdraw_reason,
    b.begun_at, b.answered_at, b.answer, b.answered_at IS NULL AND b.withdrawn_at IS NULL AS open
FROM settle.abandonment b LEFT JOIN chain.chain_request r USING (request_id) LEFT JOIN people.asset a ON a.asset_id = r.token_asset;

-- The hash of a settled trade is final, but for this: the chain lost its transaction, and another bid of the same call at the same
-- nonce is the one that stands now.
CREATE OR REPLACE FUNCTION settle.trade_updated() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$
BEGIN
    IF OLD.settlement_status <> NEW.settlement_status THEN
        IF (OLD.settlement_status, NEW.settlement_status) NOT IN ( -- F1, F4, F7, U11
            ('pending', 'processing'), ('pending', 'settled'), ('pending', 'failed'),
            ('processing', 'settled'), ('processing', 'pending'), ('processing', 'failed'),
            ('failed', 'pending'), ('failed', 'processing')) THEN
            RAISE EXCEPTION 'trade %: settlement cannot go from % to %',
                NEW.trade_id, OLD.settlement_status, NEW.settlement_status USING ERRCODE = 'check_violation';
        END IF;
        IF NEW.corrected_quantity = 0 AND NEW.settlement_status IN ('pending', 'processing') THEN
            RAISE EXCEPTION 'trade %: it is busted and never settled', NEW.trade_id USING ERRCODE = 'check_violation';
        END IF;
    ELSIF OLD.settlement_status = 'settled' AND NEW.tx_hash IS DISTINCT FROM OLD.tx_hash AND NOT EXISTS (
        SELECT FROM settle.attempt o JOIN settle.attempt n USING (request_id, chain_id, signer_address, nonce)
        WHERE o.tx_hash = OLD.tx_hash AND n.tx_hash = NEW.tx_hash AND n.state = 'confirmed') THEN
        RAISE EXCEPTION 'trade %: the hash of a settled trade is final', NEW.trade_id
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.trade_id <> OLD.trade_id THEN
        RAISE EXCEPTION 'trade %: its number is final', OLD.trade_id USING ERRCODE = 'check_violation';
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('abandoned', 'two persons gave its transaction up', 'it is held: lonja admin holds; release it to let it go again');

GRANT SELECT ON settle.abandonment TO lonja_settle, lonja_admin, lonja_ops;
GRANT UPDATE (begun_at, answered_at, answer) ON settle.abandonment TO lonja_settle;
GRANT INSERT ON settle.abandonment TO lonja_admin;
GRANT UPDATE (approved_by, approved_at, withdrawn_by, withdrawn_at, withdraw_reason) ON settle.abandonment TO lonja_admin;
GRANT SELECT ON settle.abandonment_list TO lonja_admin;
GRANT INSERT, UPDATE (released_by, released_at, release_reason) ON settle.hold TO lonja_settle;

COMMIT;
