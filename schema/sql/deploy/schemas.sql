-- Schemas by owner, and the one function that turns base units into decimals.
--
-- Units: every table keeps whole base units as bigint, exactly as the engine counts them: cash in 1e-6,
-- tokens in 10^-scale. The views of schema public show decimals (numeric). The chain's own amounts are
-- numeric(78,0), because 256 bits do not fit a bigint.
BEGIN;

CREATE SCHEMA people; -- primary data: who may do what; written by lonja_admin
CREATE SCHEMA record; -- a copy of the tape; written by lonja_record, rebuildable: no foreign key points into it
CREATE SCHEMA settle; -- primary data: settlement of trades; written by lonja_settle
CREATE SCHEMA chain;  -- primary data: everything that was asked of the chain, and what it answered

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public, people, record, settle, chain
    TO lonja_record, lonja_settle, lonja_fix, lonja_web, lonja_admin, lonja_ops;
-- Rights are granted name by name in the change `rights`; functions are closed unless said otherwise.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- 12345 with scale 2 is 123.45, exactly (a product of numerics never rounds).
CREATE FUNCTION public.decimal_of(units bigint, scale smallint) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN units * (ARRAY[1, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001, 0.0000001, 0.00000001]::numeric[])[scale + 1];
GRANT EXECUTE ON FUNCTION public.decimal_of(bigint, smallint) TO PUBLIC;

COMMIT;
