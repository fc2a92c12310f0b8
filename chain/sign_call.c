#include "chain/sign_call.h"

#include "chain/abi.h"
#include "chain/erc3643.h"

#include <string.h>

/* The arguments of a method, one letter each:
 *
 *   w  a wallet or contract: an address that is not zero
 *   a  an amount of units: above zero, at most 128 bits
 *   n  a number of 256 bits
 *   b  a flag
 *   v  a number of 8 bits
 *   c  a country: a number of 16 bits above zero
 *   x  bytes
 *
 * and in capitals a list of that. All lists of a call have the same length, 1 to ERC3643_BATCH_MAX.
 */
struct shape {
    uint32_t selector;
    const char *arguments;
    bool moves;          /* units change hands */
    bool takes_batch_id; /* one word may follow, which the contract ignores (settle_batch_id.h) */
};

static const struct shape shapes[] = {
    {ERC3643_FORCED_TRANSFER, "wwa", true, true},
    {ERC3643_BATCH_FORCED_TRANSFER, "WWA", true, true},
    {ERC3643_TRANSFER, "wa", true, true},
    {ERC3643_MINT, "wa", true, false},
    {ERC3643_BURN, "wa", true, false},
    {ERC3643_BATCH_MINT, "WA", true, false},
    {ERC3643_BATCH_BURN, "WA", true, false},
    {ERC3643_FREEZE_PARTIAL_TOKENS, "wa", false, true},
    {ERC3643_UNFREEZE_PARTIAL_TOKENS, "wa", false, true},
    {ERC3643_BATCH_FREEZE_PARTIAL_TOKENS, "WA", false, true},
    {ERC3643_BATCH_UNFREEZE_PARTIAL_TOKENS, "WA", false, true},
    {ERC3643_SET_ADDRESS_FROZEN, "wb", false, false},
    {ERC3643_BATCH_SET_ADDRESS_FROZEN, "WB", false, false},
    {ERC3643_REGISTER_IDENTITY, "wwc", false, false},
    {ERC3643_BATCH_REGISTER_IDENTITY, "WWC", false, false},
    {ERC3643_DELETE_IDENTITY, "w", false, false},
    {ERC3643_PAUSE, "", false, false},
    {ERC3643_UNPAUSE, "", false, false},
    {ERC3643_ADD_AGENT, "w", false, false},
    {ERC3643_REMOVE_AGENT, "w", false, false},
    {ERC3643_TRANSFER_OWNERSHIP, "w", false, false},
    {ERC3643_BIND_IDENTITY_REGISTRY, "w", false, false},
    {ERC3643_BIND_TOKEN, "w", false, false},
    {ERC3643_ADD_MODULE, "w", false, false},
    {ERC3643_CALL_MODULE_FUNCTION, "xw", false, false},
    {ERC3643_ADD_CLAIM_TOPIC, "n", false, false},
    {ERC3643_ADD_TRUSTED_ISSUER, "wN", false, false},
    {ERC3643_ADD_AND_USE_VERSION, "vvvwwwwww", false, false},
};

static const struct shape *find_shape(uint32_t selector)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (shapes[i].selector == selector)
            return &shapes[i];
    return NULL;
}

bool sign_call_is_known(uint32_t selector)
{
    return find_shape(selector) != NULL;
}

struct reader {
    const uint8_t *bytes; /* behind the selector */
    size_t words;
    size_t tail;  /* the word at which the next list or bytes must stand */
    size_t items; /* of every list of the call; 0 = none was read yet */
    struct sign_call *call;
    bool moves;
};

static struct abi_word word_at(const struct reader *reader, size_t index)
{
    ASSERT(index < reader->words);
    struct abi_word word;
    memcpy(word.bytes, reader->bytes + index * ABI_WORD_BYTES, ABI_WORD_BYTES);
    return word;
}

static bool read_number(chain_uint128 *out, const struct reader *reader, size_t index)
{
    struct abi_word word = word_at(reader, index);
    return abi_word_u128(out, &word);
}

static bool is_wallet(const struct reader *reader, size_t index)
{
    struct abi_word word = word_at(reader, index);
    struct chain_address address;
    return abi_word_address(&address, &word) && !address_is_zero(&address);
}

