#include "settlement/settle_transfer.h"

#include "chain/abi.h"
#include "chain/erc3643.h"

struct call {
    const uint8_t *calldata;
    size_t len;
};

// Argument `index`, counted in words behind the selector.
static bool argument(struct abi_word *word, const struct call *call, size_t index)
{
    return call->len >= ABI_SELECTOR_BYTES &&
           abi_answer_word(word, call->calldata + ABI_SELECTOR_BYTES,
                           call->len - ABI_SELECTOR_BYTES, index);
}

// The columns of a leg: from, to and units of a transfer, wallet and units of a freeze or payout.
enum { COLUMNS_MAX = 3 };

static bool leg_read(struct settle_transfer *t, const struct call *call, size_t leg,
                     const size_t at[COLUMNS_MAX], size_t columns)
{
    struct settle_leg *out = &t->legs[leg];
    struct abi_word word;

    *out = (struct settle_leg){.number = (uint8_t)leg};
    if (columns == COLUMNS_MAX &&
        (!argument(&word, call, at[0]) || !abi_word_address(&out->from, &word)))
        return false;
    return argument(&word, call, at[columns - 2]) && abi_word_address(&out->to, &word) &&
           argument(&word, call, at[columns - 1]) && abi_word_u128(&out->units, &word);
}

// Arrays as abi_call writes them: one behind the other, in the order of the arguments. False: it is
// written in another way, which ours never is.
static bool arrays_read(struct settle_transfer *t, const struct call *call, size_t columns,
                        size_t *words)
{
    size_t begin[COLUMNS_MAX];
    size_t count = 0;

    for (size_t array = 0; array < columns; array++) {
        struct abi_word offset, length;
        chain_uint128 at = 0, n = 0;

        begin[array] = columns + array * (count + 1) + 1;
        if (!argument(&offset, call, array) || !abi_word_u128(&at, &offset) ||
            at != ABI_WORD_BYTES * (begin[array] - 1) ||
            !argument(&length, call, begin[array] - 1) || !abi_word_u128(&n, &length) || n == 0 ||
            n > SETTLE_LEGS_MAX || (array > 0 && n != count))
            return false;
        count = (size_t)n;
    }
    t->leg_count = count;
    *words = columns + columns * (count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t at[COLUMNS_MAX] = {begin[0] + i, begin[1] + i,
                                  columns == COLUMNS_MAX ? begin[2] + i : 0};
        if (!leg_read(t, call, i, at, columns))
            return false;
    }
    return true;
}

static const struct method {
    uint32_t selector;
    enum settle_operation operation;
    size_t columns;
    bool is_batch;
} methods[] = {
    {ERC3643_FORCED_TRANSFER, SETTLE_FORCED_TRANSFER, 3, false},
    {ERC3643_BATCH_FORCED_TRANSFER, SETTLE_FORCED_TRANSFER, 3, true},
    {ERC3643_FREEZE_PARTIAL_TOKENS, SETTLE_FREEZE_PARTIAL, 2, false},
    {ERC3643_BATCH_FREEZE_PARTIAL_TOKENS, SETTLE_FREEZE_PARTIAL, 2, true},
    {ERC3643_UNFREEZE_PARTIAL_TOKENS, SETTLE_UNFREEZE_PARTIAL, 2, false},
    {ERC3643_BATCH_UNFREEZE_PARTIAL_TOKENS, SETTLE_UNFREEZE_PARTIAL, 2, true},
    {ERC3643_TRANSFER, SETTLE_ERC20_TRANSFER, 2, false},
};

static const struct method *method_of(const struct call *call)
{
    uint32_t selector = 0;

    if (call->len < ABI_SELECTOR_BYTES)
        return NULL;
    for (size_t i = 0; i < ABI_SELECTOR_BYTES; i++)
        selector = selector << 8 | call->calldata[i];
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (methods[i].selector == selector)
            return &methods[i];
    return NULL;
}

// Arguments, and behind them a batch id of as many legs; nothing else.
static bool call_read(struct settle_transfer *out, const struct method *method,
                      const struct call *call)
{
    static const size_t single[COLUMNS_MAX] = {0, 1, 2};
    size_t words = method->columns;

    if (!method->is_batch)
        out->leg_count = 1;
    if (method->is_batch ? !arrays_read(out, call, method->columns, &words)
                         : !leg_read(out, call, 0, single, method->columns))
        return false;
    size_t end = ABI_SELECTOR_BYTES + words * ABI_WORD_BYTES;
    return call->len == end + SETTLE_BATCH_ID_BYTES &&
           settle_batch_id_read(&out->id, call->calldata + end) &&
           out->id.leg_count == out->leg_count;
}

// What a call of this method is if it has an id of `kind`.
static enum settle_transfer_kind kind_of(enum settle_operation operation,
                                         enum settle_batch_kind kind)
{
    bool is_of_trades = kind != SETTLE_BATCH_CUSTODY && kind != SETTLE_BATCH_PAYOUT;

    if (operation == SETTLE_FORCED_TRANSFER)
        return is_of_trades ? SETTLE_TRANSFER_NAMED : SETTLE_TRANSFER_UNNAMED;
    if (operation == SETTLE_ERC20_TRANSFER)
        return kind == SETTLE_BATCH_PAYOUT ? SETTLE_TRANSFER_PAYOUT : SETTLE_TRANSFER_OTHER;
    return kind == SETTLE_BATCH_CUSTODY ? SETTLE_TRANSFER_CUSTODY : SETTLE_TRANSFER_OTHER;
}

enum settle_transfer_kind settle_transfer_read(struct settle_transfer *out, const uint8_t *calldata,
                                               size_t len)
{
    const struct call call = {.calldata = calldata, .len = len};
    const struct method *method = method_of(&call);

    out->leg_count = 0;
    if (method == NULL)
        return SETTLE_TRANSFER_OTHER;
    out->operation = method->operation;
    if (call_read(out, method, &call))
        return kind_of(method->operation, out->id.kind);
    return method->operation == SETTLE_FORCED_TRANSFER ? SETTLE_TRANSFER_UNNAMED
                                                       : SETTLE_TRANSFER_OTHER;
}
