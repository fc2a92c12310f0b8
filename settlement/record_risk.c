// Happy path: an event that sets something replaces the row of its id; session_changed and the
// first jurisdiction_listed of a list empty what the events behind them fill; fees_changed may take
// its row away; proposal_changed makes a row, later decides it, and always leaves one of history.
#include "settlement/record_risk.h"

#include "base/assert.h"

#define EVENT_TIME(n) "timestamptz 'epoch' + " n "::bigint / 1000 * interval '1 microsecond'"

static struct pg_param sequence_of(const struct event *event)
{
    return pg_i64((int64_t)event->header.sequence);
}

static enum pg_class write_session(struct pg *pg, const struct event *event)
{
    const struct session_changed_evt *s = &event->body.session_changed;
    enum pg_class class =
        pg_query(pg, NULL, "DELETE FROM record.session_account WHERE session_id = $1",
                 PG_PARAMS(pg_i64(s->session)));
    if (class != PG_OK)
        return class;
    return pg_query(pg, NULL,
                    "INSERT INTO record.session (session_id, member_id, gateway, flags, "
                    "account_count, sequence) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT "
                    "(session_id) DO UPDATE SET (member_id, gateway, flags, account_count, "
                    "sequence) = (EXCLUDED.member_id, EXCLUDED.gateway, EXCLUDED.flags,"
                    " EXCLUDED.account_count, EXCLUDED.sequence)",
                    PG_PARAMS(pg_i64(s->session), pg_i64(s->member), pg_i64(s->gateway),
                              pg_i64(s->flags), pg_i64(s->account_count), sequence_of(event)));
}

static enum pg_class write_session_account(struct pg *pg, const struct event *event)
{
    const struct session_account_evt *s = &event->body.session_account;
    return pg_query(
        pg, NULL,
        "INSERT INTO record.session_account (session_id, account_id, rights, sequence)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (session_id, account_id) DO UPDATE SET "
        "(rights, sequence) = (EXCLUDED.rights, EXCLUDED.sequence)",
        PG_PARAMS(pg_i64(s->session), pg_i64(s->account), pg_i64(s->rights), sequence_of(event)));
}

static enum pg_class write_limits(struct pg *pg, const struct event *event)
{
    const struct limits_changed_evt *l = &event->body.limits_changed;
    return pg_query(
        pg, NULL,
        "INSERT INTO record.limits (scope, id, order_value_max, daily_value_max, open_orders_max, "
        "messages_max, messages_ms, duplicate_ms, executions_max, executions_ms, flags, sequence)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (scope, id) DO "
        "UPDATE SET (order_value_max, daily_value_max, open_orders_max, messages_max, messages_ms, "
        "duplicate_ms, executions_max, executions_ms, flags, sequence) ="
        " (EXCLUDED.order_value_max, EXCLUDED.daily_value_max, EXCLUDED.open_orders_max,"
        " EXCLUDED.messages_max, EXCLUDED.messages_ms, EXCLUDED.duplicate_ms,"
        " EXCLUDED.executions_max, EXCLUDED.executions_ms, EXCLUDED.flags, EXCLUDED.sequence)",
        PG_PARAMS(pg_i64(l->scope), pg_i64(l->id), pg_i64(l->order_value_max),
                  pg_i64(l->daily_value_max), pg_i64(l->open_orders_max), pg_i64(l->messages_max),
                  pg_i64(l->messages_ms), pg_i64(l->duplicate_ms), pg_i64(l->executions_max),
                  pg_i64(l->executions_ms), pg_i64(l->flags), sequence_of(event)));
}

