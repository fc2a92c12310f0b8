#include "core/explain_words.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/decimal.h"
#include "core/explain_answer.h"

#define NS_PER_S 1000000000u
enum { CASH_SCALE = 6 };

static const char *word(const char *const *words, size_t count, uint8_t value)
{
    return value < count && words[value] != NULL ? words[value] : "unknown";
}
#define WORD(words, value) word(words, sizeof(words) / sizeof *(words), value)

// ---- numbers, times

struct explain_text explain_units(int64_t amount, unsigned scale)
{
    struct explain_text out;
    char text[DECIMAL_TEXT_BYTES_MAX];
    decimal_print(amount, scale, text);
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
    ASSERT(gmtime_r(&seconds, &utc) != NULL && strftime(text, sizeof text, "%FT%T", &utc) != 0);
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
    ASSERT(gmtime_r(&seconds, &utc) != NULL);
    return utc.tm_mday == given->tm_mday && utc.tm_sec == given->tm_sec;
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

const char *explain_side_word(uint8_t side)
{
    static const char *const words[] = {[SIDE_BUY] = "buy", [SIDE_SELL] = "sell"};
    return WORD(words, side);
}

const char *explain_gateway_word(uint8_t gateway)
{
    static const char *const words[] = {
        [GATEWAY_CORE] = "core",   [GATEWAY_FIX] = "fix",       [GATEWAY_WEB] = "web",
        [GATEWAY_ADMIN] = "admin", [GATEWAY_SETTLE] = "settle", [GATEWAY_INDEX] = "index"};
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

const char *explain_token_status_word(uint8_t status)
{
    static const char *const words[] = {
        [TOKEN_DRAFT] = "draft",   [TOKEN_PRIMARY] = "primary", [TOKEN_SECONDARY] = "secondary",
        [TOKEN_PAUSED] = "paused", [TOKEN_MATURED] = "matured", [TOKEN_DELISTED] = "delisted"};
    return WORD(words, status);
}

const char *explain_trading_mode_word(uint8_t mode)
{
    static const char *const words[] = {[MODE_PRIMARY_SUBSCRIPTION] = "primary_subscription",
                                        [MODE_FULL_ORDERBOOK] = "full_orderbook",
                                        [MODE_FIXED_PRICE_OTC] = "fixed_price_otc"};
    return WORD(words, mode);
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
