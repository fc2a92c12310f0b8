BEGIN;
DROP VIEW people.xvp_open, public.settlement_instructions;
DROP FUNCTION record.xvp_voters(bigint, integer);
DROP VIEW record.xvp, record.xvp_step, record.xvp_lock;
DROP INDEX record.venue_event_xvp_lock;
ALTER TABLE people.xvp_request DROP CONSTRAINT xvp_request_lock, DROP COLUMN externals, DROP COLUMN hashlock, DROP COLUMN margin_ns;
CREATE VIEW record.xvp_step AS
SELECT (body ->> 'xvp')::bigint AS xvp_id, sequence, event_index, created_at,
    (ARRAY['created', 'approved', 'revoked', 'executed', 'cancelled', 'expired', 'refused', 'uncovered'])[(body ->> 'step')::integer] AS step,
    (ARRAY['created', 'approving', 'approved', 'executed', 'cancelled', 'expired'])[(body ->> 'state')::integer] AS state,
    nullif((body ->> 'account')::bigint, 0) AS account_id, nullif((body ->> 'operator_id')::bigint, 0) AS operator_id,
    (body ->> 'approved')::integer AS approved, (body ->> 'flags')::integer AS flags, (body ->> 'leg_count')::integer AS leg_count,
    (body ->> 'cutoff_ns')::bigint AS cutoff_ns, nullif((body ->> 'ref_number')::bigint, 0) AS ref_number, nullif((body ->> 'code')::integer, 0) AS code, (body ->> 'limit')::bigint AS reject_limit,
    (body ->> 'value')::bigint AS reject_value, (body ->> 'argument')::bigint AS reject_argument
FROM record.venue_event WHERE event = 'xvp_changed';

CREATE VIEW record.xvp AS
SELECT l.xvp_id, l.state, l.approved, l.flags, l.leg_count, l.cutoff_ns, l.sequence, l.code, l.account_id AS last_account, l.created_at AS changed_at,
    f.created_at
FROM record.xvp_step f
JOIN LATERAL (SELECT s.* FROM record.xvp_step s WHERE s.xvp_id = f.xvp_id ORDER BY s.sequence DESC, s.event_index DESC LIMIT 1) l ON true
WHERE f.step = 'created';

CREATE VIEW public.settlement_instructions AS
SELECT x.xvp_id AS id, r.reference, r.name, x.state, x.state IN ('created', 'approving', 'approved') AS open, x.flags & 1 = 1 AS auto_execute,
    to_timestamp(x.cutoff_ns / 1000000 / 1000.0) AS cutoff, 'ledger'::text AS settlement, x.code AS refused_code, x.last_account,
    (SELECT json_agg(json_build_object('from', g.from_account, 'to', g.to_account, 'asset', a.symbol, 'amount',
        trim_scale(public.decimal_of(g.units, a.scale))::text, 'approved', x.approved >> g.leg & 1 = 1) ORDER BY g.leg)
        FROM record.xvp_leg g JOIN record.asset a USING (asset_id) WHERE g.xvp_id = x.xvp_id) AS legs,
    r.requested_by, x.created_at, x.changed_at, x.sequence
FROM record.xvp x LEFT JOIN people.xvp_request r ON r.sequence = x.xvp_id;

CREATE VIEW people.xvp_open AS
SELECT r.reference, r.assets FROM people.xvp_request r
WHERE r.state <> 'rejected' AND NOT EXISTS (SELECT FROM record.xvp x WHERE x.xvp_id = r.sequence AND x.state IN ('executed', 'cancelled', 'expired'));

GRANT SELECT ON record.xvp, record.xvp_step TO lonja_admin, lonja_ops;
GRANT SELECT ON public.settlement_instructions TO lonja_admin, lonja_web, lonja_ops;
COMMIT;
