-- The reasons of settlement in words, and what a person does about each; what people see of holds, marks, incidents and of one
-- trade. Whoever adds a reason to the code adds its row here (tests/system/settlement.mjs reads the code).
BEGIN;

CREATE TABLE settle.reason_word (
    word  text PRIMARY KEY,            -- up to the first colon of a reason
    words text NOT NULL CHECK (words <> ''),
    todo  text CHECK (todo <> '')      -- NULL: nothing, it goes on by itself
);
INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('no_contract', 'the token has no contract on the chain', 'only if it should have one: correct the token''s row, retry'),
    ('same_wallet', 'buyer and seller share one wallet: nothing has to move', NULL),
    ('wallet_missing', 'waits until both sides have a wallet', 'register the wallet (lonja admin POST accounts)'),
    ('wallet_invalid', 'a wallet is no address', 'correct the account''s wallet, retry'),
    ('contract_invalid', 'the token''s contract is no address', 'correct the token''s row, retry'),
    ('address_checksum_wrong', 'an address has a wrong checksum: it may be mistyped', 'correct it, retry'),
    ('contract_on_another_chain', 'the token''s contract is on another chain than the worker', 'correct settle.network, or the token''s chain_id'),
    ('contract_is_no_token', 'what stands at the token''s address is no such token', 'correct the token''s row, retry'),
    ('decimals_differ', 'the contract has other decimals than the token''s row', 'correct the token''s row, retry'),
    ('no_registry_or_compliance', 'the contract names no identity registry or compliance contract', 'ask the issuer; correct the token''s row, retry'),
    ('amount_not_representable', 'the contract''s decimals cannot show the quantity', 'correct the trade, or bust it'),
    ('amount_above_128_bits', 'an amount on the chain is above what the venue can keep', 'ask the issuer: this token cannot be settled here'),
    ('inbound_not_settled', 'waits for an earlier trade by which the seller receives the tokens', 'see that earlier trade; if it has failed: mend its cause, retry it'),
    ('node_unavailable', 'waits for a node of the chain', 'bring the node back'),
    ('endpoints_disagree', 'waits until the nodes say the same', 'find out which of them is wrong (docs/networks.md)'),
    ('fee_above_cap', 'waits: the network asks for more than the highest fee allowed', 'wait, or raise settle.fee_cap_gwei and the signer''s policy'),
    ('gas_above_limit', 'the call needs more gas than is allowed', 'find out why; raise settle.gas_call_max and the signer''s policy, retry'),
    ('held', 'held by an operator, or halted by an incident', 'lonja admin holds, lonja admin incidents: who, and why; then release'),
    ('paused', 'the token is paused', 'the issuer unpauses it; retry'),
    ('frozen_sender', 'the seller''s wallet is frozen', 'ask the issuer; retry'),
    ('frozen_receiver', 'the buyer''s wallet is frozen', 'ask the issuer; retry'),
    ('balance', 'the seller''s wallet has too few free tokens', 'lonja reconcile says where they are; deposit, retry'),
    ('not_registered_sender', 'the seller''s wallet has no verified identity', 'register it, retry'),
    ('not_registered_receiver', 'the buyer''s wallet has no verified identity', 'register it, retry'),
    ('compliance', 'the token''s compliance rules do not allow this transfer', 'see which rule (docs/assets.md); retry, or bust the trade'),
    ('reverted', 'the contract refused', 'see its words; mend the cause, retry'),
    ('reverted_by_a_neighbour', 'another trade of the same transaction failed; goes again', NULL),
    ('reverted_but_would_pass_now', 'the transaction failed, though it would pass now; goes again', 'if it comes again: find out why'),
    ('transfer_is_not_the_planned_one', 'the contract moved something else than was planned', 'do not retry: look at the contract, then mark what is so and close the incident'),
    ('state_is_not_the_planned_one', 'the contract''s state afterwards is not the planned one', 'look at the contract'),
    ('nonce_used_by_another_transaction', 'a transaction that is not ours took the place of ours; goes again', 'find out who else has the key'),
    ('given_up_for_another_transaction', 'its transaction was given up; goes again', NULL),
    ('nonce_is_used', 'the nonce to be given up is used already', NULL),
    ('nonce_was_not_given', 'the nonce to be given up was never given out', NULL),
    ('its_request_is_being_cancelled', 'the request that holds the nonce is being given up', NULL),
    ('operation_not_supported', 'waits for a worker that knows this operation', 'run the newer version'),
    ('already_done', 'the chain is so already', NULL),
    ('busted', 'the trade was busted', NULL),
    ('retry', 'an operator asked for another attempt', NULL),
    ('manual', 'marked by two persons', NULL),
    ('restored_from_the_signers_log', 'restored from the signer''s log after the database was lost', NULL),
    ('reverted_as_a_net', 'its transaction failed as a net; goes again trade by trade', NULL),
    ('net_zero', 'what the two wallets owed each other was equal: nothing had to move', NULL),
    ('rebuilt_from_chain', 'settled before the database was lost, as the chain says', NULL),
    ('lost by the chain', 'the chain has lost the transaction; the same one goes again', 'find out which node did that; raise the finality'),
    ('operation_unknown', 'no such operation is known', 'correct the caller'),
    ('legs_malformed', 'the legs do not fit the operation', 'correct the caller'),
    ('arguments_malformed', 'the arguments do not fit the operation', 'correct the caller'),
    ('method_unknown', 'no such call of set-up is known', 'correct the caller'),
    ('artifact_unreadable', 'the compiled contract cannot be read', 'see settle.artifacts_folder'),
    ('artifact_changed', 'the compiled contract is not the one that was asked for', 'find out who changed it'),
    ('code_too_long', 'the contract''s code is too long', NULL),
    ('signer_unreachable', 'the signer does not answer', 'start lonja-sign, read its log'),
    ('signer_unavailable', 'the signer does not answer, or does not sign', 'start lonja-sign, read its log'),
    ('signer_protocol', 'the signer was told something that is no message', 'signer and worker are of different versions: install one'),
    ('signer_internal', 'the signer failed', 'read its log'),
    ('chain_not_allowed', 'the signer''s policy is of another chain', 'correct the policy''s file'),
    ('contract_not_allowed', 'the signer''s policy does not name this contract', 'correct the policy''s file, retry'),
    ('method_not_allowed', 'the signer''s policy does not name this call of the contract', 'correct the policy''s file, retry'),
    ('calldata_malformed', 'the signer cannot read what it is to sign', 'keep the log for the developers'),
    ('gas_above_cap', 'more gas than the signer''s policy allows', 'correct the policy''s file, retry'),
    ('nonce_has_other_payload', 'the signer knows another transaction for this nonce: nothing more is signed', 'restore the newer database (docs/signer.md)'),
    ('replacement_fee_too_low', 'the signer wants a higher bid at this nonce', NULL),
    ('policy_unreadable', 'the signer cannot read its policy', 'mend the policy''s file'),
    ('sign_log_failed', 'the signer cannot write its log', 'make room on its disk'),
    ('creation_not_allowed', 'the signer''s policy does not name this contract''s code', 'correct the policy''s file'),
    ('signer_has_no_such_key', 'the signer has not got the key', 'see its key store (docs/signer.md)'),
    ('key_is_retired', 'the key signs for no new nonce', 'let the worker use the new one (docs/signer.md)'),
    ('units_above_window_cap', 'waits: the signer has moved as many units as it may for now', 'wait, or raise the cap in the policy''s file'),
    ('transfers_above_window_cap', 'waits: the signer has signed as many transfers as it may for now', 'wait, or raise the cap in the policy''s file'),
    ('signer_rate_exceeded', 'waits: the signer is asked too often', NULL),
    ('key_backend_failed', 'what holds the key does not sign', 'see the key''s provider'),
    ('attempts_missing', 'the signer has signed what this database has lost: nothing is signed or sent', 'restore the newer database, or rebuild it (docs/settlement.md, When the database of settlement is lost)'),
    ('worker_silent', 'the settlement worker is not heard of', 'lonja status; read settle.log; start it'),
    ('transaction_not_found', 'the transaction is in no block', 'correct the hash: withdraw the mark, propose another'),
    ('transaction_failed', 'the transaction has failed: it has moved nothing', 'withdraw the mark'),
    ('transaction_not_final', 'the transaction is not deep enough yet', NULL),
    ('transfer_not_in_transaction', 'the transaction does not move the trade''s units between its wallets', 'withdraw the mark'),
    ('transfer_is_of_another_trade', 'what the transaction moves is another trade''s', 'withdraw the mark'),
    ('transfer_is_in_the_ledger', 'the ledger has the transfer already, as the owners'' own', 'give it back (lonja admin transfer, buyer to seller); mark settled-off-chain'),
    ('transfer_not_read_by_index', 'lonja-index has not read that block yet', 'if it stays so: lonja status (index)'),
    ('incident', 'an incident: nothing of the token goes on', 'lonja admin incidents; look at chain and rows, mark what is so, close it'),
    ('moved_twice', 'a trade was moved by two transactions', 'find the second one; give back what was moved too much; close it'),
    ('moved_though_failed', 'a trade that has failed has moved on the chain', 'mark it settled-on-chain, close it'),
    ('settled_but_lost', 'a settled trade''s transaction was lost by the chain, and fails now', 'give it to the buyer again by a request (docs/assets.md), close it'),
    ('not_the_planned_transfer', 'the contract moved something else than was planned', 'look at the contract; mark what is so; close it');

