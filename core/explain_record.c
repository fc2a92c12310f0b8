#include "core/explain_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/explain_words.h"
#include "schema/words.h"

enum { CASH_SCALE = 6 };

// ---- what a field is

enum unit {
    UNIT_PLAIN,
    UNIT_CASH,
    UNIT_TOKEN,
    UNIT_ASSET, // of the record's asset; of an order, of what its side holds
    UNIT_TIME,
    UNIT_SIDE,
    UNIT_PHASE,
    UNIT_ORDER_TYPE,
    UNIT_TIF,
    UNIT_ORDER_STATE,
    UNIT_VENUE_STATE,
    UNIT_REASON,
    UNIT_KYC,
    UNIT_FATCA,
    UNIT_ACCREDITATION,
    UNIT_LIMIT_SCOPE,
    UNIT_KILL_SCOPE,
    UNIT_MASS_SCOPE,
    UNIT_POSTING,
    UNIT_GATEWAY,
    UNIT_COMMAND,
    UNIT_TOKEN_STATUS,
    UNIT_TRADING_MODE,
    UNIT_FEE, // FEE_BPS_DEFAULT is none of its own
    UNIT_LEAVE_OUT,
};

// What a field is, by its name and (where that alone does not say) the record it is in. The first
// row that fits holds.
static const struct {
    const char *record, *field;
    enum unit unit;
} units[] = {
    {"trade", "kind", UNIT_PLAIN},
    {"ledger_posted", "kind", UNIT_POSTING},
    {"ledger_post", "kind", UNIT_POSTING},
    {"limits", "scope", UNIT_LIMIT_SCOPE},
    {"limits_set", "scope", UNIT_LIMIT_SCOPE},
    {"limits_changed", "scope", UNIT_LIMIT_SCOPE},
    {"kill", "scope", UNIT_KILL_SCOPE},
    {"kill_set", "scope", UNIT_KILL_SCOPE},
    {"kill_changed", "scope", UNIT_KILL_SCOPE},
    {"order_mass_cancel", "scope", UNIT_MASS_SCOPE},
    {"venue_state", "state", UNIT_VENUE_STATE},
    {"venue_state_changed", "state", UNIT_VENUE_STATE},
    {"order", "state", UNIT_ORDER_STATE},
    {"order_accepted", "state", UNIT_ORDER_STATE},
    {"order_status", "state", UNIT_ORDER_STATE},
    {"order", "type", UNIT_ORDER_TYPE},
    {"order_accepted", "type", UNIT_ORDER_TYPE},
    {"order_new", "type", UNIT_ORDER_TYPE},
    {"order_new_terms", "type", UNIT_ORDER_TYPE},
    {"order_triggered", "type", UNIT_ORDER_TYPE},
    {"rejected", "command", UNIT_COMMAND},
    {"confirm", "time_ns", UNIT_TIME},
    {"instrument", "status", UNIT_TOKEN_STATUS},
    {"instrument_set", "status", UNIT_TOKEN_STATUS},
    {NULL, "trading_mode", UNIT_TRADING_MODE},
    {NULL, "fee_bps", UNIT_FEE},
    {NULL, "gateway_seq", UNIT_LEAVE_OUT},
    {NULL, "incarnation", UNIT_LEAVE_OUT},
    {NULL, "client_id_bytes", UNIT_LEAVE_OUT},
    {NULL, "gateway", UNIT_GATEWAY},
    {NULL, "side", UNIT_SIDE},
    {NULL, "taker_side", UNIT_SIDE},
    {NULL, "surplus_side", UNIT_SIDE},
    {NULL, "last_side", UNIT_SIDE},
    {NULL, "last_type", UNIT_ORDER_TYPE},
    {NULL, "last_tif", UNIT_TIF},
    {NULL, "tif", UNIT_TIF},
    {NULL, "phase", UNIT_PHASE},
    {NULL, "reason", UNIT_REASON},
    {NULL, "kyc", UNIT_KYC},
    {NULL, "fatca", UNIT_FATCA},
    {NULL, "accreditation", UNIT_ACCREDITATION},
    {NULL, "proposed", UNIT_COMMAND},
    {NULL, "price", UNIT_CASH},
    {NULL, "stop_price", UNIT_CASH},
    {NULL, "trigger_price", UNIT_CASH},
    {NULL, "trail_offset", UNIT_CASH},
    {NULL, "last_price", UNIT_CASH},
    {NULL, "last_stop_price", UNIT_CASH},
    {NULL, "reference_price", UNIT_CASH},
    {NULL, "from_price", UNIT_CASH},
    {NULL, "nav", UNIT_CASH},
    {NULL, "tick", UNIT_CASH},
    {NULL, "order_notional_max", UNIT_CASH},
    {NULL, "order_notional_min", UNIT_CASH},
    {NULL, "order_value_max", UNIT_CASH},
    {NULL, "daily_value_max", UNIT_CASH},
    {NULL, "traded", UNIT_CASH},
    {NULL, "bought", UNIT_CASH},
    {NULL, "notional", UNIT_CASH},
    {NULL, "new_notional", UNIT_CASH},
    {NULL, "filled_notional", UNIT_CASH},
    {NULL, "proceeds", UNIT_CASH},
    {NULL, "maker_fee", UNIT_CASH},
    {NULL, "taker_fee", UNIT_CASH},
    {NULL, "buyer_fee", UNIT_CASH},
    {NULL, "seller_fee", UNIT_CASH},
    {NULL, "new_buyer_fee", UNIT_CASH},
    {NULL, "new_seller_fee", UNIT_CASH},
    {NULL, "buyer_released", UNIT_CASH},
    {NULL, "cash_short", UNIT_CASH},
    {NULL, "quantity", UNIT_TOKEN},
    {NULL, "new_quantity", UNIT_TOKEN},
    {NULL, "last_quantity", UNIT_TOKEN},
    {NULL, "leaves", UNIT_TOKEN},
    {NULL, "maker_leaves", UNIT_TOKEN},
    {NULL, "taker_leaves", UNIT_TOKEN},
    {NULL, "displayed", UNIT_TOKEN},
    {NULL, "display_quantity", UNIT_TOKEN},
    {NULL, "minimum_quantity", UNIT_TOKEN},
    {NULL, "hidden", UNIT_TOKEN},
    {NULL, "surplus", UNIT_TOKEN},
    {NULL, "lot", UNIT_TOKEN},
    {NULL, "order_quantity_max", UNIT_TOKEN},
    {NULL, "order_quantity_min", UNIT_TOKEN},
    {NULL, "position_max", UNIT_TOKEN},
    {NULL, "supply", UNIT_TOKEN},
    {NULL, "token_short", UNIT_TOKEN},
    {NULL, "available", UNIT_ASSET},
    {NULL, "held", UNIT_ASSET},
    {NULL, "unsettled", UNIT_ASSET},
    {NULL, "blocked", UNIT_ASSET},
    {NULL, "deficit", UNIT_ASSET},
    {NULL, "amount", UNIT_ASSET},
    {NULL, "released", UNIT_ASSET},
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length > tail && strcmp(text + length - tail, end) == 0;
}

