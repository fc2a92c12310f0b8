#include "settlement/settle_call.h"

#include <string.h>

#define WORD(name, word) word,
static const char *const words[] = {SETTLE_OPERATIONS(WORD)};
#undef WORD

const char *settle_operation_text(enum settle_operation operation)
{
    ASSERT(operation < SETTLE_OPERATION_COUNT);
    return words[operation];
}

enum settle_operation settle_operation_parse(const char *word)
{
    unsigned operation = 0;

    while (operation < SETTLE_OPERATION_COUNT && strcmp(words[operation], word) != 0)
        operation++;
    return (enum settle_operation)operation;
}

bool settle_call_is_of_trades(const struct settle_call *call)
{
    return call->operation == SETTLE_FORCED_TRANSFER ||
           call->operation == SETTLE_BATCH_FORCED_TRANSFER;
}

enum settle_operation settle_call_operation(const struct settle_call *call, size_t legs)
{
    if (!settle_call_is_of_trades(call))
        return call->operation;
    return legs == 1 ? SETTLE_FORCED_TRANSFER : SETTLE_BATCH_FORCED_TRANSFER;
}

static size_t build_batch(uint8_t *out, size_t max, const struct settle_call *call, size_t legs)
{
    struct chain_address from[SETTLE_LEGS_MAX];
    struct chain_address to[SETTLE_LEGS_MAX];
    chain_uint128 units[SETTLE_LEGS_MAX];

    for (size_t i = 0; i < legs; i++) {
        from[i] = call->legs[i].from;
        to[i] = call->legs[i].to;
        units[i] = call->legs[i].units;
    }
    ssize_t len = erc3643_batch_forced_transfer(out, max, from, to, units, legs);
    ASSERT(len > 0);
    return (size_t)len;
}

static size_t build_transfer(uint8_t *out, size_t max, const struct settle_call *call, size_t legs)
{
    const struct settle_leg *leg = &call->legs[0];

    if (legs > 1)
        return build_batch(out, max, call, legs);
    ssize_t len = erc3643_forced_transfer(out, max, &leg->from, &leg->to, leg->units);
    ASSERT(len > 0);
    return (size_t)len;
}

static void build_batch_id(uint8_t out[SETTLE_BATCH_ID_BYTES], const struct settle_call *call,
                           size_t legs)
{
    uint64_t trades[SETTLE_LEGS_MAX];
    struct settle_batch_id id;

    for (size_t i = 0; i < legs; i++)
        trades[i] = call->legs[i].trade_id;
    settle_batch_id_make(&id, legs == 1 ? SETTLE_BATCH_SINGLE : SETTLE_BATCH_MANY, call->request_id,
                         legs, trades, legs);
    settle_batch_id_write(out, &id);
}

size_t settle_call_build(uint8_t *out, size_t max, const struct settle_call *call, size_t legs)
{
    ASSERT(legs > 0 && legs <= call->leg_count && call->leg_count <= SETTLE_LEGS_MAX);
    size_t len = build_transfer(out, max, call, legs);
    ASSERT(len + SETTLE_BATCH_ID_BYTES <= max);
    build_batch_id(out + len, call, legs);
    return len + SETTLE_BATCH_ID_BYTES;
}
