#include "gateway/fix/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "gateway/fix/fix_time.h"

enum { CASH_SCALE = 6, AVERAGE_SCALE = 8 };

// ---- fields -------------------------------------------------------------------------------------

static struct fix_text keep_text(struct report *report, const char *at, size_t bytes)
{
    ASSERT(report->text_bytes + bytes <= sizeof report->text);
    char *to = report->text + report->text_bytes;
    memcpy(to, at, bytes);
    report->text_bytes += bytes;
    return (struct fix_text){to, bytes};
}

static void add(struct report *report, uint32_t tag, const char *at, size_t bytes)
{
    ASSERT(report->field_count < REPORT_FIELDS_MAX);
    report->fields[report->field_count++] = (struct fix_field){tag, keep_text(report, at, bytes)};
}

static void add_text(struct report *report, uint32_t tag, const char *text)
{
    add(report, tag, text, strlen(text));
}

static void add_char(struct report *report, uint32_t tag, char c)
{
    add(report, tag, &c, 1);
}

static void add_number(struct report *report, uint32_t tag, uint64_t number)
{
    char text[24];
    add(report, tag, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, number));
}

static void add_decimal(struct report *report, uint32_t tag, int64_t value, unsigned scale)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    add(report, tag, text, decimal_print(value, scale, text));
}

static void add_id(struct report *report, uint32_t tag, const struct request_id *id)
{
    if (id != NULL && id->bytes > 0)
        add(report, tag, id->text, id->bytes);
}

static void add_time(struct report *report, uint32_t tag, uint64_t time_ns)
{
    char text[FIX_TIME_BYTES];
    fix_time(text, time_ns);
    add_text(report, tag, text);
}

static void add_order_id(struct report *report, uint64_t order)
{
    if (order == 0)
        add_text(report, 37, "NONE");
    else
        add_number(report, 37, order);
}

void report_exec_id(char out[48], const struct store_reference *reference)
{
    int length = snprintf(out, 48, "%" PRIu64 "-%" PRIu32, reference->sequence, reference->index);
    if (reference->side != 0)
        snprintf(out + length, 48 - (size_t)length, "-%c", reference->side == SIDE_BUY ? 'B' : 'S');
}

// ---- order states -------------------------------------------------------------------------------

static char status_of(const struct fix_order *order)
{
    if (order->ended != 0)
        return order->ended;
    if (order->leaves == 0)
        return '2';
    return fix_order_filled(order) > 0 ? '1' : '0';
}

// At `scale` decimals.
__extension__ static __int128 average(const struct fix_order *order, unsigned token_scale,
                                      unsigned scale)
{
    return value_per_token(order->filled_notional, fix_order_filled(order),
                           token_scale + scale - CASH_SCALE);
}

// To eight decimals, or to as many as fit: an average is no higher than the highest price, so
// those of a price always do.
static void add_average(struct report *report, const struct fix_order *order, unsigned token_scale)
{
    unsigned scale = AVERAGE_SCALE;
    while (scale > CASH_SCALE && average(order, token_scale, scale) > INT64_MAX)
        scale--;
    __extension__ __int128 value = average(order, token_scale, scale);
    ASSERT(value >= 0 && value <= INT64_MAX);
    add_decimal(report, 6, (int64_t)value, scale);
}

static char type_char(uint8_t type)
{
    return type == ORDER_TRAILING_STOP ? 'P' : (char)('0' + type);
}

static void add_exec_inst(struct report *report, const struct fix_terms *terms)
{
    if (terms->trail_offset != 0)
        add_char(report, 18, 'a');
    else if ((terms->flags & ORDER_POST_ONLY) != 0)
        add_char(report, 18, '6');
}