static enum unit unit_of(const char *record, const char *field)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if ((units[i].record == NULL || strcmp(units[i].record, record) == 0) &&
            strcmp(units[i].field, field) == 0)
            return units[i].unit;
    return ends_with(field, "_ns") ? UNIT_TIME : UNIT_PLAIN;
}

struct scales {
    unsigned token, asset;
};

// From the record's own fields: its instrument, its asset, its side.
static struct scales scales_of(const struct explain_view *view, const json_t *raw)
{
    uint32_t instrument = (uint32_t)json_integer_value(json_object_get(raw, "instrument"));
    const json_t *asset = json_object_get(raw, "asset");
    const json_t *side = json_object_get(raw, "side");
    struct scales scales = {.token = explain_view_token_scale(view, instrument)};
    if (asset != NULL)
        scales.asset = explain_view_scale(view, (uint32_t)json_integer_value(asset));
    else if (side != NULL)
        scales.asset = json_integer_value(side) == SIDE_BUY ? CASH_SCALE : scales.token;
    return scales;
}

static const char *word_of(enum unit unit, uint8_t value)
{
    switch (unit) {
    case UNIT_SIDE:
        return explain_side_word(value);
    case UNIT_PHASE:
        return word_of_phase(value);
    case UNIT_ORDER_TYPE:
        return word_of_order_type(value);
    case UNIT_TIF:
        return word_of_time_in_force(value);
    case UNIT_ORDER_STATE:
        return explain_state_word(value);
    case UNIT_VENUE_STATE:
        return explain_venue_word(value);
    case UNIT_REASON:
        return explain_cancel_word(value);
    case UNIT_KYC:
        return word_of_kyc(value);
    case UNIT_FATCA:
        return word_of_fatca(value);
    case UNIT_ACCREDITATION:
        return word_of_accreditation(value);
    case UNIT_LIMIT_SCOPE:
        return word_of_limit_scope(value);
    case UNIT_KILL_SCOPE:
        return word_of_kill_scope(value);
    case UNIT_MASS_SCOPE:
        return word_of_mass_scope(value);
    case UNIT_POSTING:
        return explain_posting_word(value);
    case UNIT_GATEWAY:
        return explain_gateway_word(value);
    case UNIT_COMMAND:
        return command_name(value);
    case UNIT_TOKEN_STATUS:
        return explain_token_status_word(value);
    case UNIT_TRADING_MODE:
        return explain_trading_mode_word(value);
    case UNIT_FEE:
    case UNIT_PLAIN:
    case UNIT_CASH:
    case UNIT_TOKEN:
    case UNIT_ASSET:
    case UNIT_TIME:
    case UNIT_LEAVE_OUT:
    default:
        return "unknown";
    }
}

