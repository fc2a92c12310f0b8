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

static bool leg_read(struct settle_transfer *t, const struct call *call, size_t leg, size_t from,
                     size_t to, size_t units)
{
    struct settle_leg *out = &t->legs[leg];
    struct abi_word word;

    *out = (struct settle_leg){.number = (uint8_t)leg};
    return argument(&word, call, from) && abi_word_address(&out->from, &word) &&
           argument(&word, call, to) && abi_word_address(&out->to, &word) &&
           argument(&word, call, units) && abi_word_u128(&out->units, &word);
}

// Three arrays as abi_call writes them: one behind the other, in the order of the arguments. False:
// it is written in another way, which ours never is.
static bool arrays_read(struct settle_transfer *t, const struct call *call, size_t *words)
{
    size_t count = 0;

    for (size_t array = 0; array < 3; array++) {
        struct abi_word offset, length;
        chain_uint128 at = 0, n = 0;

        if (!argument(&offset, call, array) || !abi_word_u128(&at, &offset) ||
            at != ABI_WORD_BYTES * (3 + array * (count + 1)) ||
            !argument(&length, call, (size_t)at / ABI_WORD_BYTES) || !abi_word_u128(&n, &length) ||
            n == 0 || n > SETTLE_LEGS_MAX || (array > 0 && n != count))
            return false;
        count = (size_t)n;
    }
    t->leg_count = count;
    *words = 3 + 3 * (count + 1);
    for (size_t i = 0; i < count; i++)
        if (!leg_read(t, call, i, 4 + i, 5 + count + i, 6 + 2 * count + i))
            return false;
    return true;
}

enum settle_transfer_kind settle_transfer_read(struct settle_transfer *out, const uint8_t *calldata,
                                               size_t len)
{
    const struct call call = {.calldata = calldata, .len = len};
    uint32_t selector = 0;
    size_t words = 3;
    bool is_read;

    out->leg_count = 0;
    for (size_t i = 0; i < ABI_SELECTOR_BYTES && i < len; i++)
        selector = selector << 8 | calldata[i];
    if (len < ABI_SELECTOR_BYTES ||
        (selector != ERC3643_FORCED_TRANSFER && selector != ERC3643_BATCH_FORCED_TRANSFER))
        return SETTLE_TRANSFER_OTHER;
    if (selector == ERC3643_FORCED_TRANSFER) {
        out->leg_count = 1;
        is_read = leg_read(out, &call, 0, 0, 1, 2);
    } else {
        is_read = arrays_read(out, &call, &words);
    }
    size_t end = ABI_SELECTOR_BYTES + words * ABI_WORD_BYTES;
    return is_read && len == end + SETTLE_BATCH_ID_BYTES &&
                   settle_batch_id_read(&out->id, calldata + end) &&
                   out->id.leg_count == out->leg_count
               ? SETTLE_TRANSFER_NAMED
               : SETTLE_TRANSFER_UNNAMED;
}
