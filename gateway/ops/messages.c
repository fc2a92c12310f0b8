#include "gateway/ops/messages.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/decimal.h"
#include "schema/rejects.h"
#include "schema/words.h"

enum { WEEK_S = 7 * 24 * 3600 }; // how long the key of one trade or proposal lives

static json_t *decimal(int64_t value, unsigned scale)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    decimal_print(value, scale, text);
    return json_string(text);
}

enum { TIME_TEXT_BYTES = 64 };

static const char *time_text(char text[TIME_TEXT_BYTES], uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000u);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t length = strftime(text, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + length, TIME_TEXT_BYTES - length, ".%09" PRIu64 "Z", time_ns % 1000000000u);
    return text;
}

// A time that may not be set.
static json_t *maybe_time(uint64_t time_ns)
{
    char text[TIME_TEXT_BYTES];
    return time_ns != 0 ? json_string(time_text(text, time_ns)) : json_null();
}

static json_t *base_of(const struct event *event)
{
    char text[TIME_TEXT_BYTES];
    time_text(text, event->header.time_ns);
    return json_pack("{s:i, s:s, s:I, s:I, s:s}", "v", 1, "event", event_name(event->header.type),
                     "seq", (json_int_t)event->header.sequence, "index",
                     (json_int_t)event->header.index, "time", text);
}

static void set_symbol(json_t *json, const struct view_instrument *instrument)
{
    const char *symbol = instrument->terms.symbol;
    json_object_set_new(json, "symbol",
                        json_stringn_nocheck(symbol, strnlen(symbol, SYMBOL_BYTES_MAX)));
}

static void set_key(struct ops_message *out, const char *kind,
                    const struct view_instrument *instrument)
{
    snprintf(out->key, sizeof out->key, "%s:%.*s", kind, SYMBOL_BYTES_MAX,
             instrument->terms.symbol);
}

static json_t *of_trade(const struct view *view, const struct event *event, struct ops_message *out)
{
    const struct trade_evt *trade = &event->body.trade;
    const struct view_instrument *instrument = view_instrument(view, trade->instrument);
    ASSERT(instrument != NULL);
    json_t *json = base_of(event);
    set_symbol(json, instrument);
    json_object_set_new(
        json, "trade_id",
        json_integer((json_int_t)trade_id_of(event->header.sequence, event->header.index)));
    json_object_set_new(json, "price", decimal(trade->price, 6));
    json_object_set_new(json, "quantity", decimal(trade->quantity, instrument->terms.token_scale));
    json_object_set_new(json, "taker_side",
                        json_string(trade->taker_side == SIDE_BUY ? "buy" : "sell"));
    json_object_set_new(json, "kind",
                        json_string(trade->kind == TRADE_AUCTION ? "auction" : "continuous"));
    json_object_set_new(json, "maker_order", json_integer((json_int_t)trade->maker_order));
    json_object_set_new(json, "taker_order", json_integer((json_int_t)trade->taker_order));
    json_object_set_new(json, "maker_account", json_integer(trade->maker_account));
    json_object_set_new(json, "taker_account", json_integer(trade->taker_account));
    out->channel = "trades";
    set_key(out, "trades", instrument);
    return json;
}

static json_t *of_instrument_state(const struct view *view, const struct event *event,
                                   struct ops_message *out)
{
    const struct instrument_state_evt *state = &event->body.instrument_state;
    const struct view_instrument *instrument = view_instrument(view, state->instrument);
    ASSERT(instrument != NULL);
    json_t *json = base_of(event);
    set_symbol(json, instrument);
    json_object_set_new(json, "phase", json_string(word_of_phase(state->phase)));
    json_object_set_new(json, "breaker_tripped", json_boolean(state->breaker_tripped));
    json_object_set_new(json, "last_price", decimal(state->last_price, 6));
    json_object_set_new(json, "reference_price", decimal(state->reference_price, 6));
    json_object_set_new(json, "nav", decimal(state->nav, 6));
    json_object_set_new(json, "phase_ends", maybe_time(state->phase_end_ns));
    json_object_set_new(json, "schedule_next", maybe_time(state->schedule_next_ns));
    json_object_set_new(json, "limit_state_ends", maybe_time(state->limit_state_end_ns));
    out->channel = "market";
    set_key(out, "market", instrument);
    return json;
}

