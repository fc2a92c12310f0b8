-- A transaction that is stuck, and no bid may take its place: in its row (settle.attempt.reason), in its request's, and in what its
-- trades are shown to wait for.
BEGIN;

INSERT INTO settle.reason_word (word, words, todo) VALUES
    ('no_higher_bid', 'its transaction is stuck, and no higher bid is allowed', 'raise settle.fee_cap_gwei and the signer''s policy, or wait; or give it up'),
    ('nonce_cannot_be_given_up', 'its nonce is to be given up, and no bid above its own is allowed', 'raise settle.fee_cap_gwei and the signer''s policy, or wait');

-- What a trade on its way waits for: its own transaction, else what hinders its token; NULL: nothing.
CREATE FUNCTION settle.trade_waits(trade bigint, asset integer) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
    SELECT coalesce((SELECT a.reason FROM chain.request_leg l JOIN settle.attempt a USING (request_id)
            WHERE l.trade_id = trade AND l.state = 'open' AND a.state IN ('signed', 'sent')
                AND a.reason IN ('no_higher_bid', 'nonce_cannot_be_given_up') LIMIT 1),
        settle.token_trouble(asset))
$$;
GRANT EXECUTE ON FUNCTION settle.trade_waits(bigint, integer) TO lonja_admin;

COMMIT;
