-- Requests with many legs: a transaction moves up to 100 trades of a token, and a leg can leave a request without its
-- neighbours. What a trade is promised is said here: of all its legs, in whatever requests, one at most is open or done.
BEGIN;

ALTER TABLE chain.request_leg
    ADD COLUMN state     text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'left')),
    ADD COLUMN reason    text,                                -- why it left
    ADD COLUMN log_index integer CHECK (log_index >= 0);      -- of its Transfer, once it is done
UPDATE chain.request_leg l
SET state = CASE WHEN r.state = 'confirmed' THEN 'done' ELSE 'left' END,
    reason = CASE WHEN r.state <> 'confirmed' THEN r.reason END
FROM chain.chain_request r
WHERE r.request_id = l.request_id AND r.state IN ('confirmed', 'reverted', 'dropped', 'rejected', 'cancelled');

-- Exactly once: a trade has no second request while one may still move it, or has moved it.
CREATE UNIQUE INDEX request_leg_once ON chain.request_leg (trade_id) WHERE trade_id IS NOT NULL AND state <> 'left';

-- What legs cannot say, by operation: register_identity {"identity", "country"}, add_agent {"agent"}, deploy {"artifact",
-- "code_hash", "path", "arguments"}, set_address_frozen {"frozen"}. The contract of a deploy is known when it is mined.
ALTER TABLE chain.chain_request
    ADD COLUMN arguments jsonb NOT NULL DEFAULT '{}',
    ALTER COLUMN contract_address DROP NOT NULL,
    ADD CONSTRAINT chain_request_contract CHECK (contract_address IS NOT NULL OR operation IN ('deploy', 'cancel_nonce'));

-- Who was asked (M24).
ALTER TABLE chain.transfer_check
    ADD COLUMN identity_registry text CHECK (identity_registry ~ '^0x[0-9a-fA-F]{40}$'),
    ADD COLUMN compliance        text CHECK (compliance ~ '^0x[0-9a-fA-F]{40}$');

-- The trade goes in requests of so many legs at most: a larger one with it reverted, and nobody was to blame.
ALTER TABLE settle.trade ADD COLUMN batch_limit smallint CHECK (batch_limit BETWEEN 1 AND 100);

GRANT UPDATE (batch_limit) ON settle.trade TO lonja_settle;
GRANT UPDATE (state, reason, log_index), DELETE ON chain.request_leg TO lonja_settle;
GRANT DELETE ON chain.chain_request TO lonja_settle;
GRANT SELECT (trade_id, token_asset, buyer_account, seller_account) ON record.trade TO lonja_settle;

COMMIT;