// While a call runs, what it would give; at its end, what it gave.
static json_t *of_auction(const struct view *view, const struct event *event,
                          struct ops_message *out)
{
    const struct auction_evt *auction = &event->body.auction;
    const struct view_instrument *instrument = view_instrument(view, auction->instrument);
    ASSERT(instrument != NULL);
    uint8_t scale = instrument->terms.token_scale;
    const char *surplus_side = auction->surplus_side == SIDE_BUY ? "buy" : "sell";
    json_t *json = base_of(event);
    set_symbol(json, instrument);
    json_object_set_new(json, "phase", json_string(word_of_phase(auction->phase)));
    json_object_set_new(json, "final", json_boolean(auction->final));
    json_object_set_new(json, "price",
                        auction->price != 0 ? decimal(auction->price, 6) : json_null());
    json_object_set_new(json, "quantity", decimal(auction->quantity, scale));
    json_object_set_new(json, "surplus", decimal(auction->surplus, scale));
    json_object_set_new(json, "surplus_side",
                        auction->surplus_side != 0 ? json_string(surplus_side) : json_null());
    out->channel = "auctions";
    set_key(out, "auctions", instrument);
    return json;
}

static json_t *of_venue_state(const struct event *event, struct ops_message *out)
{
    json_t *json = base_of(event);
    bool open = event->body.venue_state_changed.state == VENUE_OPEN;
    json_object_set_new(json, "state", json_string(open ? "open" : "cancel_only"));
    out->channel = "market";
    strcpy(out->key, "market:venue");
    return json;
}

static json_t *of_rejected(const struct view *view, const struct event *event,
                           struct ops_message *out)
{
    const struct rejected_evt *rejected = &event->body.rejected;
    const struct view_instrument *instrument = view_instrument(view, rejected->instrument);
    char text[256];
    reject_text(rejected->code, rejected->limit, rejected->value, rejected->argument,
                instrument != NULL ? instrument->terms.token_scale : 0, text, sizeof text);
    json_t *json = base_of(event);
    if (instrument != NULL)
        set_symbol(json, instrument);
    json_object_set_new(json, "command", json_string(command_name(rejected->command)));
    json_object_set_new(json, "code", json_integer(rejected->code));
    json_object_set_new(json, "name", json_string(reject_entry(rejected->code)->name));
    json_object_set_new(json, "check", json_string(reject_entry(rejected->code)->check));
    json_object_set_new(json, "text", json_string(text));
    json_object_set_new(json, "account", json_integer(rejected->account));
    json_object_set_new(json, "session", json_integer(event->header.session));
    out->channel = "risk";
    strcpy(out->key, "risk");
    return json;
}

static void set_flag(json_t *json, const char *name, unsigned flags, unsigned flag)
{
    json_object_set_new(json, name, json_boolean((flags & flag) != 0));
}

static json_t *of_account(const struct event *event, struct ops_message *out)
{
    const struct account_changed_evt *account = &event->body.account_changed;
    json_t *json = base_of(event);
    json_object_set_new(json, "account", json_integer(account->account));
    json_object_set_new(json, "kyc", json_string(word_of_kyc(account->kyc)));
    json_object_set_new(json, "fatca", json_string(word_of_fatca(account->fatca)));
    set_flag(json, "activated", account->flags, ACCOUNT_ACTIVATED);
    set_flag(json, "suspended", account->flags, ACCOUNT_SUSPENDED);
    set_flag(json, "has_wallet", account->flags, ACCOUNT_HAS_WALLET);
    set_flag(json, "limits_waived", account->flags, ACCOUNT_NO_LIMITS);
    out->channel = "risk";
    strcpy(out->key, "risk");
    return json;
}

static const char *outcome_name(uint8_t outcome)
{
    switch ((enum settlement_outcome)outcome) {
    case SETTLEMENT_SETTLED:
        return "settled";
    case SETTLEMENT_FAILED:
        return "failed";
    case SETTLEMENT_RETRIED:
        return "retried";
    case SETTLEMENT_XVP_EXECUTED: // told as a step of the instruction
    case SETTLEMENT_XVP_RETURNED:
        break;
    }
    return "unknown";
}

static json_t *of_settlement(const struct event *event, struct ops_message *out)
{
    const struct settlement_booked_evt *booked = &event->body.settlement_booked;
    json_t *json = base_of(event);
    json_object_set_new(json, "trade_id", json_integer((json_int_t)booked->trade_id));
    json_object_set_new(json, "status", json_string(outcome_name(booked->outcome)));
    out->channel = "settlement";
    snprintf(out->key, sizeof out->key, "settlement:booked:%" PRIu64, booked->trade_id);
    out->key_seconds = WEEK_S;
    return json;
}