// What the order has beyond price and quantity.
static void add_more_terms(struct report *report, const struct fix_terms *terms,
                           unsigned token_scale)
{
    add_exec_inst(report, terms);
    if (terms->stop_price != 0)
        add_decimal(report, 99, terms->stop_price, CASH_SCALE);
    if (terms->trail_offset != 0) {
        add_decimal(report, 211, terms->trail_offset, CASH_SCALE);
        add_char(report, 836, '0');
    }
    if (terms->display_quantity != 0)
        add_decimal(report, 111, terms->display_quantity, token_scale);
    if (terms->minimum_quantity != 0)
        add_decimal(report, 110, terms->minimum_quantity, token_scale);
    if (terms->expire_ns != 0)
        add_time(report, 126, terms->expire_ns);
    if (terms->self_match_id != 0)
        add_number(report, 2362, terms->self_match_id);
    if (terms->stp != STP_NONE)
        add_number(report, 2964, terms->stp);
}

static bool has_limit(uint8_t type)
{
    return type == ORDER_LIMIT || type == ORDER_STOP_LIMIT;
}

// Whether the market can meet it; only of orders that do not begin in the book.
static void add_working(struct report *report, const struct fix_order *order)
{
    bool waits = order->state != ORDER_STATE_OPEN;
    bool begins_outside = order->type == ORDER_STOP || order->type == ORDER_STOP_LIMIT ||
                          order->type == ORDER_TRAILING_STOP || order->tif == TIF_AT_CLOSE;
    if (begins_outside && fix_order_is_open(order))
        add_char(report, 636, waits ? 'N' : 'Y');
}

static void add_terms(struct report *report, const struct fix_order *order,
                      const struct instrument_rec *terms)
{
    add_number(report, 1, order->account);
    add(report, 55, terms->symbol, strnlen(terms->symbol, sizeof terms->symbol));
    add_char(report, 54, (char)('0' + order->side));
    add_decimal(report, 38, order->quantity, terms->token_scale);
    add_char(report, 40, type_char(order->type));
    if (has_limit(order->type))
        add_decimal(report, 44, order->price, CASH_SCALE);
    add_char(report, 59, (char)('0' + order->tif));
    add_more_terms(report, &order->terms, terms->token_scale);
    add_working(report, order);
}

static void add_fee(struct report *report, int64_t fee, const struct asset_rec *cash)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    size_t bytes = decimal_print(fee, CASH_SCALE, text);
    report->fee_fields[0] = (struct fix_field){137, keep_text(report, text, bytes)};
    report->fee_fields[1] = (struct fix_field){
        138, keep_text(report, cash->symbol, strnlen(cash->symbol, sizeof cash->symbol))};
    report->fee_fields[2] = (struct fix_field){139, keep_text(report, "4", 1)}; // exchange fee
    report->fee = (struct fix_group){136, report->fee_fields, 3};
    report->has_fee = true;
}

static void add_trade(struct report *report, const struct happening *what,
                      const struct instrument_rec *terms, const struct view *view)
{
    add_decimal(report, 31, what->last_price, CASH_SCALE);
    add_decimal(report, 32, what->last_quantity, terms->token_scale);
    if (what->liquidity != 0)
        add_char(report, 851, what->liquidity);
    if (what->liquidity == '4')
        add_char(report, 574, '7'); // call auction
    const struct asset_rec *cash = view_asset(view, terms->cash_asset);
    ASSERT(cash != NULL);
    if (what->fee != 0)
        add_fee(report, what->fee, cash);
}

static void begin(struct report *report)
{
    report->field_count = 0;
    report->text_bytes = 0;
    report->has_fee = false;
}

static void add_identity(struct report *report, const struct fix_order *order,
                         const struct happening *what)
{
    char exec_id[48] = "0"; // of a status report
    if (what->reference.sequence != 0)
        report_exec_id(exec_id, &what->reference);
    add_number(report, 37, order->order);
    if (what->client_id != NULL)
        add_id(report, 11, what->client_id);
    else
        add(report, 11, order->client_id, order->client_id_bytes);
    add_id(report, 41, what->original);
    add_id(report, what->total != 0 ? 584 : 790, what->status_id);
    if (what->total != 0) {
        add_number(report, 911, what->total);
        add_char(report, 912, what->last ? 'Y' : 'N');
    }
    add_text(report, 17, exec_id);
    if (what->corrected.sequence != 0) {
        report_exec_id(exec_id, &what->corrected);
        add_text(report, 19, exec_id);
    }
    add_char(report, 150, what->exec_type);
    add_char(report, 39, status_of(order));
    if (what->exec_type == 'D')
        add_char(report, 378, '5'); // self-trade prevention took a part of the quantity
    if (what->priority != 0)
        add_char(report, 638, what->priority);
}

