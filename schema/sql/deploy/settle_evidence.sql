-- What the chain said about a trade before it was signed, and again at the mined block, for operators and auditors.
BEGIN;

-- Of every leg that a trade ever was, those that left their request before the signature too. block, block_hash: all answers are
-- of this block. stage: before_signing, or at_mined_block (the parent of the block that took it, where that is another).
-- Amounts in the contract's units.
CREATE VIEW settle.check_list AS
SELECT l.trade_id AS trade, c.request_id AS request, c.leg, c.at, c.stage, c.block_number AS block, c.block_hash,
    r.contract_address AS contract, c.identity_registry, c.compliance, l.from_address AS "from", l.to_address AS "to", l.amount::text,
    c.paused, c.from_frozen, c.to_frozen, c.from_verified, c.to_verified, c.can_transfer, c.balance::text, c.frozen_tokens::text,
    c.venue_frozen::text, c.verdict, c.code, settle.reason_text(c.code) AS code_text
FROM chain.transfer_check c JOIN chain.request_leg l USING (request_id, leg) JOIN chain.chain_request r USING (request_id)
WHERE l.trade_id IS NOT NULL;

GRANT SELECT ON settle.check_list TO lonja_admin;

COMMIT;
