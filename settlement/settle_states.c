#include "settlement/settle_states.h"

#include <string.h>

#include "base/assert.h"

#define WORD(name, word, flag) word,
static const char *const trade_words[] = {SETTLE_TRADE_STATES(WORD)};
static const char *const attempt_words[] = {SETTLE_ATTEMPT_STATES(WORD)};
#undef WORD

#define OPEN(name, word, open) open,
static const bool attempt_open[] = {SETTLE_ATTEMPT_STATES(OPEN)};
#undef OPEN

struct move {
    unsigned from;
    unsigned to;
};

#define MOVE(from, to, when) {SETTLE_TRADE_##from, SETTLE_TRADE_##to},
static const struct move trade_moves[] = {SETTLE_TRADE_MOVES(MOVE)};
#undef MOVE
#define MOVE(from, to, when) {SETTLE_ATTEMPT_##from, SETTLE_ATTEMPT_##to},
static const struct move attempt_moves[] = {SETTLE_ATTEMPT_MOVES(MOVE)};
#undef MOVE

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static unsigned word_find(const char *const *words, unsigned count, const char *word)
{
    unsigned state = 0;

    while (state < count && strcmp(words[state], word) != 0)
        state++;
    return state;
}

static bool move_find(const struct move *moves, size_t count, unsigned from, unsigned to)
{
    for (size_t i = 0; i < count; i++)
        if (moves[i].from == from && moves[i].to == to)
            return true;
    return false;
}

static void sources(char out[SETTLE_STATES_ARRAY_MAX], const struct move *moves, size_t count,
                    const char *const *words, unsigned to)
{
    size_t len = 0;

    out[len++] = '{';
    for (size_t i = 0; i < count; i++) {
        if (moves[i].to != to)
            continue;
        size_t word_len = strlen(words[moves[i].from]);
        ASSERT(len + word_len + 2 < SETTLE_STATES_ARRAY_MAX);
        if (len > 1)
            out[len++] = ',';
        memcpy(out + len, words[moves[i].from], word_len);
        len += word_len;
    }
    out[len++] = '}';
    out[len] = '\0';
}

const char *settle_trade_state_text(enum settle_trade_state state)
{
    ASSERT(state < SETTLE_TRADE_STATE_COUNT);
    return trade_words[state];
}

const char *settle_attempt_state_text(enum settle_attempt_state state)
{
    ASSERT(state < SETTLE_ATTEMPT_STATE_COUNT);
    return attempt_words[state];
}

enum settle_trade_state settle_trade_state_parse(const char *word)
{
    return (enum settle_trade_state)word_find(trade_words, SETTLE_TRADE_STATE_COUNT, word);
}

enum settle_attempt_state settle_attempt_state_parse(const char *word)
{
    return (enum settle_attempt_state)word_find(attempt_words, SETTLE_ATTEMPT_STATE_COUNT, word);
}

bool settle_trade_move_allowed(enum settle_trade_state from, enum settle_trade_state to)
{
    ASSERT(from < SETTLE_TRADE_STATE_COUNT && to < SETTLE_TRADE_STATE_COUNT);
    return move_find(trade_moves, COUNT(trade_moves), from, to);
}

bool settle_attempt_move_allowed(enum settle_attempt_state from, enum settle_attempt_state to)
{
    ASSERT(from < SETTLE_ATTEMPT_STATE_COUNT && to < SETTLE_ATTEMPT_STATE_COUNT);
    return move_find(attempt_moves, COUNT(attempt_moves), from, to);
}

bool settle_attempt_is_open(enum settle_attempt_state state)
{
    ASSERT(state < SETTLE_ATTEMPT_STATE_COUNT);
    return attempt_open[state];
}

void settle_trade_sources(char out[SETTLE_STATES_ARRAY_MAX], enum settle_trade_state to)
{
    sources(out, trade_moves, COUNT(trade_moves), trade_words, to);
}

void settle_attempt_sources(char out[SETTLE_STATES_ARRAY_MAX], enum settle_attempt_state to)
{
    sources(out, attempt_moves, COUNT(attempt_moves), attempt_words, to);
}