void report_order(struct report *report, const struct fix_order *order,
                  const struct happening *what, const struct view *view)
{
    const struct view_instrument *instrument = view_instrument(view, order->instrument);
    ASSERT(instrument != NULL && order->client_id_bytes <= CLIENT_ID_BYTES_MAX);
    const struct instrument_rec *terms = &instrument->terms;
    begin(report);
    add_identity(report, order, what);
    add_terms(report, order, terms);
    add_decimal(report, 151, fix_order_is_open(order) ? order->leaves : 0, terms->token_scale);
    add_decimal(report, 14, fix_order_filled(order), terms->token_scale);
    add_average(report, order, terms->token_scale);
    add_time(report, 60, what->time_ns);
    if (what->exec_type == 'F' || what->corrected.sequence != 0)
        add_trade(report, what, terms, view);
    if (what->text != NULL)
        add_text(report, 58, what->text);
    if (what->sequence != 0)
        add_number(report, 5005, what->sequence);
}

// ---- refusals -----------------------------------------------------------------------------------

// Whether the same order may come again with a flag that confirms it.
static bool asks_for_confirmation(const struct rejection *why)
{
    return why->code == REJECT_FAT_FINGER_CONFIRM || why->code == REJECT_NAV_CONFIRM ||
           (why->code == REJECT_NAV_STALE && why->argument == NAV_STALE_CONFIRM);
}

static void add_reason(struct report *report, const struct rejection *why,
                       const struct request *request)
{
    char text[512];
    const struct reject_entry *entry = reject_entry(why->code);
    size_t length = (size_t)snprintf(text, sizeof text, "%s: ", entry->name);
    unsigned held_scale = request->side == SIDE_BUY ? CASH_SCALE : request->token_scale;
    if (reject_is_of_holding(why->code) && request->side != 0)
        length += (size_t)reject_text_of_holding(why->code, why->limit, why->value, why->argument,
                                                 held_scale, text + length, sizeof text - length);
    else
        length += (size_t)reject_text(why->code, why->limit, why->value, why->argument,
                                      request->token_scale, text + length, sizeof text - length);
    ASSERT(length < sizeof text);
    snprintf(text + length, sizeof text - length, " (%s)", entry->hint);
    add_text(report, 58, text);
    add_number(report, 5004, why->code);
    if (asks_for_confirmation(why))
        add_number(report, 5003, why->sequence);
    if (why->sequence != 0)
        add_number(report, 5005, why->sequence);
}

static char choice(uint8_t value)
{
    return value <= 9 ? (char)('0' + value) : (char)value;
}

static void add_refused_status(struct report *report, const struct request *request)
{
    if (request->kind != REQUEST_MASS_STATUS) {
        add_id(report, 11, &request->client_id);
        add_id(report, 790, &request->status_id);
        return;
    }
    add_id(report, 584, &request->status_id);
    add_char(report, 912, 'Y');
}

static void add_nothing_done(struct report *report, uint64_t time_ns)
{
    add_text(report, 151, "0");
    add_text(report, 14, "0");
    add_text(report, 6, "0");
    add_time(report, 60, time_ns);
}

