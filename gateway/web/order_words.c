#include "gateway/web/order_words.h"

#include <string.h>

#include "schema/records.h"

struct word {
    const char *text;
    uint8_t value;
};

static const struct word sides[] = {{"buy", SIDE_BUY}, {"sell", SIDE_SELL}, {NULL, 0}};
static const struct word types[] = {
    {"limit", ORDER_LIMIT},
    {"market", ORDER_MARKET},
    {"stop", ORDER_STOP},
    {"stop_loss", ORDER_STOP}, // E5's word for it
    {"stop_limit", ORDER_STOP_LIMIT},
    {"trailing_stop", ORDER_TRAILING_STOP},
    {NULL, 0},
};
static const struct word tifs[] = {
    {"day", TIF_DAY}, {"gtc", TIF_GTC},         {"gtd", TIF_GTD},           {"ioc", TIF_IOC},
    {"fok", TIF_FOK}, {"at_open", TIF_AT_OPEN}, {"at_close", TIF_AT_CLOSE}, {NULL, 0},
};
static const struct word stps[] = {
    {"none", STP_NONE},
    {"cancel_newest", STP_CANCEL_NEWEST},
    {"cancel_oldest", STP_CANCEL_OLDEST},
    {"cancel_both", STP_CANCEL_BOTH},
    {"decrement", STP_DECREMENT},
    {NULL, 0},
};
static const struct word scopes[] = {
    {"session", SCOPE_SESSION}, {"member", SCOPE_MEMBER}, {NULL, 0}};
static const struct word reasons[] = {
    {"by_owner", CANCEL_BY_OWNER},
    {"ioc", CANCEL_IOC},
    {"disconnect", CANCEL_DISCONNECT},
    {"by_venue", CANCEL_BY_VENUE},
    {"suspended", CANCEL_SUSPENDED},
    {"mass_cancel", CANCEL_MASS},
    {"limit", CANCEL_LIMIT},
    {"breaker", CANCEL_BREAKER},
    {"fok", CANCEL_FOK},
    {"minimum_quantity", CANCEL_MINIMUM},
    {"self_trade", CANCEL_SELF_TRADE},
    {"expired", CANCEL_EXPIRED},
    {"auction", CANCEL_AUCTION},
    {"amended", CANCEL_AMENDED},
    {"volatility", CANCEL_VOLATILITY},
    {"killed", CANCEL_KILLED},
    {"band", CANCEL_BAND},
    {"uncovered", CANCEL_UNCOVERED},
    {NULL, 0},
};
static const struct word kinds[] = {
    {"continuous", TRADE_CONTINUOUS}, {"auction", TRADE_AUCTION}, {NULL, 0}};

static const struct word *const vocabularies[WORDS_COUNT] = {
    [WORDS_SIDE] = sides,   [WORDS_TYPE] = types,     [WORDS_TIF] = tifs,   [WORDS_STP] = stps,
    [WORDS_SCOPE] = scopes, [WORDS_REASON] = reasons, [WORDS_KIND] = kinds,
};

bool order_word_read(enum order_vocabulary vocabulary, const char *text, size_t bytes, uint8_t *out)
{
    ASSERT(vocabulary < WORDS_COUNT);
    for (const struct word *w = vocabularies[vocabulary]; w->text != NULL; w++)
        if (strlen(w->text) == bytes && memcmp(w->text, text, bytes) == 0) {
            *out = w->value;
            return true;
        }
    return false;
}

const char *order_word(enum order_vocabulary vocabulary, uint8_t value)
{
    ASSERT(vocabulary < WORDS_COUNT);
    for (const struct word *w = vocabularies[vocabulary]; w->text != NULL; w++)
        if (w->value == value)
            return w->text;
    return "unknown";
}
