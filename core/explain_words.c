#include "core/explain_words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/decimal.h"
#include "core/explain_answer.h"
#include "schema/words.h"

#define NS_PER_S 1000000000u
enum { CASH_SCALE = 6 };

static const char *word(const char *const *words, size_t count, uint8_t value)
{
    return value < count && words[value] != NULL ? words[value] : "unknown";
}
#define WORD(words, value) word(words, sizeof(words) / sizeof *(words), value)

// ---- numbers, times
// --------------------------------------------------------------------------------

struct explain_text explain_units(int64_t amount, unsigned scale)
{
    struct explain_text out;
    char text[DECIMAL_TEXT_BYTES_MAX];
    decimal_print(amount, scale <= DECIMAL_SCALE_MAX ? scale : 0, text);
    snprintf(out.text, sizeof out.text, "%s", text);
    return out;
}

struct explain_text explain_cash(int64_t amount)
{
    return explain_units(amount, CASH_SCALE);
}

struct explain_text explain_time(uint64_t ns)
{
    struct explain_text out;
    time_t seconds = (time_t)(ns / NS_PER_S);
    struct tm utc;
    char text[32];
    if (gmtime_r(&seconds, &utc) == NULL || strftime(text, sizeof text, "%FT%T", &utc) == 0)
        snprintf(out.text, sizeof out.text, "%" PRIu64 " ns", ns);
    else
        snprintf(out.text, sizeof out.text, "%s.%09" PRIu64 "Z", text, ns % NS_PER_S);
    return out;
}

struct explain_text explain_duration(uint64_t ns)
{
    struct explain_text out;
    uint64_t ms = ns / 1000000;
    if (ms < 1000)
        snprintf(out.text, sizeof out.text, "%" PRIu64 " ms", ms);
    else if (ms < 600000)
        snprintf(out.text, sizeof out.text, "%" PRIu64 ".%" PRIu64 " s", ms / 1000,
                 ms % 1000 / 100);
    else if (ms < 2 * 86400000ull)
        snprintf(out.text, sizeof out.text, "%" PRIu64 " h %" PRIu64 " min", ms / 3600000,
                 ms % 3600000 / 60000);
    else
        snprintf(out.text, sizeof out.text, "%" PRIu64 " days", ms / 86400000);
    return out;
}

struct explain_text explain_count(uint64_t count, const char *what)
{
    struct explain_text out;
    snprintf(out.text, sizeof out.text, "%" PRIu64 " %s%s", count, what, count == 1 ? "" : "s");
    return out;
}

static const char *parse_fraction(uint64_t *ns, const char *at)
{
    uint64_t unit = NS_PER_S;
    *ns = 0;
    if (*at != '.')
        return at;
    for (at++; *at >= '0' && *at <= '9' && unit > 1; at++) {
        unit /= 10;
        *ns += (uint64_t)(*at - '0') * unit;
    }
    return at;
}

// strptime takes days and seconds that do not exist ("Feb 31"): what timegm makes of them is
// another time.
static bool is_real(const struct tm *given, time_t seconds)
{
    struct tm utc;
    return gmtime_r(&seconds, &utc) != NULL && utc.tm_mday == given->tm_mday &&
           utc.tm_sec == given->tm_sec;
}

bool explain_time_parse(uint64_t *ns, const char *text)
{
    struct tm utc = {0};
    uint64_t fraction = 0;
    const char *at = strptime(text, "%Y-%m-%d", &utc);
    if (at == NULL)
        return false;
    if (*at == 'T' || *at == ' ') {
        at = strptime(at + 1, "%H:%M:%S", &utc);
        if (at == NULL)
            return false;
        at = parse_fraction(&fraction, at);
    }
    if (*at == 'Z')
        at++;
    struct tm given = utc;
    time_t seconds = timegm(&utc);
    if (*at != 0 || seconds < 0 || (uint64_t)seconds > INT64_MAX / NS_PER_S ||
        !is_real(&given, seconds))
        return false;
    *ns = (uint64_t)seconds * NS_PER_S + fraction;
    return true;
}

// ---- words
// -----------------------------------------------------------------------------------------

const char *explain_side_word(uint8_t side)
{
    static const char *const words[] = {[SIDE_BUY] = "buy", [SIDE_SELL] = "sell"};
    return WORD(words, side);
}