-- What is not listed (a contract's own words, a signer's) stands for itself.
CREATE OR REPLACE FUNCTION settle.reason_text(reason text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT w.words || substr(reason, length(w.word) + 1) FROM settle.reason_word w
        WHERE w.word = split_part(reason, ':', 1)), reason)
$$;
CREATE FUNCTION settle.reason_todo(reason text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT w.todo FROM settle.reason_word w WHERE w.word = split_part(reason, ':', 1)
$$;

CREATE VIEW settle.hold_list AS
SELECT h.hold_id AS hold, CASE WHEN h.venue THEN 'venue' WHEN h.token_asset IS NOT NULL THEN 'token'
        WHEN h.account_id IS NOT NULL THEN 'account' ELSE 'trade' END AS scope,
    h.token_asset AS token, a.symbol, h.account_id AS account, h.trade_id AS trade, h.reason, h.held_by, h.held_at,
    h.release_reason, h.released_by, h.released_at, h.released_at IS NULL AS open
FROM settle.hold h LEFT JOIN people.asset a ON a.asset_id = h.token_asset;

-- state: proposed, approved (the worker has not answered; problem says why), done, refused, withdrawn.
CREATE VIEW settle.mark_list AS
SELECT m.mark_id AS mark, m.trade_id AS trade, a.symbol, m.outcome, m.tx_hash, m.reason,
    CASE WHEN m.answered_at IS NOT NULL THEN CASE WHEN m.answer = 'done' THEN 'done' ELSE 'refused' END
        WHEN m.withdrawn_at IS NOT NULL THEN 'withdrawn' WHEN m.approved_at IS NOT NULL THEN 'approved' ELSE 'proposed' END AS state,
    m.proposed_by, m.proposed_at, m.approved_by, m.approved_at, m.withdrawn_by, m.withdrawn_at, m.withdraw_reason,
    m.checked_at, m.problem, settle.reason_text(m.problem) AS problem_text, settle.reason_todo(m.problem) AS todo,
    m.answered_at, m.answer, m.block_number AS block, m.log_index,
    m.answered_at IS NULL AND m.withdrawn_at IS NULL AS open
FROM settle.manual_mark m LEFT JOIN record.trade r USING (trade_id) LEFT JOIN people.asset a ON a.asset_id = r.token_asset;

-- state: open, closing (one person has proposed it), closed.
CREATE VIEW settle.incident_list AS
SELECT i.incident_id AS incident, i.at, i.kind, settle.reason_text(i.kind) AS kind_text, settle.reason_todo(i.kind) AS todo,
    i.request_id AS request, i.trade_id AS trade, i.token_asset AS token, a.symbol, i.tx_hash,
    CASE WHEN i.closed_at IS NOT NULL THEN 'closed' WHEN i.close_proposed_at IS NOT NULL THEN 'closing' ELSE 'open' END AS state,
    i.close_reason, i.close_proposed_by, i.close_proposed_at, i.closed_by, i.closed_at, i.closed_at IS NULL AS open
FROM settle.incident i LEFT JOIN people.asset a ON a.asset_id = i.token_asset;

-- Every transaction of a trade, oldest first; gas and fee are of the whole transaction, of `legs` trades together.
CREATE VIEW settle.attempt_list AS
SELECT l.trade_id AS trade, t.request_id AS request, t.attempt, t.nonce, t.signer_address AS signer, t.state, t.reason, t.tx_hash,
    t.block_number AS block, t.gas_limit, t.gas_used, t.gas_price_wei::text, (t.gas_used * t.gas_price_wei)::text AS fee_wei,
    t.max_fee_wei::text, n.legs, t.prepared_at, t.signed_at, t.sent_at, t.mined_at
FROM chain.request_leg l JOIN settle.attempt t USING (request_id)
CROSS JOIN LATERAL (SELECT count(*) AS legs FROM chain.request_leg o WHERE o.request_id = l.request_id AND o.state <> 'left') n
WHERE l.trade_id IS NOT NULL AND l.state <> 'left';

-- What the worker counts since it began; and how its pool of nodes fares.
ALTER TABLE settle.worker ADD COLUMN pool jsonb NOT NULL DEFAULT '{}', ADD COLUMN counters jsonb NOT NULL DEFAULT '{}';

CREATE OR REPLACE VIEW settle.status AS
SELECT json_build_object(
    'trades', (SELECT json_build_object('pending', count(*) FILTER (WHERE settlement_status = 'pending'),
        'processing', count(*) FILTER (WHERE settlement_status = 'processing'),
        'settled', count(*) FILTER (WHERE settlement_status = 'settled'),
        'failed', count(*) FILTER (WHERE settlement_status = 'failed' AND corrected_quantity IS DISTINCT FROM 0))
        FROM settle.trade),
    'oldest_pending_s', (SELECT extract(epoch FROM now() - min(created_at))::bigint FROM settle.trade
        WHERE settlement_status = 'pending'),
    'oldest_processing_s', (SELECT extract(epoch FROM now() - min(created_at))::bigint FROM settle.trade
        WHERE settlement_status = 'processing'),
    'attempts_signed', (SELECT coalesce(sum(attempts), 0) FROM chain.chain_request),
    'attempts_open', (SELECT json_build_object('prepared', count(*) FILTER (WHERE state = 'prepared'),
        'signed', count(*) FILTER (WHERE state = 'signed'), 'sent', count(*) FILTER (WHERE state = 'sent'),
        'mined', count(*) FILTER (WHERE state = 'mined'))
        FROM settle.attempt WHERE state IN ('prepared', 'signed', 'sent', 'mined')),
    'holds', (SELECT count(*) FROM settle.hold WHERE released_at IS NULL),
    'marks_open', (SELECT count(*) FROM settle.manual_mark WHERE answered_at IS NULL AND withdrawn_at IS NULL),
    'incidents_open', (SELECT count(*) FROM settle.incident WHERE closed_at IS NULL),
    'attempts_ended', (SELECT json_build_object('confirmed', count(*) FILTER (WHERE state = 'confirmed'),
        'reverted', count(*) FILTER (WHERE state = 'reverted'), 'replaced', count(*) FILTER (WHERE state = 'replaced'),
        'dropped', count(*) FILTER (WHERE state = 'dropped')) FROM settle.attempt
        WHERE state IN ('confirmed', 'reverted', 'replaced', 'dropped')),
    'retries_waiting', (SELECT count(*) FROM settle.retry_request WHERE answered_at IS NULL),
    'results_waiting', (SELECT count(*) FROM settle.result WHERE state = 'open'),
    'gas', (SELECT json_build_object('transactions', count(*), 'reverted', count(*) FILTER (WHERE NOT succeeded),
        'gas_used', coalesce(sum(gas_used), 0), 'fee_wei', coalesce(sum(fee_wei), 0)::text,
        'fee_wei_last_day', coalesce(sum(fee_wei) FILTER (WHERE created_at > now() - interval '1 day'), 0)::text)
        FROM chain.gas_transaction),
    'workers', (SELECT coalesce(json_agg(json_build_object('chain_id', chain_id, 'head_block', head_block,
        'final_block', final_block, 'confirmations', confirmations, 'trouble', trouble,
        'trouble_text', settle.reason_text(trouble), 'todo', settle.reason_todo(trouble), 'pool', pool, 'counters', counters,
        'silent', settle.worker_is_silent(due_at),
        'heard_s', extract(epoch FROM now() - updated_at)::bigint, 'endpoints', endpoints) ORDER BY chain_id), '[]')
        FROM settle.worker),
    'signers', (SELECT coalesce(json_agg(l ORDER BY chain_id, signer), '[]') FROM settle.signer_lane l),
    'tokens', (SELECT coalesce(json_agg(json_build_object('token', token, 'symbol', symbol, 'state', state, 'reason', reason,
        'reason_text', CASE state WHEN 'held' THEN reason ELSE settle.reason_text(reason) END,
        'todo', CASE state WHEN 'held' THEN settle.reason_todo('held') ELSE settle.reason_todo(reason) END,
        'pending', pending, 'processing', processing, 'failed', failed, 'oldest_s', oldest_s) ORDER BY token), '[]')
        FROM settle.lane)) AS status;

CREATE OR REPLACE VIEW settle.progress AS
SELECT s.trade_id AS trade, s.created_at, r.instrument_id AS instrument, r.token_asset AS token, a.symbol,
    trim_scale(public.decimal_of(coalesce(s.corrected_quantity, r.quantity), r.token_scale))::text AS quantity,
    r.buyer_account AS buyer, r.seller_account AS seller, s.settlement_status AS status,
    CASE WHEN s.corrected_quantity = 0 THEN 'busted' WHEN s.settlement_status = 'processing' THEN coalesce(x.state, 'claimed')
        ELSE s.settlement_status END AS step,
    s.settlement_type AS type, coalesce(x.tx_hash, s.tx_hash) AS tx_hash, coalesce(x.block_number, s.block_number) AS block,
    CASE WHEN x.state = 'mined' THEN greatest(w.head_block - x.block_number + 1, 0) END AS confirmations,
    CASE WHEN x.state = 'mined' THEN w.confirmations END AS confirmations_needed,
    s.reason, settle.reason_text(s.reason) AS reason_text, s.settlement_attempts AS attempts, s.total_attempts,
    s.settled_at, s.updated_at, settle.reason_todo(s.reason) AS todo
FROM settle.trade s JOIN record.trade r USING (trade_id) JOIN people.asset a ON a.asset_id = r.token_asset
LEFT JOIN LATERAL (
    SELECT t.chain_id, t.state, t.tx_hash, t.block_number FROM chain.request_leg l JOIN settle.attempt t USING (request_id)
    WHERE l.trade_id = s.trade_id AND l.state = 'open' AND t.state IN ('prepared', 'signed', 'sent', 'mined')
    ORDER BY t.state = 'mined' DESC, t.attempt DESC LIMIT 1) x ON s.settlement_status = 'processing'
LEFT JOIN settle.worker w ON w.chain_id = x.chain_id;

GRANT SELECT ON chain.movement TO lonja_settle; -- what a mark's transaction moves for others
GRANT SELECT ON settle.reason_word TO lonja_admin, lonja_ops;
GRANT EXECUTE ON FUNCTION settle.reason_todo(text) TO lonja_admin, lonja_ops;
GRANT SELECT ON settle.hold_list, settle.mark_list, settle.incident_list, settle.attempt_list TO lonja_admin;

COMMIT;