// ---- risk

static json_t *of_kill(const struct event *event, struct ops_message *out)
{
    const struct kill_changed_evt *kill = &event->body.kill_changed;
    json_t *json = base_of(event);
    json_object_set_new(json, "scope", json_string(word_of_kill_scope(kill->scope)));
    json_object_set_new(json, "id", json_integer(kill->id));
    json_object_set_new(json, "killed", json_boolean(kill->killed));
    json_object_set_new(json, "operator", json_integer(kill->operator_id));
    out->channel = "risk";
    snprintf(out->key, sizeof out->key, "risk:kill:%s:%" PRIu32, word_of_kill_scope(kill->scope),
             kill->id);
    return json;
}

static json_t *of_venue_rules(const struct event *event, struct ops_message *out)
{
    const struct venue_rules_changed_evt *rules = &event->body.venue_rules_changed;
    json_t *json = base_of(event);
    set_flag(json, "two_persons", rules->flags, VENUE_TWO_PERSONS);
    json_object_set_new(json, "operator", json_integer(rules->operator_id));
    out->channel = "risk";
    strcpy(out->key, "risk:rules");
    return json;
}

static const char *proposal_state_name(uint8_t state)
{
    static const char *const names[] = {[PROPOSAL_OPEN] = "open",
                                        [PROPOSAL_APPROVED] = "approved",
                                        [PROPOSAL_WITHDRAWN] = "withdrawn",
                                        [PROPOSAL_FAILED] = "failed"};
    bool known = state < sizeof names / sizeof names[0] && names[state] != NULL;
    return known ? names[state] : "unknown";
}

// What it says is in Postgres: a text of people does not belong here.
static json_t *of_proposal(const struct event *event, struct ops_message *out)
{
    const struct proposal_changed_evt *proposal = &event->body.proposal_changed;
    json_t *json = base_of(event);
    json_object_set_new(json, "proposal", json_integer((json_int_t)proposal->proposal));
    json_object_set_new(json, "state", json_string(proposal_state_name(proposal->state)));
    json_object_set_new(json, "proposed", json_string(command_name(proposal->proposed)));
    json_object_set_new(json, "proposer", json_integer(proposal->proposer));
    json_object_set_new(json, "approver",
                        proposal->approver != 0 ? json_integer(proposal->approver) : json_null());
    json_object_set_new(json, "expires", maybe_time(proposal->expires_ns));
    out->channel = "risk";
    snprintf(out->key, sizeof out->key, "risk:proposal:%" PRIu64, proposal->proposal);
    out->key_seconds = WEEK_S;
    return json;
}

// What it is called, and its legs, are in Postgres.
static json_t *of_xvp(const struct event *event, struct ops_message *out)
{
    const struct xvp_changed_evt *xvp = &event->body.xvp_changed;
    json_t *json = base_of(event);
    json_object_set_new(json, "xvp", json_integer((json_int_t)xvp->xvp));
    json_object_set_new(json, "step", json_string(word_of_xvp_step(xvp->step)));
    json_object_set_new(json, "state", json_string(word_of_xvp_state(xvp->state)));
    json_object_set_new(json, "account",
                        xvp->account != 0 ? json_integer(xvp->account) : json_null());
    json_object_set_new(json, "operator",
                        xvp->operator_id != 0 ? json_integer(xvp->operator_id) : json_null());
    json_object_set_new(json, "reason",
                        xvp->code != 0 ? json_string(reject_entry(xvp->code)->name) : json_null());
    json_object_set_new(json, "legs_approved", json_integer(__builtin_popcount(xvp->approved)));
    json_object_set_new(json, "legs", json_integer(xvp->leg_count));
    json_object_set_new(json, "cutoff", maybe_time(xvp->cutoff_ns));
    out->channel = "risk";
    snprintf(out->key, sizeof out->key, "risk:xvp:%" PRIu64, xvp->xvp);
    out->key_seconds = WEEK_S;
    return json;
}