const char *explain_gateway_word(uint8_t gateway)
{
    static const char *const words[] = {[GATEWAY_CORE] = "core",
                                        [GATEWAY_FIX] = "fix",
                                        [GATEWAY_WEB] = "web",
                                        [GATEWAY_ADMIN] = "admin",
                                        [GATEWAY_SETTLE] = "settle"};
    return WORD(words, gateway);
}

const char *explain_state_word(uint8_t state)
{
    static const char *const words[] = {[ORDER_STATE_OPEN] = "open",
                                        [ORDER_STATE_PENDING_STOP] = "pending_stop",
                                        [ORDER_STATE_TRIGGERED] = "triggered",
                                        [ORDER_STATE_PENDING_CLOSE] = "pending_close"};
    return WORD(words, state);
}

const char *explain_venue_word(uint8_t state)
{
    static const char *const words[] = {[VENUE_CANCEL_ONLY] = "cancel_only", [VENUE_OPEN] = "open"};
    return WORD(words, state);
}

const char *explain_posting_word(uint8_t kind)
{
    static const char *const words[] = {
        [POSTING_DEPOSIT] = "deposit",     [POSTING_WITHDRAWAL] = "withdrawal",
        [POSTING_CREDIT] = "credit",       [POSTING_DEBIT] = "debit",
        [POSTING_TRANSFER] = "transfer",   [POSTING_CHAIN_IN] = "chain_in",
        [POSTING_CHAIN_OUT] = "chain_out", [POSTING_COVER] = "cover"};
    return WORD(words, kind);
}

const char *explain_cancel_word(uint8_t reason)
{
    static const char *const words[] = {[CANCEL_BY_OWNER] = "by_owner",
                                        [CANCEL_IOC] = "ioc",
                                        [CANCEL_DISCONNECT] = "disconnect",
                                        [CANCEL_BY_VENUE] = "by_venue",
                                        [CANCEL_SUSPENDED] = "suspended",
                                        [CANCEL_MASS] = "mass",
                                        [CANCEL_LIMIT] = "limit",
                                        [CANCEL_BREAKER] = "breaker",
                                        [CANCEL_FOK] = "fok",
                                        [CANCEL_MINIMUM] = "minimum",
                                        [CANCEL_SELF_TRADE] = "self_trade",
                                        [CANCEL_EXPIRED] = "expired",
                                        [CANCEL_AUCTION] = "auction",
                                        [CANCEL_AMENDED] = "amended",
                                        [CANCEL_VOLATILITY] = "volatility",
                                        [CANCEL_KILLED] = "killed",
                                        [CANCEL_BAND] = "band",
                                        [CANCEL_UNCOVERED] = "uncovered"};
    return WORD(words, reason);
}

const char *explain_cancel_sentence(uint8_t reason)
{
    static const char *const words[] = {
        [CANCEL_BY_OWNER] = "its owner asked for it",
        [CANCEL_IOC] = "it may not rest (immediate or cancel, market, or a stop that was "
                       "triggered), and nothing "
                       "more could be traded within its price",
        [CANCEL_DISCONNECT] = "its session or gateway left, and the session cancels on disconnect",
        [CANCEL_BY_VENUE] = "an operator cancelled it",
        [CANCEL_SUSPENDED] = "its account or member has lost the right to trade",
        [CANCEL_MASS] = "its owner cancelled all orders in scope",
        [CANCEL_LIMIT] =
            "a bound was reached: events of one command, price levels, or a balance's counters",
        [CANCEL_BREAKER] = "its last trade tripped the circuit breaker",
        [CANCEL_FOK] = "fill or kill: the whole quantity could not be had at once",
        [CANCEL_MINIMUM] = "its minimum quantity could not be had at once",
        [CANCEL_SELF_TRADE] = "self-trade prevention: it met an order of the same member",
        [CANCEL_EXPIRED] = "its day or date is over",
        [CANCEL_AUCTION] = "the auction it was for left this much of it",
        [CANCEL_AMENDED] = "it was amended to no more than what was filled",
        [CANCEL_VOLATILITY] =
            "the next trade would have been beyond the static band: a volatility auction began, "
            "which it may not wait for",
        [CANCEL_KILLED] = "the kill switch",
        [CANCEL_BAND] = "the next trade would have been beyond a price band",
        [CANCEL_UNCOVERED] =
            "what it held was not there any more (a deficit), or may not be sold (a failed "
            "settlement)"};
    return WORD(words, reason);
}

