// The naive venue: which command is whose, and what the venue must ask for next.
#include "tests/model/naive_parts.h"

static void apply_continue_work(struct naive_venue *venue)
{
    struct naive_pending *pending = &venue->pending;
    if (pending->work == NAIVE_PHASE) {
        naive_phase_go_on(venue);
    } else if (pending->work == NAIVE_TRIGGERED) {
        uint32_t instrument = pending->instrument;
        *pending = (struct naive_pending){0};
        naive_stops_run(venue, instrument);
    } else if (pending->work == NAIVE_UNCOVER) {
        naive_uncover(venue);
    } else if (pending->work == NAIVE_EXPIRE) {
        *pending = (struct naive_pending){0};
        naive_expire(venue);
    } else {
        ASSERT(false);
    }
    naive_done(venue, 0, venue->event_count);
}

static uint8_t work_of(enum naive_work work)
{
    switch (work) {
    case NAIVE_EXPIRE:
        return WORK_EXPIRE;
    case NAIVE_PHASE:
        return WORK_PHASE;
    case NAIVE_TRIGGERED:
        return WORK_TRIGGERED;
    case NAIVE_UNCOVER:
        return WORK_UNCOVER;
    case NAIVE_NOTHING:
    case NAIVE_LEAVE:
    case NAIVE_BARRED:
    case NAIVE_MASS:
    case NAIVE_STATUS:
    case NAIVE_KILL:
    default:
        return WORK_NONE;
    }
}

bool naive_continues_with(const struct naive_venue *venue, const struct command *command)
{
    const struct naive_pending *pending = &venue->pending;
    uint8_t type = command->header.type;
    if (command->header.gateway != GATEWAY_CORE)
        return false;
    switch (pending->work) {
    case NAIVE_LEAVE:
        return type == CMD_gateway_detach || type == CMD_session_close;
    case NAIVE_BARRED:
    case NAIVE_MASS:
        return type == CMD_order_mass_cancel;
    case NAIVE_STATUS:
        return type == CMD_order_status;
    case NAIVE_KILL:
        return naive_kill_continues_with(venue, command);
    case NAIVE_EXPIRE:
    case NAIVE_PHASE:
    case NAIVE_TRIGGERED:
    case NAIVE_UNCOVER:
        return type == CMD_continue_work &&
               command->body.continue_work.instrument == pending->instrument &&
               command->body.continue_work.work == work_of(pending->work);
    case NAIVE_NOTHING:
    default:
        return false;
    }
}

static void apply_market(struct naive_venue *venue)
{
    switch (venue->command->header.type) {
    case CMD_order_new:
    case CMD_order_new_terms:
        naive_order_new(venue);
        return;
    case CMD_order_cancel:
        naive_order_cancel(venue);
        return;
    case CMD_order_amend:
        naive_order_amend(venue);
        return;
    case CMD_instrument_set:
        naive_instrument_set(venue);
        return;
    case CMD_instrument_rules_set:
        naive_rules_set(venue);
        return;
    case CMD_tick_table_set:
        naive_tick_table_set(venue);
        return;
    case CMD_schedule_set:
        naive_schedule_set(venue);
        return;
    case CMD_instrument_phase:
        naive_instrument_phase(venue);
        return;
    case CMD_nav_set:
        naive_nav_set(venue);
        return;
    case CMD_reference_set:
        naive_reference_set(venue);
        return;
    case CMD_breaker_set:
        naive_breaker_set(venue);
        return;
    case CMD_clock_tick:
        naive_clock_tick(venue);
        return;
    default:
        ASSERT(false);
    }
}

static void apply_risk(struct naive_venue *venue)
{
    switch (venue->command->header.type) {
    case CMD_limits_set:
        naive_limits_set(venue);
        return;
    case CMD_instrument_controls_set:
        naive_controls_set(venue);
        return;
    case CMD_jurisdictions_set:
        naive_jurisdictions_set(venue);
        return;
    case CMD_kill_set:
        naive_kill_set(venue);
        return;
    default:
        apply_market(venue);
    }
}

