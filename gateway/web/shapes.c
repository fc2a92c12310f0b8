#include "gateway/web/shapes.h"

#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "gateway/web/instant.h"
#include "gateway/web/order_words.h"
#include "schema/words.h"

static const char *name_of(const char *const *names, size_t count, unsigned value)
{
    return value < count && names[value] != NULL ? names[value] : "unknown";
}
#define NAME_OF(names, value) name_of(names, sizeof(names) / sizeof *(names), value)

static const char *const statuses[] = {
    [TOKEN_DRAFT] = "draft",   [TOKEN_PRIMARY] = "primary", [TOKEN_SECONDARY] = "secondary",
    [TOKEN_PAUSED] = "paused", [TOKEN_MATURED] = "matured", [TOKEN_DELISTED] = "delisted",
};
static const char *const modes[] = {
    [MODE_PRIMARY_SUBSCRIPTION] = "primary_subscription",
    [MODE_FULL_ORDERBOOK] = "full_orderbook",
    [MODE_FIXED_PRICE_OTC] = "fixed_price_otc",
};

const char *shape_side(uint8_t side)
{
    return order_word(WORDS_SIDE, side);
}

static void fixed_text(struct json_out *out, const char *name, const char *field,
                       size_t field_bytes)
{
    json_text_n(out, name, field, strnlen(field, field_bytes));
}

const char *shape_symbol(const struct view *view, uint32_t instrument)
{
    static _Thread_local char symbol[SYMBOL_BYTES_MAX + 1];
    const struct view_instrument *found = view_instrument(view, instrument);
    symbol[0] = '\0';
    if (found != NULL)
        memcpy(symbol, found->terms.symbol, SYMBOL_BYTES_MAX);
    return symbol;
}

unsigned shape_token_scale(const struct view *view, uint32_t instrument)
{
    const struct view_instrument *found = view_instrument(view, instrument);
    return found != NULL ? found->terms.token_scale : 0;
}

// E4's words, and pending_close for an order that waits for the closing auction.
static const char *order_status(const struct view_order *order, int64_t cancelled)
{
    if (cancelled > 0)
        return "cancelled";
    if (order->leaves == 0)
        return "filled";
    if (order->leaves < order->quantity)
        return "partially_filled";
    bool announced = order->stop_price == 0; // a stop that is triggered may wait for its turn
    if (order->state == ORDER_STATE_PENDING_STOP ||
        (order->state == ORDER_STATE_TRIGGERED && !announced))
        return "pending_stop";
    return order->state == ORDER_STATE_PENDING_CLOSE ? "pending_close" : "open";
}

static void decimal_if_any(struct json_out *out, const char *name, int64_t value, unsigned scale)
{
    if (value != 0)
        json_decimal(out, name, value, scale);
}

static void instant(struct json_out *out, const char *name, uint64_t ns)
{
    char text[INSTANT_TEXT_BYTES_MAX];
    json_text_n(out, name, text, instant_print(ns, text));
}

static void order_terms(struct json_out *out, const struct view_order *order,
                        const struct order_note *note, unsigned scale)
{
    decimal_if_any(out, "stop_price", order->stop_price, CASH_SCALE);
    decimal_if_any(out, "trail_offset", order->trail_offset, CASH_SCALE);
    if (order->display != 0) {
        json_decimal(out, "display_quantity", order->display, scale);
        json_decimal(out, "displayed", order->shown, scale);
    }
    decimal_if_any(out, "minimum_quantity", note->minimum_quantity, scale);
    if (order->expire_ns != 0)
        instant(out, "expire_time", order->expire_ns);
    if ((order->flags & ORDER_POST_ONLY) != 0)
        json_boolean(out, "post_only", true);
    if (order->stp != STP_NONE)
        json_text(out, "self_trade_prevention", order_word(WORDS_STP, order->stp));
    if (order->self_match_id != 0)
        json_integer(out, "self_match_id", order->self_match_id);
}