// Zero is nothing, but for the three words that begin at 0.
static bool is_nothing(enum unit unit, json_int_t number)
{
    return number == 0 && unit != UNIT_TIF && unit != UNIT_GATEWAY && unit != UNIT_MASS_SCOPE;
}

// NULL: it is left out.
static json_t *friendly_number(enum unit unit, json_int_t number, const struct scales *scales)
{
    if (unit == UNIT_LEAVE_OUT || is_nothing(unit, number) ||
        (unit == UNIT_FEE && number == FEE_BPS_DEFAULT))
        return NULL;
    if (unit == UNIT_CASH)
        return json_string(explain_cash(number).text);
    if (unit == UNIT_TOKEN)
        return json_string(explain_units(number, scales->token).text);
    if (unit == UNIT_ASSET)
        return json_string(explain_units(number, scales->asset).text);
    if (unit == UNIT_TIME)
        return json_string(explain_time((uint64_t)number).text);
    const char *named =
        number >= 0 && number <= UINT8_MAX ? word_of(unit, (uint8_t)number) : "unknown";
    return strcmp(named, "unknown") != 0 ? json_string(named) : json_integer(number);
}

static bool is_large(const char *digits, size_t count)
{
    static const char most[] = "9223372036854775807";
    return count > sizeof most - 1 || (count == sizeof most - 1 && memcmp(digits, most, count) > 0);
}

// A u64 above INT64_MAX (a hash, a digest) is no integer that jansson takes: it becomes a text.
static json_t *load_dump(const char *dump)
{
    char quoted[8192];
    size_t length = 0;
    bool in_text = false;
    for (const char *at = dump; *at != 0;) {
        size_t count = in_text ? 0 : strspn(at, "0123456789");
        const char *quote = count > 0 && is_large(at, count) ? "\"" : "";
        if (*at == '"')
            in_text = !in_text;
        if (count == 0)
            count = *at == '\\' ? 2 : 1; // an escape is of two, at least
        ASSERT(length < sizeof quoted - 64);
        length += (size_t)snprintf(quoted + length, sizeof quoted - length, "%s%.*s%s", quote,
                                   (int)count, at, quote);
        at += count;
    }
    json_t *raw = json_loads(quoted, 0, NULL);
    ASSERT(raw != NULL);
    return raw;
}

json_t *explain_record(const struct explain_view *view, const char *dump)
{
    json_t *raw = load_dump(dump);
    json_t *friendly = json_object();
    const char *record = "";
    const struct scales scales = scales_of(view, raw);
    for (void *at = json_object_iter(raw); at != NULL; at = json_object_iter_next(raw, at)) {
        const char *key = json_object_iter_key(at);
        json_t *value = json_object_iter_value(at), *shown = NULL;
        json_type type = json_typeof(value);
        if (type == JSON_STRING && json_object_size(friendly) == 0)
            record = json_string_value(value);
        if (type == JSON_INTEGER)
            shown = friendly_number(unit_of(record, key), json_integer_value(value), &scales);
        else if (type != JSON_STRING || json_string_length(value) > 0)
            shown = json_incref(value);
        if (shown != NULL)
            ASSERT(json_object_set_new(friendly, key, shown) == 0);
    }
    json_decref(raw);
    return friendly;
}

json_t *explain_snapshot(const struct explain_view *view, const struct snapshot_record *record)
{
    char dump[2048];
    snapshot_dump(record, dump, sizeof dump);
    return explain_record(view, dump);
}

static void line_value(FILE *out, const json_t *value)
{
    if (json_typeof(value) == JSON_STRING) {
        fprintf(out, "%s", json_string_value(value));
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    ASSERT(text != NULL);
    fprintf(out, "%s", text);
    free(text);
}

char *explain_line(const json_t *record)
{
    char *text = NULL;
    size_t bytes = 0, fields = 0;
    FILE *out = open_memstream(&text, &bytes);
    ASSERT(out != NULL);
    void *at = json_object_iter((json_t *)(uintptr_t)record);
    for (; at != NULL; at = json_object_iter_next((json_t *)(uintptr_t)record, at), fields++) {
        if (fields > 0)
            fprintf(out, "%s%s ", fields == 1 ? ": " : ", ", json_object_iter_key(at));
        line_value(out, json_object_iter_value(at));
    }
    fclose(out);
    return text;
}