static void apply_money(struct naive_venue *venue)
{
    switch (venue->command->header.type) {
    case CMD_fees_set:
        naive_fees_set(venue);
        return;
    case CMD_venue_rules_set:
        naive_venue_rules_set(venue);
        return;
    case CMD_propose:
        naive_propose(venue);
        return;
    case CMD_approve:
        naive_approve(venue);
        return;
    case CMD_ledger_post:
        naive_ledger_post(venue);
        return;
    case CMD_xvp_create:
        naive_xvp_create(venue);
        return;
    case CMD_xvp_act:
        naive_xvp_act(venue);
        return;
    case CMD_trade_correct:
        naive_trade_correct(venue);
        return;
    case CMD_settlement_result:
        naive_settlement_result(venue);
        return;
    default:
        apply_risk(venue);
    }
}

void naive_carry_out(struct naive_venue *venue)
{
    const struct command *command = venue->command;
    struct asset_rec asset;
    switch (command->header.type) {
    case CMD_gateway_attach:
        naive_gateway_attach(venue);
        return;
    case CMD_session_open:
        naive_session_open(venue);
        return;
    case CMD_session_set:
        naive_session_set(venue);
        return;
    case CMD_member_set:
        naive_member_set(venue);
        return;
    case CMD_account_set:
        naive_account_set(venue);
        return;
    case CMD_asset_set:
        memcpy(&asset, &command->body, sizeof(asset));
        if (naive_asset_refused(venue, &asset))
            return;
        venue->assets[asset.asset] = asset;
        memcpy(&naive_emit(venue, EVT_asset_changed)->body, &asset, sizeof(asset));
        return;
    case CMD_venue_state:
        if (command->body.venue_state.state - 1u > 1) {
            naive_reject(venue, REJECT_MALFORMED, 0, command->body.venue_state.state, 1);
            return;
        }
        venue->state = command->body.venue_state.state;
        memcpy(&naive_emit(venue, EVT_venue_state_changed)->body, &command->body,
               sizeof(command->body.venue_state));
        return;
    default:
        apply_money(venue);
    }
}

// Those that may go on with pending work clear it themselves.
static void apply_resumable(struct naive_venue *venue)
{
    bool leaves = venue->pending.work == NAIVE_LEAVE;
    switch (venue->command->header.type) {
    case CMD_continue_work:
        apply_continue_work(venue);
        return;
    case CMD_order_mass_cancel:
        naive_mass_cancel(venue);
        return;
    case CMD_order_status:
        naive_order_status(venue);
        return;
    case CMD_gateway_detach:
        venue->pending.work = NAIVE_NOTHING;
        naive_gateway_detach(venue, leaves);
        return;
    case CMD_session_close:
        venue->pending.work = NAIVE_NOTHING;
        naive_session_close(venue);
        return;
    default:
        ASSERT(venue->pending.work == NAIVE_NOTHING);
        naive_carry_out(venue);
    }
}

void naive_apply(struct naive_venue *venue, const struct command *command)
{
    const struct command_header *header = &command->header;
    bool own = header->session < NAIVE_SESSIONS &&
               venue->sessions[header->session].terms.session != 0 &&
               venue->sessions[header->session].terms.gateway == header->gateway;
    venue->command = command;
    venue->now = header->time_ns;
    venue->session_seq = own ? header->session_seq : 0;
    venue->event_count = 0;
    bool waits = venue->pending.work != NAIVE_NOTHING;
    if (header->type == CMD_journal_digest || (header->type == CMD_clock_tick && waits))
        naive_done(venue, 0, 0);
    else if (!naive_attached(venue))
        ; // refused, and answered
    else if (!naive_client_id_is_plain(command))
        naive_reject(venue, REJECT_MALFORMED, 0, 0, 0);
    else
        apply_resumable(venue);
    venue->events[venue->event_count - 1].header.last = 1;
}
