#include "chain/erc3643_modules.h"

#include <string.h>

#include "base/assert.h"
#include "chain/erc3643.h"

enum { ANSWER_MAX = (2 + ERC3643_MODULES_MAX) * ABI_WORD_BYTES };

static enum node_result ask(struct node *node, uint8_t answer[ANSWER_MAX], size_t *len,
                            const struct chain_address *contract, uint32_t selector, uint64_t at)
{
    uint8_t calldata[ABI_SELECTOR_BYTES];
    struct abi_call call;

    abi_call_begin(&call, calldata, sizeof(calldata), selector, 0);
    ssize_t calldata_len = abi_call_end(&call);
    ASSERT(calldata_len == ABI_SELECTOR_BYTES);
    struct node_message message = {
        .to = *contract, .calldata = calldata, .calldata_len = (size_t)calldata_len};
    *len = ANSWER_MAX;
    return node_call(node, answer, len, &message, at);
}

/* The length of the one array or string of an answer; its content begins at the third word. */
static bool read_length(chain_uint128 *length, const uint8_t *answer, size_t len)
{
    struct abi_word word;
    chain_uint128 offset;

    return abi_answer_word(&word, answer, len, 0) && abi_word_u128(&offset, &word) &&
           offset == ABI_WORD_BYTES && abi_answer_word(&word, answer, len, 1) &&
           abi_word_u128(length, &word);
}

static void read_name(char name[ERC3643_MODULE_NAME_MAX], const uint8_t *answer, size_t len)
{
    chain_uint128 length;

    name[0] = '\0';
    if (!read_length(&length, answer, len) || length >= ERC3643_MODULE_NAME_MAX ||
        length > len - (size_t)2 * ABI_WORD_BYTES)
        return;
    const uint8_t *text = answer + (size_t)2 * ABI_WORD_BYTES;
    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == ',')
            return;
    memcpy(name, text, (size_t)length);
    name[length] = '\0';
}

static enum node_result module_read(struct node *node, struct erc3643_module *module, uint64_t at)
{
    uint8_t answer[ANSWER_MAX];
    size_t len;
    enum node_result result = ask(node, answer, &len, &module->address, ERC3643_NAME, at);

    module->name[0] = '\0';
    if (result == NODE_OK)
        read_name(module->name, answer, len);
    return result == NODE_REVERTED || result == NODE_UNFIT ? NODE_OK : result; /* without a name */
}

enum node_result erc3643_modules_read(struct node *node,
                                      struct erc3643_module modules[ERC3643_MODULES_MAX],
                                      size_t *count, const struct chain_address *compliance,
                                      uint64_t at)
{
    uint8_t answer[ANSWER_MAX];
    size_t len;
    chain_uint128 length;
    enum node_result result = ask(node, answer, &len, compliance, ERC3643_GET_MODULES, at);

    *count = 0;
    if (result != NODE_OK)
        return result;
    if (!read_length(&length, answer, len) || length > ERC3643_MODULES_MAX)
        return NODE_UNFIT;
    for (; *count < length; ++*count) {
        struct abi_word word;
        if (!abi_answer_word(&word, answer, len, 2 + *count) ||
            !abi_word_address(&modules[*count].address, &word))
            return NODE_UNFIT;
        if ((result = module_read(node, &modules[*count], at)) != NODE_OK)
            return result;
    }
    return NODE_OK;
}
