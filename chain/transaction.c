#include "chain/transaction.h"

#include "base/assert.h"
#include "chain/rlp.h"

#include <stdlib.h>
#include <string.h>

/* The encoding, EIP-1559 and EIP-2718:
 *
 *   0x02 || rlp([chain_id, nonce, max_priority_fee, max_fee, gas_limit, to, value, data,
 * access_list
 *               (, y_parity, r, s)])
 *
 * The signature is over the Keccak-256 of the form without the last three. The items are written
 * into the output behind room for the list's prefix, which is known only afterwards; then prefix
 * and items are moved together. A transaction that does not fit fails as a whole.
 */
#define PREFIX_ROOM 10 /* the type byte and the longest list prefix */

static void write_fields(struct rlp_writer *items, const struct transaction *transaction)
{
    static const uint8_t empty_list = 0xc0;
    rlp_uint(items, transaction->chain_id);
    rlp_uint(items, transaction->nonce);
    rlp_uint(items, transaction->priority_fee_wei);
    rlp_uint(items, transaction->max_fee_wei);
    rlp_uint(items, transaction->gas_limit);
    rlp_bytes(items, transaction->to.bytes, transaction->creates_contract ? 0 : ADDRESS_BYTES);
    rlp_uint(items, transaction->value_wei);
    rlp_bytes(items, transaction->calldata, transaction->calldata_len);
    if (transaction->access_list != NULL)
        rlp_raw(items, transaction->access_list, transaction->access_list_len);
    else
        rlp_raw(items, &empty_list, 1);
}

static void write_signature(struct rlp_writer *items, const struct ecdsa_signature *signature)
{
    rlp_uint(items, signature->y_parity);
    rlp_uint_bytes(items, signature->r, sizeof(signature->r));
    rlp_uint_bytes(items, signature->s, sizeof(signature->s));
}

/* Writes type and list prefix in front of the items, which stand at out + PREFIX_ROOM. */
static ssize_t close_envelope(uint8_t *out, const struct rlp_writer *items)
{
    if (items->overflowed)
        return -1;
    struct rlp_writer prefix;
    rlp_writer_init(&prefix, out, PREFIX_ROOM);
    static const uint8_t type = TRANSACTION_TYPE;
    rlp_raw(&prefix, &type, 1);
    rlp_list_prefix(&prefix, items->len);
    memmove(out + prefix.len, items->out, items->len);
    return (ssize_t)(prefix.len + items->len);
}

static ssize_t encode(uint8_t *out, size_t max, const struct transaction *transaction,
                      const struct ecdsa_signature *signature)
{
    if (max < PREFIX_ROOM)
        return -1;
    struct rlp_writer items;
    rlp_writer_init(&items, out + PREFIX_ROOM, max - PREFIX_ROOM);
    write_fields(&items, transaction);
    if (signature != NULL)
        write_signature(&items, signature);
    return close_envelope(out, &items);
}

ssize_t transaction_encode_unsigned(uint8_t *out, size_t max, const struct transaction *transaction)
{
    return encode(out, max, transaction, NULL);
}

ssize_t transaction_encode_signed(uint8_t *out, size_t max, const struct transaction *transaction,
                                  const struct ecdsa_signature *signature)
{
    return encode(out, max, transaction, signature);
}

ssize_t transaction_sign(uint8_t *out, size_t max, const struct transaction *transaction,
                         const uint8_t key[TRANSACTION_KEY_BYTES])
{
    ssize_t unsigned_len = encode(out, max, transaction, NULL);
    if (unsigned_len < 0)
        return -1;
    struct chain_hash hash = keccak256_hash(out, (size_t)unsigned_len);
    struct ecdsa_signature signature;
    struct ecdsa_signer signer;
    if (!ecdsa_signer_open(&signer))
        return -1;
    bool made = ecdsa_sign(&signer, &signature, &hash, key);
    ecdsa_signer_close(&signer);
    return made ? encode(out, max, transaction, &signature) : -1;
}

static bool read_to(struct transaction *out, struct rlp_reader *items)
{
    struct rlp_item item;
    if (!rlp_next(items, &item) || item.is_list)
        return false;
    out->creates_contract = item.len == 0;
    memset(&out->to, 0, sizeof(out->to));
    if (out->creates_contract)
        return true;
    if (item.len != ADDRESS_BYTES)
        return false;
    memcpy(out->to.bytes, item.payload, ADDRESS_BYTES);
    return true;
}