static json_t *of_deficit(const struct view *view, const struct event *event,
                          struct ops_message *out)
{
    const struct deficit_changed_evt *change = &event->body.deficit_changed;
    const struct asset_rec *asset = view_asset(view, change->asset);
    ASSERT(asset != NULL);
    json_t *json = base_of(event);
    json_object_set_new(json, "account", json_integer(change->account));
    json_object_set_new(
        json, "asset",
        json_stringn_nocheck(asset->symbol, strnlen(asset->symbol, SYMBOL_BYTES_MAX)));
    json_object_set_new(json, "change", decimal(change->amount, asset->scale));
    json_object_set_new(json, "deficit", decimal(change->deficit, asset->scale));
    json_object_set_new(json, "available", decimal(change->available, asset->scale));
    out->channel = "risk";
    snprintf(out->key, sizeof out->key, "risk:deficit:%" PRIu32 ":%" PRIu32, change->account,
             change->asset);
    return json;
}

static json_t *of_correction(const struct view *view, const struct event *event,
                             struct ops_message *out)
{
    const struct trade_corrected_evt *change = &event->body.trade_corrected;
    const struct view_instrument *instrument = view_instrument(view, change->instrument);
    ASSERT(instrument != NULL);
    uint8_t scale = instrument->terms.token_scale;
    json_t *json = base_of(event);
    set_symbol(json, instrument);
    json_object_set_new(json, "trade_id", json_integer((json_int_t)change->trade_id));
    json_object_set_new(json, "status",
                        json_string(change->new_quantity == 0 ? "busted" : "corrected"));
    json_object_set_new(json, "quantity", decimal(change->new_quantity, scale));
    json_object_set_new(json, "quantity_change", decimal(change->quantity, scale));
    json_object_set_new(json, "total_change", decimal(change->notional, 6));
    json_object_set_new(json, "token_short", decimal(change->token_short, scale));
    json_object_set_new(json, "cash_short", decimal(change->cash_short, 6));
    json_object_set_new(json, "buyer_account", json_integer(change->buyer_account));
    json_object_set_new(json, "seller_account", json_integer(change->seller_account));
    json_object_set_new(json, "operator", json_integer(change->operator_id));
    out->channel = "risk";
    snprintf(out->key, sizeof out->key, "risk:correction:%" PRIu64, change->trade_id);
    out->key_seconds = WEEK_S;
    return json;
}

static json_t *json_of(const struct view *view, const struct event *event, struct ops_message *out)
{
    switch ((enum event_type)event->header.type) {
    case EVT_trade:
        return of_trade(view, event, out);
    case EVT_instrument_state:
        return of_instrument_state(view, event, out);
    case EVT_auction:
        return of_auction(view, event, out);
    case EVT_venue_state_changed:
        return of_venue_state(event, out);
    case EVT_rejected:
        return of_rejected(view, event, out);
    case EVT_account_changed:
        return of_account(event, out);
    case EVT_settlement_booked:
        return of_settlement(event, out);
    case EVT_kill_changed:
        return of_kill(event, out);
    case EVT_venue_rules_changed:
        return of_venue_rules(event, out);
    case EVT_proposal_changed:
        return of_proposal(event, out);
    case EVT_deficit_changed:
        return of_deficit(view, event, out);
    case EVT_trade_corrected:
        return of_correction(view, event, out);
    case EVT_xvp_changed:
        return of_xvp(event, out);
    case EVT_xvp_leg:
    case EVT_xvp_move:
    case EVT_xvp_lock:
    case EVT_xvp_posted:
    case EVT_gateway_attached:
    case EVT_gateway_detached:
    case EVT_session_opened:
    case EVT_session_closed:
    case EVT_order_accepted:
    case EVT_order_cancelled:
    case EVT_order_amended:
    case EVT_asset_changed:
    case EVT_instrument_changed:
    case EVT_member_changed:
    case EVT_session_changed:
    case EVT_session_account:
    case EVT_ledger_posted:
    case EVT_order_terms:
    case EVT_order_triggered:
    case EVT_order_reduced:
    case EVT_order_refreshed:
    case EVT_instrument_rules_changed:
    case EVT_tick_band:
    case EVT_schedule_entry:
    case EVT_limits_changed:
    case EVT_instrument_controls_changed:
    case EVT_jurisdiction_listed:
    case EVT_fees_changed:
    case EVT_order_status:
    case EVT_done:
    case EVT_COUNT:
        return NULL;
    }
    return NULL;
}

bool ops_message_of(const struct view *view, const struct event *event, struct ops_message *out)
{
    memset(out, 0, sizeof *out);
    json_t *json = json_of(view, event, out);
    if (json == NULL)
        return false;
    out->text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(json);
    ASSERT(out->text != NULL);
    return true;
}