static bool read_amount(struct reader *reader, size_t index)
{
    chain_uint128 amount;
    if (!read_number(&amount, reader, index) || amount == 0)
        return false;
    if (reader->moves) {
        struct sign_call *call = reader->call;
        call->transfers++;
        if (__builtin_add_overflow(call->units, amount, &call->units))
            call->units = ~(chain_uint128)0;
    }
    return true;
}

static bool read_value(struct reader *reader, size_t index, char letter)
{
    chain_uint128 number;
    switch (letter) {
    case 'w':
        return is_wallet(reader, index);
    case 'a':
        return read_amount(reader, index);
    case 'n':
        return true;
    case 'b':
        return read_number(&number, reader, index) && number <= 1;
    case 'v':
        return read_number(&number, reader, index) && number <= UINT8_MAX;
    default:
        ASSERT(letter == 'c'); /* the last letter of the table */
        return read_number(&number, reader, index) && number > 0 && number <= UINT16_MAX;
    }
}

/* The word at `index` must say that its list begins where the one before has ended. */
static bool begin_tail(struct reader *reader, chain_uint128 *count, size_t index)
{
    chain_uint128 offset;
    return read_number(&offset, reader, index) && offset == reader->tail * ABI_WORD_BYTES &&
           reader->tail < reader->words && read_number(count, reader, reader->tail++);
}

static bool read_list(struct reader *reader, size_t index, char letter)
{
    chain_uint128 count;
    if (!begin_tail(reader, &count, index) || count == 0 || count > ERC3643_BATCH_MAX ||
        (reader->items != 0 && count != reader->items) || count > reader->words - reader->tail)
        return false;
    reader->items = (size_t)count;
    for (size_t i = 0; i < reader->items; i++)
        if (!read_value(reader, reader->tail++, letter))
            return false;
    return true;
}

static bool read_bytes(struct reader *reader, size_t index)
{
    chain_uint128 count;
    if (!begin_tail(reader, &count, index) ||
        count > (reader->words - reader->tail) * ABI_WORD_BYTES)
        return false;
    size_t words = ((size_t)count + ABI_WORD_BYTES - 1) / ABI_WORD_BYTES;
    const uint8_t *bytes = reader->bytes + reader->tail * ABI_WORD_BYTES;
    for (size_t i = (size_t)count; i < words * ABI_WORD_BYTES; i++)
        if (bytes[i] != 0)
            return false; /* padding */
    reader->tail += words;
    return true;
}

static bool read_argument(struct reader *reader, size_t index, char letter)
{
    if (letter == 'x')
        return read_bytes(reader, index);
    if (letter >= 'A' && letter <= 'Z')
        return read_list(reader, index, (char)(letter - 'A' + 'a'));
    return read_value(reader, index, letter);
}

static bool read_method(struct sign_call *out, const uint8_t *calldata, size_t len)
{
    if (len % ABI_WORD_BYTES != ABI_SELECTOR_BYTES)
        return false;
    out->selector = (uint32_t)calldata[0] << 24 | (uint32_t)calldata[1] << 16 |
                    (uint32_t)calldata[2] << 8 | calldata[3];
    const struct shape *shape = find_shape(out->selector);
    if (shape == NULL)
        return false;
    struct reader reader = {.bytes = calldata + ABI_SELECTOR_BYTES,
                            .words = len / ABI_WORD_BYTES,
                            .tail = strlen(shape->arguments),
                            .call = out,
                            .moves = shape->moves};
    if (reader.tail > reader.words)
        return false;
    for (size_t i = 0; shape->arguments[i] != '\0'; i++)
        if (!read_argument(&reader, i, shape->arguments[i]))
            return false;
    return reader.words == reader.tail ||
           (shape->takes_batch_id && reader.words == reader.tail + 1);
}

bool sign_call_read(struct sign_call *out, const struct signer_request *request,
                    const struct chain_address *signer)
{
    *out = (struct sign_call){.kind = SIGN_CALL_METHOD};
    if (request->create) {
        out->kind = SIGN_CALL_CREATE;
        return address_is_zero(&request->to);
    }
    if (request->calldata_len == 0) {
        out->kind = SIGN_CALL_CANCEL;
        return address_equal(&request->to, signer);
    }
    return read_method(out, request->calldata, request->calldata_len);
}