static bool read_data_and_access_list(struct transaction *out, struct rlp_reader *items)
{
    struct rlp_item data;
    struct rlp_item access_list;
    if (!rlp_next(items, &data) || data.is_list)
        return false;
    if (!rlp_next(items, &access_list) || !access_list.is_list)
        return false;
    out->calldata = data.payload;
    out->calldata_len = data.len;
    out->access_list = access_list.len == 0 ? NULL : access_list.encoded;
    out->access_list_len = access_list.len == 0 ? 0 : access_list.encoded_len;
    return true;
}

static bool read_fields(struct transaction *out, struct rlp_reader *items)
{
    return rlp_next_u64(items, &out->chain_id) && rlp_next_u64(items, &out->nonce) &&
           rlp_next_u64(items, &out->priority_fee_wei) && rlp_next_u64(items, &out->max_fee_wei) &&
           rlp_next_u64(items, &out->gas_limit) && read_to(out, items) &&
           rlp_next_u128(items, &out->value_wei) && read_data_and_access_list(out, items);
}

static bool read_signature(struct ecdsa_signature *out, struct rlp_reader *items)
{
    uint64_t parity;
    if (!rlp_next_u64(items, &parity) || parity > 1)
        return false;
    out->y_parity = (uint8_t)parity;
    return rlp_next_uint256(items, out->r) && rlp_next_uint256(items, out->s);
}

/* The signed fields are the list's first nine items as they stand; only the prefix is another. */
static bool recover_sender(struct chain_address *sender, const uint8_t *fields, size_t fields_len,
                           const struct ecdsa_signature *signature)
{
    uint8_t stack[1024];
    size_t max = fields_len + PREFIX_ROOM;
    uint8_t *unsigned_bytes = max <= sizeof(stack) ? stack : malloc(max);
    if (unsigned_bytes == NULL)
        return false;
    struct rlp_writer items = {.out = unsigned_bytes + PREFIX_ROOM, .max = fields_len};
    rlp_raw(&items, fields, fields_len);
    ssize_t len = close_envelope(unsigned_bytes, &items);
    struct chain_hash hash = keccak256_hash(unsigned_bytes, len < 0 ? 0 : (size_t)len);
    bool recovered = len >= 0 && ecdsa_recover(sender, &hash, signature);
    if (unsigned_bytes != stack)
        free(unsigned_bytes);
    return recovered;
}

bool transaction_decode(struct transaction *transaction, struct ecdsa_signature *signature,
                        struct chain_address *sender, const uint8_t *raw, size_t len)
{
    if (len < 2 || raw[0] != TRANSACTION_TYPE)
        return false;
    struct rlp_reader outer;
    struct rlp_reader items;
    rlp_reader_init(&outer, raw + 1, len - 1);
    if (!rlp_next_list(&outer, &items) || !rlp_at_end(&outer))
        return false;
    struct ecdsa_signature own_signature;
    struct chain_address own_sender;
    const uint8_t *fields = items.at;
    if (!read_fields(transaction, &items))
        return false;
    size_t fields_len = (size_t)(items.at - fields);
    if (!read_signature(&own_signature, &items) || !rlp_at_end(&items) ||
        !recover_sender(&own_sender, fields, fields_len, &own_signature))
        return false;
    if (signature != NULL)
        *signature = own_signature;
    if (sender != NULL)
        *sender = own_sender;
    return true;
}

bool transaction_key_address(struct chain_address *out, const uint8_t key[TRANSACTION_KEY_BYTES])
{
    struct ecdsa_signer signer;
    if (!ecdsa_signer_open(&signer))
        return false;
    bool valid = ecdsa_key_address(&signer, out, key);
    ecdsa_signer_close(&signer);
    return valid;
}

void transaction_created_address(struct chain_address *out, const struct chain_address *sender,
                                 uint64_t nonce)
{
    uint8_t items[1 + ADDRESS_BYTES + 9];
    uint8_t encoded[sizeof(items) + 1];
    struct rlp_writer list;
    struct rlp_writer whole;
    rlp_writer_init(&list, items, sizeof(items));
    rlp_bytes(&list, sender->bytes, ADDRESS_BYTES);
    rlp_uint(&list, nonce);
    rlp_writer_init(&whole, encoded, sizeof(encoded));
    rlp_list(&whole, items, list.len);
    ASSERT(!list.overflowed && !whole.overflowed);
    struct chain_hash hash = keccak256_hash(encoded, whole.len);
    memcpy(out->bytes, hash.bytes + KECCAK_BYTES - ADDRESS_BYTES, ADDRESS_BYTES);
}
