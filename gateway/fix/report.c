#include "gateway/fix/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "gateway/fix/resend.h"

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

static int64_t filled(const struct fix_order *order)
{
    return order->quantity - order->leaves;
}

static char status_of(const struct fix_order *order)
{
    if (order->cancelled)
        return '4';
    if (order->leaves == 0)
        return '2';
    return filled(order) > 0 ? '1' : '0';
}

// Value of the filled quantity per whole token, rounded half up at `scale` decimals.
__extension__ static __int128 average(const struct fix_order *order, unsigned token_scale,
                                      unsigned scale)
{
    __extension__ __int128 value = order->filled_notional;
    for (unsigned i = 0; i < token_scale + scale - CASH_SCALE; i++)
        value *= 10;
    int64_t quantity = filled(order);
    return quantity > 0 ? (value + quantity / 2) / quantity : value;
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

static void add_terms(struct report *report, const struct fix_order *order,
                      const struct instrument_rec *terms)
{
    add_number(report, 1, order->account);
    add(report, 55, terms->symbol, strnlen(terms->symbol, sizeof terms->symbol));
    add_char(report, 54, (char)('0' + order->side));
    add_decimal(report, 38, order->quantity, terms->token_scale);
    add_char(report, 40, (char)('0' + order->type));
    if (order->type == ORDER_LIMIT)
        add_decimal(report, 44, order->price, CASH_SCALE);
    add_char(report, 59, (char)('0' + order->tif));
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
    add_char(report, 851, what->liquidity);
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

void report_order(struct report *report, const struct fix_order *order,
                  const struct happening *what, const struct view *view)
{
    const struct view_instrument *instrument = view_instrument(view, order->instrument);
    ASSERT(instrument != NULL && order->client_id_bytes <= CLIENT_ID_BYTES_MAX);
    const struct instrument_rec *terms = &instrument->terms;
    char exec_id[48] = "0"; // of a status report
    begin(report);
    if (what->reference.sequence != 0)
        report_exec_id(exec_id, &what->reference);
    add_number(report, 37, order->order);
    if (what->client_id != NULL)
        add_id(report, 11, what->client_id);
    else
        add(report, 11, order->client_id, order->client_id_bytes);
    add_id(report, 41, what->original);
    add_id(report, 790, what->status_id);
    add_text(report, 17, exec_id);
    add_char(report, 150, what->exec_type);
    add_char(report, 39, status_of(order));
    add_terms(report, order, terms);
    add_decimal(report, 151, fix_order_is_open(order) ? order->leaves : 0, terms->token_scale);
    add_decimal(report, 14, filled(order), terms->token_scale);
    add_average(report, order, terms->token_scale);
    add_time(report, 60, what->time_ns);
    if (what->exec_type == 'F')
        add_trade(report, what, terms, view);
    if (what->text != NULL)
        add_text(report, 58, what->text);
    if (what->reference.sequence != 0)
        add_number(report, 5005, what->reference.sequence);
}

// ---- refusals -----------------------------------------------------------------------------------

static void add_reason(struct report *report, const struct rejection *why, unsigned token_scale)
{
    char text[512];
    const struct reject_entry *entry = reject_entry(why->code);
    size_t length = (size_t)snprintf(text, sizeof text, "%s: ", entry->name);
    length += (size_t)reject_text(why->code, why->limit, why->value, why->argument, token_scale,
                                  text + length, sizeof text - length);
    ASSERT(length < sizeof text);
    snprintf(text + length, sizeof text - length, " (%s)", entry->hint);
    add_text(report, 58, text);
    add_number(report, 5004, why->code);
    if (why->code == REJECT_FAT_FINGER_CONFIRM || why->code == REJECT_NAV_CONFIRM)
        add_number(report, 5003, why->sequence);
    if (why->sequence != 0)
        add_number(report, 5005, why->sequence);
}

static char choice(uint8_t value)
{
    return value <= 9 ? (char)('0' + value) : (char)value;
}

void report_refused(struct report *report, const struct request *request, char exec_type,
                    const struct rejection *why, const char *exec_id, uint64_t time_ns)
{
    begin(report);
    add_order_id(report, exec_type == 'I' ? request->order : 0);
    add_id(report, 11, &request->client_id);
    add_id(report, 790, &request->status_id);
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
    if (request->type != 0 && request->type != UINT8_MAX)
        add_char(report, 40, choice(request->type));
    if (request->has_price)
        add_decimal(report, 44, request->price, CASH_SCALE);
    add_text(report, 151, "0");
    add_text(report, 14, "0");
    add_text(report, 6, "0");
    add_time(report, 60, time_ns);
    add_reason(report, why, request->token_scale);
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
    add_reason(report, why, request->token_scale);
}

void report_mass_cancel(struct report *report, const struct request *request,
                        const struct rejection *why, uint32_t count, const char *exec_id,
                        uint64_t time_ns)
{
    char type = request->instrument != 0 ? '1' : '7';
    begin(report);
    add_id(report, 11, &request->client_id);
    add_text(report, 37, exec_id);
    add_char(report, 530, type);
    add_char(report, 531, why->code == REJECT_NONE ? type : '0');
    if (why->code != REJECT_NONE)
        add_text(report, 532, "99");
    add_number(report, 533, count);
    if (request->symbol[0] != 0)
        add_text(report, 55, request->symbol);
    add_time(report, 60, time_ns);
    if (why->code != REJECT_NONE)
        add_reason(report, why, request->token_scale);
}

void report_business_reject(struct report *report, const struct request *request, unsigned reason,
                            const char *text)
{
    static const char types[] = "DFGHq"; // in the order of enum request_kind
    begin(report);
    add_number(report, 45, request->session_seq);
    add_char(report, 372, types[request->kind]);
    add_id(report, 379, &request->client_id);
    add_number(report, 380, reason);
    add_text(report, 58, text);
}