void report_refused(struct report *report, const struct request *request, char exec_type,
                    const struct rejection *why, const char *exec_id, uint64_t time_ns)
{
    begin(report);
    add_order_id(report, exec_type == 'I' ? request->order : 0);
    add_refused_status(report, request);
    add_text(report, 17, exec_id);
    add_char(report, 150, exec_type);
    add_char(report, 39, '8');
    add_number(report, 103, reject_entry(why->code)->ord_rej_reason);
    if (request->account != 0)
        add_number(report, 1, request->account);
    add_text(report, 55, request->symbol[0] != 0 ? request->symbol : "[N/A]");
    // Undisclosed (7) where the request is gone with the process that took it.
    add_char(report, 54,
             request->side != 0 && request->side != UINT8_MAX ? choice(request->side) : '7');
    if (request->quantity > 0)
        add_decimal(report, 38, request->quantity, request->token_scale);
    if (request->type_sent != 0)
        add_char(report, 40, request->type_sent);
    if ((request->given & GIVEN_PRICE) != 0)
        add_decimal(report, 44, request->price, CASH_SCALE);
    if (request->kind == REQUEST_NEW) {
        if (request->tif != TIF_NOT_GIVEN)
            add_char(report, 59, choice(request->tif));
        add_more_terms(report, &request->terms, request->token_scale);
    }
    add_nothing_done(report, time_ns);
    add_reason(report, why, request);
}

void report_no_orders(struct report *report, const struct request *request, uint64_t time_ns)
{
    begin(report);
    add_order_id(report, 0);
    add_refused_status(report, request);
    add_text(report, 911, "0");
    add_text(report, 17, "0");
    add_char(report, 150, 'I');
    add_char(report, 39, '8');
    add_text(report, 103, "5"); // unknown order
    add_text(report, 55, request->symbol[0] != 0 ? request->symbol : "[N/A]");
    add_char(report, 54, request->side != 0 ? choice(request->side) : '7');
    add_nothing_done(report, time_ns);
    add_text(report, 58, "no order is open");
}

void report_cancel_refused(struct report *report, const struct request *request,
                           const struct fix_order *order, const struct rejection *why,
                           uint64_t time_ns)
{
    begin(report);
    add_order_id(report, order != NULL ? order->order : 0);
    add_id(report, 11, &request->client_id);
    if (request->original.bytes > 0)
        add_id(report, 41, &request->original);
    else if (order != NULL)
        add(report, 41, order->client_id, order->client_id_bytes);
    else
        add_text(report, 41, "NONE");
    add_char(report, 39, order != NULL ? status_of(order) : '8');
    if (request->account != 0)
        add_number(report, 1, request->account);
    add_time(report, 60, time_ns);
    add_char(report, 434, request->kind == REQUEST_AMEND ? '2' : '1');
    add_number(report, 102, reject_entry(why->code)->cxl_rej_reason);
    add_reason(report, why, request);
}

void report_mass_cancel(struct report *report, const struct request *request,
                        const struct rejection *why, uint32_t count, const char *exec_id,
                        uint64_t time_ns)
{
    char type = request->all_or_one;
    if (type == 0) // the request is gone with the process that took it
        type = request->instrument != 0 ? '1' : '7';
    begin(report);
    add_id(report, 11, &request->client_id);
    add_text(report, 37, exec_id);
    add_char(report, 530, type);
    add_char(report, 531, why->code == REJECT_NONE ? type : '0');
    if (why->code != REJECT_NONE)
        add_text(report, 532, why->code == REJECT_UNKNOWN_SYMBOL ? "1" : "99");
    add_number(report, 533, count);
    if (request->account != 0)
        add_number(report, 1, request->account);
    if (request->symbol[0] != 0)
        add_text(report, 55, request->symbol);
    if (request->side == SIDE_BUY || request->side == SIDE_SELL)
        add_char(report, 54, choice(request->side));
    add_time(report, 60, time_ns);
    if (why->code != REJECT_NONE)
        add_reason(report, why, request);
}

// ---- the market ---------------------------------------------------------------------------------

struct phase_tags { // 326 is the nearest of the standard's; 625 tells every phase apart
    const char *trading_status, *session_sub_id;
};

