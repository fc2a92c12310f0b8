-- New tokens on the chain, step by step (B9, M17, M18), and what the chain's service (port 8082) answers with.
BEGIN;

-- configure: a set-up call of the owner, named in `arguments` (settlement/settle_setup.h).
ALTER TABLE chain.chain_request DROP CONSTRAINT chain_request_operation_check;
ALTER TABLE chain.chain_request ADD CONSTRAINT chain_request_operation_check CHECK (operation IN (
    'forced_transfer', 'batch_forced_transfer', 'mint', 'burn', 'register_identity', 'delete_identity', 'freeze_partial',
    'unfreeze_partial', 'set_address_frozen', 'deploy', 'add_agent', 'configure', 'cancel_nonce'));

-- M2: what a key was used for. The same key with another content is refused.
ALTER TABLE chain.chain_request ADD COLUMN content_hash text CHECK (content_hash ~ '^0x[0-9a-f]{64}$');

-- One deployment: what was agreed on (terms, their hash), what it is made of (steps), and how everything is read back
-- (checks); settlement/asset_plan.h says what stands in them. It is never changed, only carried out or given up.
CREATE TABLE chain.deployment (
    deployment_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    idempotency_key text NOT NULL UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    chain_id        bigint NOT NULL CHECK (chain_id > 0),
    asset_id        integer NOT NULL REFERENCES people.token,
    deployer        text NOT NULL CHECK (deployer ~ '^0x[0-9a-fA-F]{40}$'),
    terms           jsonb NOT NULL,
    terms_hash      text NOT NULL CHECK (terms_hash ~ '^0x[0-9a-f]{64}$'),
    steps           jsonb NOT NULL,
    checks          jsonb NOT NULL,
    -- awaiting_policy: the signer's policy must name what is to be created, or contracts that are to be called
    state           text NOT NULL DEFAULT 'awaiting_policy'
        CHECK (state IN ('running', 'awaiting_policy', 'deployed', 'deploy_failed', 'abandoned')),
    failed_step     text,
    reason          text,
    read_back_block bigint CHECK (read_back_block >= 0),
    requested_by    text NOT NULL,
    evidence        jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((state = 'deploy_failed') = (failed_step IS NOT NULL)),
    CHECK (state NOT IN ('deploy_failed', 'abandoned') OR reason IS NOT NULL),
    CHECK ((state = 'deployed') = (read_back_block IS NOT NULL))
);
-- M19: one suite per asset; another may begin only when the former is given up as a whole.
CREATE UNIQUE INDEX deployment_asset ON chain.deployment (asset_id) WHERE state <> 'abandoned';
CREATE INDEX deployment_running ON chain.deployment (deployment_id) WHERE state = 'running';

CREATE TABLE chain.deployment_step (
    deployment_id    bigint NOT NULL REFERENCES chain.deployment,
    step             smallint NOT NULL CHECK (step >= 0),
    name             text NOT NULL,
    operation        text NOT NULL CHECK (operation IN ('deploy', 'configure', 'add_agent')),
    round            integer NOT NULL DEFAULT 0 CHECK (round >= 0), -- how often it was begun anew
    request_id       bigint UNIQUE REFERENCES chain.chain_request,
    contract_address text CHECK (contract_address ~ '^0x[0-9a-fA-F]{40}$'), -- that it made
    acknowledged     boolean NOT NULL DEFAULT false, -- the signer's policy is said to name that contract
    started_at       timestamptz,
    confirmed_at     timestamptz,
    PRIMARY KEY (deployment_id, step),
    UNIQUE (deployment_id, name),
    CHECK (contract_address IS NULL OR operation = 'deploy'),
    CHECK (confirmed_at IS NULL OR request_id IS NOT NULL)
);

-- The states that others know a request by (M9), with what its newest attempt says.
CREATE VIEW chain.request_status AS
SELECT r.request_id, r.idempotency_key, r.operation, r.chain_id, r.contract_address, r.token_asset,
    CASE
        WHEN r.state = 'confirmed' THEN 'completed'
        WHEN r.state = 'awaiting_approval' THEN 'pending_approval'
        WHEN r.state = 'cancelled' THEN 'cancelled'
        WHEN r.state = 'rejected' THEN 'failed'                     -- nothing was signed, or it did not count
        WHEN r.state IN ('reverted', 'dropped') THEN 'dead_letter'  -- signed and lost: a person looks at it
        WHEN a.state IN ('sent', 'mined', 'replaced') THEN 'confirming'
        WHEN a.state = 'signed' THEN 'broadcasting'
        WHEN a.state = 'prepared' THEN 'signing'
        WHEN r.reason IS NOT NULL THEN 'queued'                     -- it waits, and says for what
        ELSE 'received'
    END AS state,
    r.state AS chain_state, r.attempts, r.reason, r.requested_by, r.evidence -> 'flow' AS flow, r.content_hash,
    a.tx_hash, a.nonce, a.block_number, r.created_at, r.updated_at
FROM chain.chain_request r
LEFT JOIN LATERAL (
    SELECT t.state, t.tx_hash, t.nonce, t.block_number FROM settle.attempt t WHERE t.request_id = r.request_id
    ORDER BY t.state = 'confirmed' DESC, t.state IN ('prepared', 'signed', 'sent', 'mined') DESC, t.attempt DESC LIMIT 1
) a ON true;

-- M22: how far each deployment is, and what each step costs beside what it may cost.
CREATE VIEW chain.deployment_progress AS
SELECT s.deployment_id, s.step, s.name, s.operation, s.round, s.request_id, s.contract_address, s.acknowledged,
    coalesce(q.state, 'waiting') AS state, q.reason, q.tx_hash, q.block_number, g.gas_used, g.gas_limit, g.fee_wei,
    s.started_at, s.confirmed_at
FROM chain.deployment_step s
LEFT JOIN chain.request_status q ON q.request_id = s.request_id
LEFT JOIN LATERAL (
    SELECT t.gas_used, t.gas_limit, t.fee_wei FROM chain.gas_transaction t
    WHERE t.request_id = s.request_id ORDER BY t.gas_id DESC LIMIT 1
) g ON true;

GRANT SELECT, INSERT, UPDATE ON chain.deployment, chain.deployment_step TO lonja_settle;
GRANT SELECT ON chain.request_status, chain.deployment_progress TO lonja_settle, lonja_admin, lonja_ops;
GRANT SELECT ON chain.deployment, chain.deployment_step TO lonja_admin, lonja_ops;
-- B11: what a deployment is for. A row lock needs the right to change something.
GRANT SELECT ON people.token, people.asset TO lonja_settle;
GRANT UPDATE (chain_id, contract_address, identity_registry_addr, updated_at) ON people.token TO lonja_settle;

COMMIT;