void shape_order(struct json_out *out, const struct view *view, const struct view_order *order,
                 const struct order_note *note)
{
    unsigned scale = shape_token_scale(view, order->instrument);
    int64_t filled = order->quantity - order->leaves - note->cancelled;
    json_open(out, '{');
    json_id(out, "order", order->order);
    json_text_n(out, "client_order_id", order->client_id, order->client_id_bytes);
    json_integer(out, "account", order->account);
    json_text(out, "symbol", shape_symbol(view, order->instrument));
    json_text(out, "side", shape_side(order->side));
    json_text(out, "order_type", order_word(WORDS_TYPE, order->type));
    json_text(out, "tif", order_word(WORDS_TIF, order->tif));
    if (order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT)
        json_decimal(out, "price", order->price, CASH_SCALE);
    order_terms(out, order, note, scale);
    json_decimal(out, "quantity", order->quantity, scale);
    json_decimal(out, "filled", filled, scale);
    json_decimal(out, "filled_total", order->filled_notional, CASH_SCALE);
    json_decimal(out, "leaves", order->leaves, scale);
    json_text(out, "status", order_status(order, note->cancelled));
    if (note->reason != 0)
        json_text(out, "reason", order_word(WORDS_REASON, note->reason));
    json_id(out, "time", order->entered_ns);
    json_close(out, '}');
}

void shape_fill(struct json_out *out, const struct view *view, const struct event *event,
                bool taker)
{
    const struct trade_evt *trade = &event->body.trade;
    unsigned scale = shape_token_scale(view, trade->instrument);
    uint8_t side = taker == (trade->taker_side == SIDE_BUY) ? SIDE_BUY : SIDE_SELL;
    json_open(out, '{');
    json_id(out, "trade", trade_id_of(event->header.sequence, event->header.index));
    json_integer(out, "sequence", (int64_t)event->header.sequence);
    json_id(out, "order", taker ? trade->taker_order : trade->maker_order);
    json_integer(out, "account", taker ? trade->taker_account : trade->maker_account);
    json_text(out, "symbol", shape_symbol(view, trade->instrument));
    json_text(out, "side", shape_side(side));
    json_decimal(out, "price", trade->price, CASH_SCALE);
    json_decimal(out, "quantity", trade->quantity, scale);
    int64_t leaves = taker ? trade->taker_leaves : trade->maker_leaves;
    json_decimal(out, "leaves", leaves, scale);
    json_text(out, "status", leaves == 0 ? "filled" : "partially_filled");
    json_decimal(out, "fee", taker ? trade->taker_fee : trade->maker_fee, CASH_SCALE);
    json_text(out, "liquidity", taker ? "taker" : "maker");
    json_text(out, "kind", order_word(WORDS_KIND, trade->kind));
    json_text(out, "settlement", "pending");
    json_id(out, "time", event->header.time_ns);
    json_close(out, '}');
}

void shape_correction(struct json_out *out, const struct view *view, const struct event *event,
                      uint8_t side)
{
    const struct trade_corrected_evt *change = &event->body.trade_corrected;
    unsigned scale = shape_token_scale(view, change->instrument);
    bool buyer = side == SIDE_BUY;
    json_open(out, '{');
    json_id(out, "trade", change->trade_id);
    json_integer(out, "account", buyer ? change->buyer_account : change->seller_account);
    json_text(out, "symbol", shape_symbol(view, change->instrument));
    json_text(out, "side", shape_side(side));
    json_text(out, "status", change->new_quantity == 0 ? "busted" : "corrected");
    json_decimal(out, "quantity", change->new_quantity, scale);
    json_decimal(out, "quantity_change", change->quantity, scale);
    json_decimal(out, "total_change", change->notional, CASH_SCALE);
    json_decimal(out, "fee_change", buyer ? change->buyer_fee : change->seller_fee, CASH_SCALE);
    json_id(out, "time", event->header.time_ns);
    json_close(out, '}');
}