static struct phase_tags tags_of_phase(uint8_t phase)
{
    switch ((enum market_phase)phase) {
    case PHASE_CLOSED:
        return (struct phase_tags){"18", "5"}; // not available; post-trading
    case PHASE_PRE_OPEN:
        return (struct phase_tags){"21", "1"}; // pre-open; pre-trading
    case PHASE_OPENING_AUCTION:
        return (struct phase_tags){"22", "2"}; // opening rotation; opening auction
    case PHASE_CONTINUOUS:
        return (struct phase_tags){"17", "3"}; // ready to trade; continuous
    case PHASE_VOLATILITY_AUCTION:
        return (struct phase_tags){"5", "6"}; // price indication; intraday auction
    case PHASE_HALTED:
        return (struct phase_tags){"2", "7"}; // halt; quiescent
    case PHASE_CLOSING_AUCTION:
        return (struct phase_tags){"5", "4"}; // price indication; closing auction
    }
    ASSERT(false);
    return (struct phase_tags){0};
}

// Both ends of the indicated range are the one price; what both sides have at it.
static void add_indication(struct report *report, const struct auction_evt *auction,
                           unsigned token_scale)
{
    int64_t buys = auction->quantity, sells = auction->quantity;
    if (auction->surplus_side == SIDE_BUY)
        buys += auction->surplus;
    if (auction->surplus_side == SIDE_SELL)
        sells += auction->surplus;
    add_decimal(report, 330, buys, token_scale);
    add_decimal(report, 331, sells, token_scale);
    add_decimal(report, 332, auction->price, CASH_SCALE);
    add_decimal(report, 333, auction->price, CASH_SCALE);
}

// The one that runs has told a price.
static bool has_indication(const struct view_instrument *instrument)
{
    const struct auction_evt *auction = &instrument->auction;
    return auction->instrument != 0 && auction->final == 0 && auction->price != 0 &&
           auction->phase == instrument->state.phase;
}

void report_security_status(struct report *report, const char *symbol,
                            const struct request_id *status_id, const struct security_state *state)
{
    begin(report);
    add_id(report, 324, status_id);
    add_text(report, 55, symbol);
    add_char(report, 325, state->unsolicited ? 'Y' : 'N');
    if (state->instrument == NULL) {
        add_text(report, 326, "20"); // unknown or invalid
        add_time(report, 60, state->time_ns);
        return;
    }
    const struct instrument_state_rec *now = &state->instrument->state;
    struct phase_tags tags = tags_of_phase(now->phase);
    bool tripped = now->breaker_tripped != 0;
    add_text(report, 326, tripped ? "2" : tags.trading_status);
    add_text(report, 625, tags.session_sub_id);
    if (has_indication(state->instrument))
        add_indication(report, &state->instrument->auction, state->instrument->terms.token_scale);
    if (now->last_price != 0)
        add_decimal(report, 31, now->last_price, CASH_SCALE);
    add_time(report, 60, state->time_ns);
    if (tripped)
        add_text(report, 58, "the circuit breaker is tripped");
    else if (now->limit_state_end_ns != 0)
        add_text(report, 58, "limit state: a price band was met");
}

void report_venue_status(struct report *report, const char *venue,
                         const struct request_id *status_id, uint8_t venue_state, bool unsolicited)
{
    bool open = venue_state == VENUE_OPEN;
    begin(report);
    add_id(report, 335, status_id);
    add_text(report, 336, venue);
    add_char(report, 325, unsolicited ? 'Y' : 'N');
    add_char(report, 340, open ? '2' : '1'); // open; halted
    if (!open)
        add_text(report, 58, "the venue takes cancels only");
}

void report_business_reject(struct report *report, const struct request *request, unsigned reason,
                            const char *text)
{
    begin(report);
    add_number(report, 45, request->session_seq);
    add_text(report, 372, request_type(request->kind));
    add_id(report, 379, request->client_id.bytes > 0 ? &request->client_id : &request->status_id);
    add_number(report, 380, reason);
    add_text(report, 58, text);
}