static enum pg_class write_controls(struct pg *pg, const struct event *event)
{
    const struct instrument_controls_changed_evt *c = &event->body.instrument_controls_changed;
    return pg_query(
        pg, NULL,
        "INSERT INTO record.instrument_controls (instrument_id, dynamic_bps, limit_state_ms, "
        "nav_stale_ms, nav_stale_action, investor_types, concentration_bps, position_max, supply, "
        "sequence) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (instrument_id) DO "
        "UPDATE SET (dynamic_bps, limit_state_ms, nav_stale_ms, nav_stale_action, investor_types, "
        "concentration_bps, position_max, supply, sequence) = (EXCLUDED.dynamic_bps,"
        " EXCLUDED.limit_state_ms, EXCLUDED.nav_stale_ms, EXCLUDED.nav_stale_action,"
        " EXCLUDED.investor_types, EXCLUDED.concentration_bps, EXCLUDED.position_max,"
        " EXCLUDED.supply, EXCLUDED.sequence)",
        PG_PARAMS(pg_i64(c->instrument), pg_i64(c->dynamic_bps), pg_i64(c->limit_state_ms),
                  pg_i64(c->nav_stale_ms), pg_i64(c->nav_stale_action), pg_i64(c->investor_types),
                  pg_i64(c->concentration_bps), pg_i64(c->position_max), pg_i64(c->supply),
                  sequence_of(event)));
}

// Index 0 begins a new list; count 0 says that it has no codes.
static enum pg_class write_jurisdiction(struct pg *pg, const struct event *event)
{
    const struct jurisdiction_listed_evt *j = &event->body.jurisdiction_listed;
    if (j->index == 0)
        return pg_query(
            pg, NULL,
            "INSERT INTO record.jurisdictions (instrument_id, mode, codes, sequence) VALUES ($1, "
            "$2, CASE WHEN $3::smallint = 0 THEN '{}'::smallint[] ELSE ARRAY[$3::smallint] END, $4)"
            " ON CONFLICT (instrument_id) DO UPDATE SET (mode, codes, sequence) ="
            " (EXCLUDED.mode, EXCLUDED.codes, EXCLUDED.sequence)",
            PG_PARAMS(pg_i64(j->instrument), pg_i64(j->mode), pg_i64(j->code), sequence_of(event)));
    return pg_query(pg, NULL,
                    "UPDATE record.jurisdictions SET codes = codes || $2::smallint"
                    " WHERE instrument_id = $1",
                    PG_PARAMS(pg_i64(j->instrument), pg_i64(j->code)));
}

static enum pg_class write_fees(struct pg *pg, const struct event *event)
{
    const struct fees_changed_evt *f = &event->body.fees_changed;
    if (f->remove != 0)
        return pg_query(pg, NULL,
                        "DELETE FROM record.fees WHERE account_id = $1 AND instrument_id = $2",
                        PG_PARAMS(pg_i64(f->account), pg_i64(f->instrument)));
    return pg_query(
        pg, NULL,
        "INSERT INTO record.fees (account_id, instrument_id, sell_maker_bps, sell_taker_bps, "
        "buy_maker_bps, buy_taker_bps, sequence) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (account_id, instrument_id) DO UPDATE SET (sell_maker_bps, sell_taker_bps, "
        "buy_maker_bps, buy_taker_bps, sequence) = (EXCLUDED.sell_maker_bps,"
        " EXCLUDED.sell_taker_bps, EXCLUDED.buy_maker_bps, EXCLUDED.buy_taker_bps,"
        " EXCLUDED.sequence)",
        PG_PARAMS(pg_i64(f->account), pg_i64(f->instrument), pg_i64(f->sell_maker_bps),
                  pg_i64(f->sell_taker_bps), pg_i64(f->buy_maker_bps), pg_i64(f->buy_taker_bps),
                  sequence_of(event)));
}

static enum pg_class write_kill(struct pg *pg, const struct event *event)
{
    const struct kill_changed_evt *k = &event->body.kill_changed;
    return pg_query(
        pg, NULL,
        "INSERT INTO record.kill (scope, id, killed, operator_id, changed_at, sequence) VALUES "
        "($1, $2, $3, $4, " EVENT_TIME(
            "$5") ", $6) ON CONFLICT (scope, id) DO UPDATE SET (killed, "
                  "operator_id, changed_at, sequence) = (EXCLUDED.killed, EXCLUDED.operator_id,"
                  " EXCLUDED.changed_at, EXCLUDED.sequence)",
        PG_PARAMS(pg_i64(k->scope), pg_i64(k->id), pg_bool(k->killed != 0), pg_i64(k->operator_id),
                  pg_i64((int64_t)event->header.time_ns), sequence_of(event)));
}

