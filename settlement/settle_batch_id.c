#include "settlement/settle_batch_id.h"

#include <string.h>

#include "chain/keccak.h"

// Where each part stands.
enum {
    AT_VERSION = 6,
    AT_KIND = 7,
    AT_REQUEST = 8,
    AT_FIRST_TRADE = 16,
    AT_LEGS = 24,
    AT_HASH = 26,
};

static const uint8_t magic[AT_VERSION] = {'L', 'O', 'N', 'J', 'A', '1'};

_Static_assert(AT_HASH + SETTLE_BATCH_ID_HASH_BYTES == SETTLE_BATCH_ID_BYTES, "32 bytes in all");

static void put_be(uint8_t *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static uint64_t get_be(const uint8_t *in, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

static bool kind_has_legs(enum settle_batch_kind kind, size_t legs, size_t members)
{
    switch (kind) {
    case SETTLE_BATCH_SINGLE:
        return legs == 1 && members == 1;
    case SETTLE_BATCH_MANY:
        return legs >= 1 && legs == members;
    case SETTLE_BATCH_NET:
        return legs >= 1 && legs <= members;
    case SETTLE_BATCH_CUSTODY:
        return legs >= 1 && members == 0;
    case SETTLE_BATCH_PAYOUT:
        return false; // made of no members
    }
    return false;
}

static bool is_rising(const uint64_t *trade_ids, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (trade_ids[i] <= trade_ids[i - 1])
            return false;
    return count == 0 || trade_ids[0] > 0;
}

static void members_hash(uint8_t out[SETTLE_BATCH_ID_HASH_BYTES], const uint64_t *trade_ids,
                         size_t count)
{
    uint8_t text[SETTLE_BATCH_MEMBERS_MAX * sizeof(uint64_t)];
    uint8_t hash[KECCAK_BYTES];

    ASSERT(count <= SETTLE_BATCH_MEMBERS_MAX);
    for (size_t i = 0; i < count; i++)
        put_be(text + i * sizeof(uint64_t), trade_ids[i], sizeof(uint64_t));
    keccak256(hash, text, count * sizeof(uint64_t));
    memcpy(out, hash, SETTLE_BATCH_ID_HASH_BYTES);
}

void settle_batch_id_make(struct settle_batch_id *id, enum settle_batch_kind kind,
                          uint64_t request_id, size_t leg_count, const uint64_t *trade_ids,
                          size_t count)
{
    ASSERT(request_id > 0 && leg_count <= UINT16_MAX && count <= SETTLE_BATCH_MEMBERS_MAX);
    ASSERT(kind_has_legs(kind, leg_count, count) && is_rising(trade_ids, count));
    *id = (struct settle_batch_id){.kind = kind,
                                   .leg_count = (uint16_t)leg_count,
                                   .request_id = request_id,
                                   .first_trade_id = count > 0 ? trade_ids[0] : 0};
    members_hash(id->members_hash, trade_ids, count);
}

void settle_batch_id_make_payout(struct settle_batch_id *id, uint64_t request_id, uint64_t payout,
                                 const uint8_t digest[SETTLE_BATCH_ID_HASH_BYTES])
{
    ASSERT(request_id > 0 && payout > 0);
    *id = (struct settle_batch_id){.kind = SETTLE_BATCH_PAYOUT,
                                   .leg_count = 1,
                                   .request_id = request_id,
                                   .first_trade_id = payout};
    memcpy(id->members_hash, digest, SETTLE_BATCH_ID_HASH_BYTES);
}

void settle_batch_id_write(uint8_t out[SETTLE_BATCH_ID_BYTES], const struct settle_batch_id *id)
{
    memcpy(out, magic, sizeof(magic));
    out[AT_VERSION] = SETTLE_BATCH_ID_VERSION;
    out[AT_KIND] = (uint8_t)id->kind;
    put_be(out + AT_REQUEST, id->request_id, AT_FIRST_TRADE - AT_REQUEST);
    put_be(out + AT_FIRST_TRADE, id->first_trade_id, AT_LEGS - AT_FIRST_TRADE);
    put_be(out + AT_LEGS, id->leg_count, AT_HASH - AT_LEGS);
    memcpy(out + AT_HASH, id->members_hash, SETTLE_BATCH_ID_HASH_BYTES);
}

bool settle_batch_id_read(struct settle_batch_id *id, const uint8_t bytes[SETTLE_BATCH_ID_BYTES])
{
    if (memcmp(bytes, magic, sizeof(magic)) != 0 || bytes[AT_VERSION] != SETTLE_BATCH_ID_VERSION ||
        bytes[AT_KIND] > SETTLE_BATCH_PAYOUT)
        return false;
    id->kind = (enum settle_batch_kind)bytes[AT_KIND];
    id->request_id = get_be(bytes + AT_REQUEST, AT_FIRST_TRADE - AT_REQUEST);
    id->first_trade_id = get_be(bytes + AT_FIRST_TRADE, AT_LEGS - AT_FIRST_TRADE);
    id->leg_count = (uint16_t)get_be(bytes + AT_LEGS, AT_HASH - AT_LEGS);
    memcpy(id->members_hash, bytes + AT_HASH, SETTLE_BATCH_ID_HASH_BYTES);
    return id->request_id > 0 && id->leg_count > 0 &&
           (id->first_trade_id > 0) == (id->kind != SETTLE_BATCH_CUSTODY) &&
           ((id->kind != SETTLE_BATCH_SINGLE && id->kind != SETTLE_BATCH_PAYOUT) ||
            id->leg_count == 1);
}

bool settle_batch_id_matches(const struct settle_batch_id *id, const uint64_t *trade_ids,
                             size_t count)
{
    uint8_t hash[SETTLE_BATCH_ID_HASH_BYTES];

    if (count > SETTLE_BATCH_MEMBERS_MAX || !is_rising(trade_ids, count) ||
        (count > 0 ? trade_ids[0] : 0) != id->first_trade_id ||
        !kind_has_legs(id->kind, id->leg_count, count))
        return false;
    members_hash(hash, trade_ids, count);
    return memcmp(hash, id->members_hash, sizeof(hash)) == 0;
}
