#include "chain/transaction.h"

#include "base/assert.h"
#include "chain/rlp.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

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

static void write_signature(struct rlp_writer *items, const struct transaction_signature *signature)
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
                      const struct transaction_signature *signature)
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
                                  const struct transaction_signature *signature)
{
    return encode(out, max, transaction, signature);
}

/* A context for work with a key: blinded anew each time, against what a neighbour may measure of
 * time and power. NULL when the system has no random bytes. */
static secp256k1_context *blinded_context(void)
{
    uint8_t seed[32];
    if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return NULL;
    secp256k1_context *context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    int blinded = secp256k1_context_randomize(context, seed);
    explicit_bzero(seed, sizeof(seed));
    if (blinded == 1)
        return context;
    secp256k1_context_destroy(context);
    return NULL;
}

static bool sign_hash(struct transaction_signature *out, const uint8_t hash[32],
                      const uint8_t key[TRANSACTION_KEY_BYTES])
{
    secp256k1_context *context = blinded_context();
    if (context == NULL)
        return false;
    secp256k1_ecdsa_recoverable_signature signature;
    int made = secp256k1_ecdsa_sign_recoverable(context, &signature, hash, key, NULL, NULL);
    if (made == 1) {
        uint8_t compact[64];
        int parity = 0;
        secp256k1_ecdsa_recoverable_signature_serialize_compact(context, compact, &parity,
                                                                &signature);
        memcpy(out->r, compact, 32);
        memcpy(out->s, compact + 32, 32);
        out->y_parity = (uint8_t)(parity & 1);
        /* Bit 1 of the recovery id means r overflowed the group order: no such signature has ever
         * been seen, and the chain could not express it. */
        made = parity < 2;
    }
    secp256k1_context_destroy(context);
    return made == 1;
}

ssize_t transaction_sign(uint8_t *out, size_t max, const struct transaction *transaction,
                         const uint8_t key[TRANSACTION_KEY_BYTES])
{
    ssize_t unsigned_len = encode(out, max, transaction, NULL);
    if (unsigned_len < 0)
        return -1;
    struct chain_hash hash = keccak256_hash(out, (size_t)unsigned_len);
    struct transaction_signature signature;
    if (!sign_hash(&signature, hash.bytes, key))
        return -1;
    return encode(out, max, transaction, &signature);
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

static bool read_signature(struct transaction_signature *out, struct rlp_reader *items)
{
    uint64_t parity;
    if (!rlp_next_u64(items, &parity) || parity > 1)
        return false;
    out->y_parity = (uint8_t)parity;
    return rlp_next_uint256(items, out->r) && rlp_next_uint256(items, out->s);
}

static struct chain_address public_key_address(const secp256k1_context *context,
                                               const secp256k1_pubkey *public_key)
{
    uint8_t encoded[65];
    size_t len = sizeof(encoded);
    secp256k1_ec_pubkey_serialize(context, encoded, &len, public_key, SECP256K1_EC_UNCOMPRESSED);
    uint8_t hash[KECCAK_BYTES];
    keccak256(hash, encoded + 1, sizeof(encoded) - 1);
    struct chain_address address;
    memcpy(address.bytes, hash + KECCAK_BYTES - ADDRESS_BYTES, ADDRESS_BYTES);
    return address;
}

static bool is_low_s(const secp256k1_context *context, const uint8_t compact[64])
{
    secp256k1_ecdsa_signature signature;
    return secp256k1_ecdsa_signature_parse_compact(context, &signature, compact) == 1 &&
           secp256k1_ecdsa_signature_normalize(context, NULL, &signature) == 0;
}

bool transaction_recover(struct chain_address *out, const struct chain_hash *hash,
                         const struct transaction_signature *signature)
{
    uint8_t compact[64];
    if (signature->y_parity > 1)
        return false;
    memcpy(compact, signature->r, 32);
    memcpy(compact + 32, signature->s, 32);
    secp256k1_context *context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    secp256k1_ecdsa_recoverable_signature recoverable;
    secp256k1_pubkey public_key;
    bool recovered = is_low_s(context, compact) &&
                     secp256k1_ecdsa_recoverable_signature_parse_compact(
                         context, &recoverable, compact, signature->y_parity) == 1 &&
                     secp256k1_ecdsa_recover(context, &public_key, &recoverable, hash->bytes) == 1;
    if (recovered)
        *out = public_key_address(context, &public_key);
    secp256k1_context_destroy(context);
    return recovered;
}

/* The signed fields are the list's first nine items as they stand; only the prefix is another. */
static bool recover_sender(struct chain_address *sender, const uint8_t *fields, size_t fields_len,
                           const struct transaction_signature *signature)
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
    bool recovered = len >= 0 && transaction_recover(sender, &hash, signature);
    if (unsigned_bytes != stack)
        free(unsigned_bytes);
    return recovered;
}

bool transaction_decode(struct transaction *transaction, struct transaction_signature *signature,
                        struct chain_address *sender, const uint8_t *raw, size_t len)
{
    if (len < 2 || raw[0] != TRANSACTION_TYPE)
        return false;
    struct rlp_reader outer;
    struct rlp_reader items;
    rlp_reader_init(&outer, raw + 1, len - 1);
    if (!rlp_next_list(&outer, &items) || !rlp_at_end(&outer))
        return false;
    struct transaction_signature own_signature;
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
    secp256k1_context *context = blinded_context();
    if (context == NULL)
        return false;
    secp256k1_pubkey public_key;
    bool valid = secp256k1_ec_pubkey_create(context, &public_key, key) == 1;
    if (valid)
        *out = public_key_address(context, &public_key);
    secp256k1_context_destroy(context);
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