static uint32_t operator_of(const struct command *command)
{
    switch (command->header.type) {
    case CMD_venue_state:
        return command->body.venue_state.operator_id;
    case CMD_kill_set:
        return command->body.kill_set.operator_id;
    case CMD_venue_rules_set:
        return command->body.venue_rules_set.operator_id;
    case CMD_propose:
        return command->body.propose.operator_id;
    case CMD_approve:
        return command->body.approve.operator_id;
    case CMD_ledger_post:
        return command->body.ledger_post.operator_id;
    case CMD_trade_correct:
        return command->body.trade_correct.operator_id;
    default:
        return 0;
    }
}

char *explain_by(const struct command *command)
{
    const struct command_header *header = &command->header;
    const char *what = command_name(header->type);
    if (header->gateway == GATEWAY_CORE)
        return header->session != 0
                   ? explain_format("%s of the core for session %u", what, header->session)
                   : explain_format("%s of the core", what);
    if (header->session != 0)
        return explain_format("%s of session %u (%s)", what, header->session,
                              explain_gateway_word(header->gateway));
    uint32_t person = operator_of(command);
    return person != 0 ? explain_format("%s of operator %u (%s)", what, person,
                                        explain_gateway_word(header->gateway))
                       : explain_format("%s of %s", what, explain_gateway_word(header->gateway));
}

// ---- records
// ---------------------------------------------------------------------------------------

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

static const char *token_status_word(uint8_t status)
{
    static const char *const words[] = {
        [TOKEN_DRAFT] = "draft",   [TOKEN_PRIMARY] = "primary", [TOKEN_SECONDARY] = "secondary",
        [TOKEN_PAUSED] = "paused", [TOKEN_MATURED] = "matured", [TOKEN_DELISTED] = "delisted"};
    return WORD(words, status);
}

static const char *trading_mode_word(uint8_t mode)
{
    static const char *const words[] = {[MODE_PRIMARY_SUBSCRIPTION] = "primary_subscription",
                                        [MODE_FULL_ORDERBOOK] = "full_orderbook",
                                        [MODE_FIXED_PRICE_OTC] = "fixed_price_otc"};
    return WORD(words, mode);
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
        return token_status_word(value);
    case UNIT_TRADING_MODE:
        return trading_mode_word(value);
    case UNIT_FEE:
    case UNIT_PLAIN:
    case UNIT_CASH:
    case UNIT_TOKEN:
    case UNIT_ASSET:
    case UNIT_TIME:
    case UNIT_LEAVE_OUT:
        break;
    }
    return NULL;
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
    const char *named = number >= 0 && number <= UINT8_MAX ? word_of(unit, (uint8_t)number) : NULL;
    return named != NULL && strcmp(named, "unknown") != 0 ? json_string(named)
                                                          : json_integer(number);
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
    for (const char *at = dump; *at != 0 && length < sizeof quoted - 64;) {
        size_t digits = in_text ? 0 : strspn(at, "0123456789");
        const char *quote = digits > 0 && is_large(at, digits) ? "\"" : "";
        if (*at == '"' && (at == dump || at[-1] != '\\'))
            in_text = !in_text;
        digits = digits > 0 && digits <= 20 ? digits : 1;
        length += (size_t)snprintf(quoted + length, sizeof quoted - length, "%s%.*s%s", quote,
                                   (int)digits, at, quote);
        at += digits;
    }
    quoted[length] = 0;
    return json_loads(quoted, 0, NULL);
}

json_t *explain_record(const struct explain_view *view, const char *dump)
{
    json_t *raw = load_dump(dump);
    json_t *friendly = json_object();
    const char *record = "", *key;
    json_t *value;
    struct scales scales = scales_of(view, raw);
    json_object_foreach(raw, key, value)
    {
        json_t *shown = NULL;
        if (json_is_string(value) && json_object_size(friendly) == 0)
            record = json_string_value(value);
        if (json_is_integer(value))
            shown = friendly_number(unit_of(record, key), json_integer_value(value), &scales);
        else if (!json_is_string(value) || json_string_length(value) > 0)
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
    if (json_is_string(value)) {
        fprintf(out, "%s", json_string_value(value));
        return;
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    fprintf(out, "%s", text != NULL ? text : "?");
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