static enum pg_class write_venue_rules(struct pg *pg, const struct event *event)
{
    const struct venue_rules_changed_evt *v = &event->body.venue_rules_changed;
    return pg_query(
        pg, NULL,
        "INSERT INTO record.venue_rules (flags, operator_id, changed_at, sequence) VALUES ($1, "
        "$2, " EVENT_TIME("$3") ", $4) ON CONFLICT (only_row) DO UPDATE SET (flags, operator_id, "
                                "changed_at, sequence) = (EXCLUDED.flags, EXCLUDED.operator_id, "
                                "EXCLUDED.changed_at,"
                                " EXCLUDED.sequence)",
        PG_PARAMS(pg_i64(v->flags), pg_i64(v->operator_id), pg_i64((int64_t)event->header.time_ns),
                  sequence_of(event)));
}

static const char *proposal_state_text(uint8_t state)
{
    static const char *const texts[] = {[PROPOSAL_OPEN] = "open",
                                        [PROPOSAL_APPROVED] = "approved",
                                        [PROPOSAL_WITHDRAWN] = "withdrawn",
                                        [PROPOSAL_FAILED] = "failed"};
    ASSERT(state < sizeof texts / sizeof texts[0] && texts[state] != NULL);
    return texts[state];
}

static enum pg_class write_proposal(struct pg *pg, const struct event *event)
{
    const struct proposal_changed_evt *p = &event->body.proposal_changed;
    bool open = p->state == PROPOSAL_OPEN;
    ASSERT(open == (p->approver == 0)); // who decides has a number
    return pg_query(
        pg, NULL,
        "WITH history AS (INSERT INTO record.proposal_event (proposal_id, sequence, event_index, "
        "created_at, state, operator_id) VALUES ($1, $7, $8, " EVENT_TIME(
            "$6") ", $5,"
                  " coalesce($4::integer, $3)))"
                  " INSERT INTO record.proposal (proposal_id, proposed, proposer, approver, state, "
                  "created_at, decided_at, expires_at, sequence) VALUES ($1, $2, $3, $4, "
                  "$5, " EVENT_TIME("$6") ", CASE WHEN $5 <> 'open' THEN " EVENT_TIME(
                      "$6") " END, " EVENT_TIME("$9") ", $7) ON CONFLICT (proposal_id) DO UPDATE "
                                                      "SET (approver, state, "
                                                      "decided_at, sequence) = (EXCLUDED.approver, "
                                                      "EXCLUDED.state, EXCLUDED.decided_at,"
                                                      " EXCLUDED.sequence)",
        PG_PARAMS(pg_i64((int64_t)p->proposal), pg_text(command_name(p->proposed)),
                  pg_i64(p->proposer), open ? pg_null() : pg_i64(p->approver),
                  pg_text(proposal_state_text(p->state)), pg_i64((int64_t)event->header.time_ns),
                  sequence_of(event), pg_i64(event->header.index), pg_i64((int64_t)p->expires_ns)));
}

enum pg_class record_risk_write(struct pg *pg, const struct event *event)
{
    switch (event->header.type) {
    case EVT_session_changed:
        return write_session(pg, event);
    case EVT_session_account:
        return write_session_account(pg, event);
    case EVT_limits_changed:
        return write_limits(pg, event);
    case EVT_instrument_controls_changed:
        return write_controls(pg, event);
    case EVT_jurisdiction_listed:
        return write_jurisdiction(pg, event);
    case EVT_fees_changed:
        return write_fees(pg, event);
    case EVT_kill_changed:
        return write_kill(pg, event);
    case EVT_venue_rules_changed:
        return write_venue_rules(pg, event);
    case EVT_proposal_changed:
        return write_proposal(pg, event);
    default:
        ASSERT(false); // record_batch hands over no other
    }
}