void shape_public_trade(struct json_out *out, const struct public_trade *trade,
                        unsigned token_scale)
{
    json_open(out, '{');
    json_id(out, "trade", trade->trade);
    json_decimal(out, "price", trade->price, CASH_SCALE);
    json_decimal(out, "quantity", trade->quantity, token_scale);
    json_text(out, "side", shape_side(trade->taker_side));
    json_text(out, "kind", order_word(WORDS_KIND, trade->kind));
    json_id(out, "time", trade->time_ns);
    json_close(out, '}');
}

static void optional_price(struct json_out *out, const char *name, int64_t price)
{
    if (price > 0)
        json_decimal(out, name, price, CASH_SCALE);
    else
        json_null(out, name);
}

static void optional_instant(struct json_out *out, const char *name, uint64_t ns)
{
    if (ns > 0)
        instant(out, name, ns);
    else
        json_null(out, name);
}

void shape_xvp(struct json_out *out, const struct event *event)
{
    const struct xvp_changed_evt *xvp = &event->body.xvp_changed;
    json_open(out, '{');
    json_id(out, "xvp", xvp->xvp);
    json_text(out, "state", word_of_xvp_state(xvp->state));
    json_boolean(out, "auto_execute", (xvp->flags & XVP_AUTO_EXECUTE) != 0);
    optional_instant(out, "cutoff", xvp->cutoff_ns);
    json_integer(out, "legs", xvp->leg_count);
    json_integer(out, "legs_approved", __builtin_popcount(xvp->approved));
    if (xvp->account != 0)
        json_integer(out, "account", xvp->account);
    else
        json_null(out, "account");
    if (xvp->code != 0)
        json_text(out, "not_executed", reject_entry(xvp->code)->name);
    json_id(out, "time", event->header.time_ns);
    json_close(out, '}');
}

static const char *cash_symbol(const struct view *view, uint32_t asset)
{
    static _Thread_local char symbol[SYMBOL_BYTES_MAX + 1];
    const struct asset_rec *found = view_asset(view, asset);
    symbol[0] = '\0';
    if (found != NULL)
        memcpy(symbol, found->symbol, SYMBOL_BYTES_MAX);
    return symbol;
}

// The tick table: [from price, tick], by ascending price; empty: `tick` holds everywhere.
static void tick_table(struct json_out *out, const struct view_instrument *instrument)
{
    json_name(out, "tick_table");
    json_open(out, '[');
    for (uint32_t i = 0; i < instrument->band_count; i++) {
        json_open(out, '[');
        json_decimal_item(out, instrument->bands[i].from_price, CASH_SCALE);
        json_decimal_item(out, instrument->bands[i].tick, CASH_SCALE);
        json_close(out, ']');
    }
    json_close(out, ']');
}

