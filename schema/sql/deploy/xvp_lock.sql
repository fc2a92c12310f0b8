-- Settlement instructions with legs on other ledgers and a hash lock (docs/xvp.md).
--
-- What such a leg moves is told to the parties and is no matter of the ledger: it stands here as it was asked for (primary data: it names
-- addresses, which enter no journal). The engine has the hash, and each leg's end. A secret is here once it is revealed, never before.
BEGIN;

ALTER TABLE people.xvp_request
    ADD COLUMN externals jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(externals) = 'array'), -- {ledger, asset, amount, from, to, deadline_ns, claimed}
    ADD COLUMN hashlock  text CHECK (hashlock ~ '^0x[0-9a-f]{64}$'),
    ADD COLUMN margin_ns bigint NOT NULL DEFAULT 0 CHECK (margin_ns >= 0),
    ADD CONSTRAINT xvp_request_lock CHECK ((externals = '[]') = (hashlock IS NULL));

CREATE INDEX venue_event_xvp_lock ON record.venue_event (((body ->> 'xvp')::bigint), sequence, event_index) WHERE event = 'xvp_lock';

CREATE VIEW record.xvp_lock AS
SELECT (body ->> 'xvp')::bigint AS xvp_id, sequence, event_index, created_at, body ->> 'hash' AS hash,
    nullif(body ->> 'secret', '0x' || repeat('0', 64)) AS secret
FROM record.venue_event WHERE event = 'xvp_lock';

CREATE OR REPLACE VIEW record.xvp_step AS
SELECT (body ->> 'xvp')::bigint AS xvp_id, sequence, event_index, created_at,
    (ARRAY['created', 'approved', 'revoked', 'executed', 'cancelled', 'expired', 'refused', 'uncovered', 'settling', 'returned', 'revealed',
        'voted'])[(body ->> 'step')::integer] AS step,
    (ARRAY['created', 'approving', 'approved', 'executed', 'cancelled', 'expired', 'settling', 'armed'])[(body ->> 'state')::integer] AS state,
    nullif((body ->> 'account')::bigint, 0) AS account_id, nullif((body ->> 'operator_id')::bigint, 0) AS operator_id,
    (body ->> 'approved')::integer AS approved, (body ->> 'flags')::integer AS flags, (body ->> 'leg_count')::integer AS leg_count,
    (body ->> 'cutoff_ns')::bigint AS cutoff_ns, nullif((body ->> 'ref_number')::bigint, 0) AS ref_number, nullif((body ->> 'code')::integer, 0) AS code, (body ->> 'limit')::bigint AS reject_limit,
    (body ->> 'value')::bigint AS reject_value, (body ->> 'argument')::bigint AS reject_argument,
    coalesce((body ->> 'votes')::integer, 0) AS votes, coalesce((body ->> 'external_count')::integer, 0) AS external_count,
    coalesce((body ->> 'lock')::integer, 0) & 2 = 2 AS revealed
FROM record.venue_event WHERE event = 'xvp_changed';

CREATE OR REPLACE VIEW record.xvp AS
SELECT l.xvp_id, l.state, l.approved, l.flags, l.leg_count, l.cutoff_ns, l.sequence, l.code, l.account_id AS last_account, l.created_at AS changed_at,
    f.created_at, l.votes, l.external_count, l.revealed
FROM record.xvp_step f
JOIN LATERAL (SELECT s.* FROM record.xvp_step s WHERE s.xvp_id = f.xvp_id ORDER BY s.sequence DESC, s.event_index DESC LIMIT 1) l ON true
WHERE f.step = 'created';

-- Who wants to cancel what is armed. 9 bits and more of votes: who gets.
CREATE FUNCTION record.xvp_voters(of_xvp bigint, votes integer) RETURNS bigint[] LANGUAGE sql STABLE SET search_path = '' AS $$
    SELECT array_agg(DISTINCT v.account ORDER BY v.account) FROM record.xvp_leg g
    CROSS JOIN LATERAL (VALUES (g.from_account, votes >> g.leg & 1), (g.to_account, votes >> 8 + g.leg & 1)) v (account, votes)
    WHERE g.xvp_id = of_xvp AND v.votes = 1
$$;

-- externals: told, not proved by the venue. secret: whoever sees it can claim what is locked by it elsewhere, until that has ended.
CREATE OR REPLACE VIEW public.settlement_instructions AS
SELECT x.xvp_id AS id, r.reference, r.name, x.state, x.state IN ('created', 'approving', 'approved', 'settling', 'armed') AS open, x.flags & 1 = 1 AS auto_execute,
    to_timestamp(x.cutoff_ns / 1000000 / 1000.0) AS cutoff, 'ledger'::text AS settlement, x.code AS refused_code, x.last_account,
    (SELECT json_agg(json_build_object('from', g.from_account, 'to', g.to_account, 'asset', a.symbol, 'amount',
        trim_scale(public.decimal_of(g.units, a.scale))::text, 'approved', x.approved >> g.leg & 1 = 1) ORDER BY g.leg)
        FROM record.xvp_leg g JOIN record.asset a USING (asset_id) WHERE g.xvp_id = x.xvp_id) AS legs,
    r.requested_by, x.created_at, x.changed_at, x.sequence,
    (SELECT json_agg(json_build_object('ledger', e.of ->> 'ledger', 'asset', e.of ->> 'asset', 'amount', e.of ->> 'amount',
        'from', e.of ->> 'from', 'to', e.of ->> 'to', 'claimed', e.of ->> 'claimed',
        'deadline', to_timestamp((e.of ->> 'deadline_ns')::bigint / 1000000 / 1000.0)) ORDER BY e.place)
        FROM jsonb_array_elements(r.externals) WITH ORDINALITY e (of, place)) AS externals,
    h.hash AS hashlock, s.secret, s.created_at AS revealed_at, record.xvp_voters(x.xvp_id, x.votes) AS votes_to_cancel
FROM record.xvp x LEFT JOIN people.xvp_request r ON r.sequence = x.xvp_id
LEFT JOIN record.xvp_lock h ON x.external_count <> 0 AND h.xvp_id = x.xvp_id AND h.secret IS NULL
LEFT JOIN record.xvp_lock s ON x.revealed AND s.xvp_id = x.xvp_id AND s.secret IS NOT NULL;

GRANT SELECT ON record.xvp_lock TO lonja_admin, lonja_ops;
GRANT EXECUTE ON FUNCTION record.xvp_voters(bigint, integer) TO lonja_admin, lonja_web, lonja_ops;

COMMIT;
