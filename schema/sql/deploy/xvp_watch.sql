-- Figures of settlement instructions for the metrics page and its alert rules (docs/xvp.md): open ones by state, how near they are to their
-- cut-offs, what is missing, what they hold.
BEGIN;

-- Looked at every few seconds: by the cut-off of what was created, so that what is long over is not gone through.
CREATE INDEX venue_event_xvp_cutoff ON record.venue_event (((body ->> 'cutoff_ns')::bigint)) WHERE event = 'xvp_changed' AND body ->> 'step' = '1';
CREATE INDEX ledger_entry_xvp ON record.ledger_entry (asset_id) INCLUDE (held) WHERE cause = 'xvp_posted';

-- One that waits for the chain may be open behind its cut-off: looked at for 30 days.
CREATE VIEW record.xvp_open AS
SELECT l.xvp_id, l.state, l.approved, l.cutoff_ns, l.revealed
FROM (SELECT (body ->> 'xvp')::bigint AS xvp_id FROM record.venue_event WHERE event = 'xvp_changed' AND body ->> 'step' = '1'
    AND (body ->> 'cutoff_ns')::bigint > (extract(epoch FROM now())::bigint - 30 * 86400) * 1000000000) f
JOIN LATERAL (SELECT s.* FROM record.xvp_step s WHERE s.xvp_id = f.xvp_id ORDER BY s.sequence DESC, s.event_index DESC LIMIT 1) l ON true
WHERE l.state IN ('created', 'approving', 'approved', 'settling', 'armed');

-- escrow: what the approvals of open ones hold, by their legs; held: what entries of instructions have set aside and not moved or given
-- back. The same, or something is wrong.
CREATE VIEW record.xvp_watch AS
WITH open AS MATERIALIZED (SELECT * FROM record.xvp_open),
moves AS (
    SELECT o.xvp_id, x.account, g.asset_id, sum(x.units) AS net, bool_or(x.gives AND o.approved >> g.leg & 1 = 1) AS approved, bool_or(x.gives) AS gives
    FROM open o JOIN record.xvp_leg g ON g.xvp_id = o.xvp_id
    CROSS JOIN LATERAL (VALUES (g.from_account, -g.units, true), (g.to_account, g.units, false)) x (account, units, gives)
    GROUP BY 1, 2, 3),
senders AS (SELECT xvp_id, account, bool_or(approved) AS approved FROM moves GROUP BY 1, 2 HAVING bool_or(gives)),
escrow AS (
    SELECT m.asset_id, -sum(m.net) AS units, 0::numeric AS held FROM moves m JOIN senders s USING (xvp_id, account) WHERE m.net < 0 AND s.approved GROUP BY 1
    UNION ALL
    SELECT e.asset_id, 0, sum(e.held) FROM record.ledger_entry e WHERE e.cause = 'xvp_posted' GROUP BY 1)
SELECT json_build_object(
    'open', (SELECT json_object_agg(s.state, (SELECT count(*) FROM open o WHERE o.state = s.state))
        FROM (VALUES ('created'), ('approving'), ('approved'), ('settling'), ('armed')) s (state)),
    'cutoff_s', (SELECT coalesce(json_object_agg(n.state, n.s), '{}') FROM (
        SELECT o.state, (min(o.cutoff_ns) / 1000000000 - extract(epoch FROM now()))::bigint AS s FROM open o GROUP BY 1) n),
    'approvals_missing', (SELECT count(*) FROM senders WHERE NOT approved),
    'secrets', (SELECT count(*) FROM open WHERE revealed),
    'escrow', (SELECT coalesce(json_agg(json_build_object('asset', a.symbol, 'approved', trim_scale(public.decimal_of(e.units::bigint, a.scale))::text,
            'held', trim_scale(public.decimal_of(e.held::bigint, a.scale))::text) ORDER BY a.symbol), '[]')
        FROM (SELECT asset_id, sum(units) AS units, sum(held) AS held FROM escrow GROUP BY 1) e JOIN record.asset a USING (asset_id))) AS xvp;

GRANT SELECT ON record.xvp_open, record.xvp_watch TO lonja_ops, lonja_admin;

COMMIT;