static void weekdays(struct json_out *out, uint8_t mask)
{
    static const char *const days[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    json_name(out, "weekdays");
    json_open(out, '[');
    for (unsigned i = 0; i < 7; i++)
        if ((mask & 1u << i) != 0)
            json_string_item(out, days[i], 3);
    json_close(out, ']');
}

static void schedule(struct json_out *out, const struct view_instrument *instrument)
{
    json_name(out, "schedule");
    json_open(out, '[');
    for (uint32_t i = 0; i < instrument->entry_count; i++) {
        const struct schedule_entry_rec *entry = &instrument->schedule[i];
        char time[16];
        uint32_t seconds = entry->time_of_day_ms / 1000;
        json_open(out, '{');
        snprintf(time, sizeof time, "%02u:%02u:%02u", seconds / 3600 % 24, seconds / 60 % 60,
                 seconds % 60);
        json_text(out, "time", time);
        json_text(out, "phase", word_of_phase(entry->phase));
        weekdays(out, entry->weekdays);
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void rules(struct json_out *out, const struct view_instrument *instrument)
{
    const struct instrument_rec *terms = &instrument->terms;
    const struct instrument_rules_rec *r = &instrument->rules;
    unsigned scale = terms->token_scale;
    json_decimal(out, "order_quantity_min", r->order_quantity_min, scale);
    json_decimal(out, "order_quantity_max", terms->order_quantity_max, scale);
    json_decimal(out, "order_notional_min", r->order_notional_min, CASH_SCALE);
    json_decimal(out, "order_notional_max", terms->order_notional_max, CASH_SCALE);
    json_integer(out, "fee_bps", terms->fee_bps);
    json_integer(out, "fat_finger_confirm_bps", terms->fat_finger_confirm_bps);
    json_integer(out, "fat_finger_block_bps", terms->fat_finger_block_bps);
    json_integer(out, "nav_confirm_bps", terms->nav_confirm_bps);
    json_integer(out, "collar_bps", terms->collar_bps);
    json_integer(out, "breaker_bps", terms->breaker_bps);
    json_integer(out, "volatility_bps", r->volatility_bps);
    json_integer(out, "volatility_auction_ms", r->volatility_auction_ms);
}

static void controls(struct json_out *out, const struct view_instrument *instrument)
{
    static const char *const actions[] = {"ignore", "confirm", "refuse"}; // enum nav_stale_action
    const struct instrument_controls_rec *c = &instrument->controls;
    unsigned scale = instrument->terms.token_scale;
    json_integer(out, "dynamic_bps", c->dynamic_bps);
    json_integer(out, "limit_state_ms", c->limit_state_ms);
    json_decimal(out, "position_max", c->position_max, scale);
    json_integer(out, "concentration_bps", c->concentration_bps);
    json_integer(out, "nav_stale_ms", c->nav_stale_ms);
    json_text(out, "nav_stale_action", NAME_OF(actions, c->nav_stale_action));
    json_name(out, "investor_types"); // who may buy
    json_open(out, '[');
    for (uint8_t type = ACCREDITATION_RETAIL; type <= ACCREDITATION_INSTITUTIONAL; type++)
        if (c->investor_types == 0 || (c->investor_types >> (type - 1) & 1) != 0) {
            const char *word = word_of_accreditation(type);
            json_string_item(out, word, strlen(word));
        }
    json_close(out, ']');
}

void shape_auction(struct json_out *out, const struct auction_evt *auction, uint64_t time_ns,
                   unsigned token_scale)
{
    if (auction->instrument == 0) {
        json_raw(out, "null", 4);
        out->comma = true;
        return;
    }
    json_open(out, '{');
    json_text(out, "phase", word_of_phase(auction->phase));
    json_boolean(out, "final", auction->final != 0);
    optional_price(out, "price", auction->price);
    json_decimal(out, "quantity", auction->quantity, token_scale);
    json_decimal(out, "surplus", auction->surplus, token_scale);
    if (auction->surplus_side != 0)
        json_text(out, "surplus_side", shape_side(auction->surplus_side));
    else
        json_null(out, "surplus_side");
    json_id(out, "time", time_ns);
    json_close(out, '}');
}

void shape_statistics(struct json_out *out, const struct statistics *of, unsigned token_scale)
{
    json_open(out, '{');
    optional_instant(out, "day_begin", of->day_begin_ns);
    optional_price(out, "open", of->open);
    optional_price(out, "high", of->high);
    optional_price(out, "low", of->low);
    optional_price(out, "close", of->close);
    optional_price(out, "vwap", statistics_vwap(of));
    json_decimal(out, "volume", of->volume, token_scale);
    json_decimal(out, "turnover", of->turnover, CASH_SCALE);
    json_integer(out, "trades", (int64_t)of->trades);
    json_close(out, '}');
}

void shape_instrument(struct json_out *out, const struct view *view,
                      const struct view_instrument *instrument)
{
    const struct instrument_rec *terms = &instrument->terms;
    const struct instrument_state_rec *state = &instrument->state;
    json_open(out, '{');
    json_integer(out, "instrument", terms->instrument);
    fixed_text(out, "symbol", terms->symbol, sizeof terms->symbol);
    json_text(out, "currency", cash_symbol(view, terms->cash_asset));
    json_text(out, "status", NAME_OF(statuses, terms->status));
    json_text(out, "trading_mode", NAME_OF(modes, terms->trading_mode));
    json_text(out, "phase", word_of_phase(state->phase));
    optional_instant(out, "phase_end", state->phase_end_ns);
    optional_instant(out, "schedule_next", state->schedule_next_ns);
    json_boolean(out, "breaker_tripped", state->breaker_tripped != 0);
    optional_instant(out, "limit_state_end", state->limit_state_end_ns);
    json_integer(out, "quantity_decimals", terms->token_scale);
    json_decimal(out, "tick", terms->tick, CASH_SCALE);
    tick_table(out, instrument);
    json_decimal(out, "lot", terms->lot, terms->token_scale);
    rules(out, instrument);
    controls(out, instrument);
    schedule(out, instrument);
    optional_price(out, "last_price", state->last_price);
    optional_price(out, "reference_price", state->reference_price);
    optional_price(out, "nav", state->nav);
    json_close(out, '}');
}

void shape_balance(struct json_out *out, const struct view *view, const struct balance_rec *balance)
{
    const struct asset_rec *asset = view_asset(view, balance->asset);
    ASSERT(asset != NULL);
    json_open(out, '{');
    json_integer(out, "account", balance->account);
    fixed_text(out, "asset", asset->symbol, sizeof asset->symbol);
    json_text(out, "kind", asset->kind == ASSET_CASH ? "cash" : "token");
    json_decimal(out, "available", balance->available, asset->scale);
    json_decimal(out, "held", balance->held, asset->scale);
    json_decimal(out, "unsettled", balance->unsettled, asset->scale);
    json_decimal(out, "blocked", balance->blocked, asset->scale);
    json_close(out, '}');
}

// ---- errors ----------------------------------------------------------------------------------

// The catalogue's text with the field's name in the place of its number.
static void field_text(char *out, size_t size, const char *text, const char *field)
{
    static const char place[] = "{argument}";
    const char *found = strstr(text, place);
    if (found == NULL)
        snprintf(out, size, "%s: %s", field, text);
    else
        snprintf(out, size, "%.*s%s%s", (int)(found - text), text, field, found + sizeof place - 1);
}

static bool of_holding(const struct fault *fault)
{
    return fault->held_scale != 0 && reject_is_of_holding(fault->code);
}

static void error_numbers(struct json_out *out, const struct reject_entry *entry,
                          const struct fault *fault)
{
    static const struct {
        const char *name, *place;
        enum reject_number number;
    } numbers[] = {
        {"limit", "{limit}", REJECT_LIMIT},
        {"value", "{value}", REJECT_VALUE},
        {"argument", "{argument}", REJECT_ARGUMENT},
    };
    const int64_t values[] = {fault->limit, fault->value, fault->argument};
    for (size_t i = 0; i < 3; i++) {
        char text[DECIMAL_TEXT_BYTES_MAX];
        if (strstr(entry->text, numbers[i].place) == NULL)
            continue;
        bool held = of_holding(fault) && numbers[i].number != REJECT_ARGUMENT;
        decimal_print(values[i],
                      held ? fault->held_scale
                           : reject_decimals(entry->code, numbers[i].number, fault->token_scale),
                      text);
        json_text(out, numbers[i].name, text);
    }
}

void shape_error(struct json_out *out, const struct fault *fault)
{
    const struct reject_entry *entry = reject_entry(fault->code);
    const char *field = fault->field != NULL        ? fault->field
                        : fault->unknown[0] != '\0' ? fault->unknown
                                                    : NULL;
    char text[256];
    json_name(out, "error");
    json_open(out, '{');
    json_integer(out, "code", entry->code);
    json_text(out, "name", entry->name);
    json_text(out, "check", entry->check);
    if (field != NULL) {
        field_text(text, sizeof text, entry->text, field);
        json_text(out, "text", text);
        json_text(out, "field", field);
    } else {
        if (of_holding(fault))
            reject_text_of_holding(entry->code, fault->limit, fault->value, fault->argument,
                                   fault->held_scale, text, sizeof text);
        else
            reject_text(entry->code, fault->limit, fault->value, fault->argument,
                        fault->token_scale, text, sizeof text);
        json_text(out, "text", text);
        error_numbers(out, entry, fault);
    }
    json_text(out, "hint", entry->hint);
    json_close(out, '}');
}
