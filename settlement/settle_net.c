// The trades are sorted by pair of wallets, whichever of the two sells, and within a pair by trade
// id; each run of one pair is a net. Two sums per net, one for either direction; the larger one
// less the smaller one moves.
#include "settlement/settle_net.h"

#include <stdlib.h>
#include <string.h>

static int address_order(const struct chain_address *a, const struct chain_address *b)
{
    return memcmp(a->bytes, b->bytes, ADDRESS_BYTES);
}

static bool is_upward(const struct settle_net_trade *trade)
{
    return address_order(&trade->from, &trade->to) < 0;
}

static const struct chain_address *low_of(const struct settle_net_trade *trade)
{
    return is_upward(trade) ? &trade->from : &trade->to;
}

static const struct chain_address *high_of(const struct settle_net_trade *trade)
{
    return is_upward(trade) ? &trade->to : &trade->from;
}

static int pair_order(const struct settle_net_trade *a, const struct settle_net_trade *b)
{
    int low = address_order(low_of(a), low_of(b));

    return low != 0 ? low : address_order(high_of(a), high_of(b));
}

static int number_order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int trade_order(const void *a, const void *b)
{
    const struct settle_net_trade *left = a, *right = b;
    int pair = pair_order(left, right);

    return pair != 0 ? pair : number_order(left->trade_id, right->trade_id);
}

static int net_order(const void *a, const void *b)
{
    const struct settle_net *left = a, *right = b;

    return number_order(left->net_id, right->net_id);
}

// ---- may it be netted?

static bool word_is(const char *word, size_t len, const char *name)
{
    return name[0] != '\0' && strlen(name) == len && memcmp(word, name, len) == 0;
}

static bool word_means(const char *word, size_t len, const struct erc3643_module *module)
{
    struct chain_address address;
    char text[ADDRESS_TEXT_SIZE];

    if (word_is(word, len, module->name))
        return true;
    if (len != ADDRESS_TEXT_SIZE - 1)
        return false;
    memcpy(text, word, len);
    text[len] = '\0';
    return address_parse(&address, text) && address_equal(&address, &module->address);
}

static bool is_reviewed(const char *reviewed, const struct erc3643_module *module)
{
    for (const char *word = reviewed; *word != '\0';) {
        size_t len;

        word += strspn(word, ", ");
        len = strcspn(word, ", ");
        if (word_means(word, len, module))
            return true;
        word += len;
    }
    return false;
}

const struct erc3643_module *
settle_net_unreviewed(const char *reviewed, const struct erc3643_module *modules, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!is_reviewed(reviewed, &modules[i]))
            return &modules[i];
    return NULL;
}

// ---- the plan

// One net: the run of trades of one pair that begins at `first`.
static bool net_run(struct settle_net *net, const struct settle_net_trade *trades, size_t first,
                    size_t count)
{
    chain_uint128 up = 0, down = 0;
    size_t end = first;

    for (; end < count && pair_order(&trades[first], &trades[end]) == 0; end++) {
        chain_uint128 *sum = is_upward(&trades[end]) ? &up : &down;

        if (__builtin_add_overflow(*sum, trades[end].units, sum))
            return false;
    }
    *net = (struct settle_net){.net_id = trades[first].trade_id,
                               .from = *(up > down ? low_of : high_of)(&trades[first]),
                               .to = *(up > down ? high_of : low_of)(&trades[first]),
                               .units = up > down ? up - down : down - up,
                               .first = first,
                               .count = end - first};
    if (net->units == 0) {
        net->from = trades[first].from;
        net->to = trades[first].to;
    }
    return true;
}

bool settle_net(struct settle_net *nets, size_t *net_count, struct settle_net_trade *trades,
                size_t count)
{
    ASSERT(count > 0 && count <= SETTLE_NET_TRADES_MAX);
    for (size_t i = 0; i < count; i++)
        ASSERT(trades[i].trade_id > 0 && trades[i].units > 0 &&
               !address_equal(&trades[i].from, &trades[i].to));
    qsort(trades, count, sizeof(*trades), trade_order);
    *net_count = 0;
    for (size_t first = 0; first < count; first += nets[(*net_count)++].count)
        if (!net_run(&nets[*net_count], trades, first, count))
            return false;
    qsort(nets, *net_count, sizeof(*nets), net_order);
    return true;
}

// ---- conservation

// What `address` has at the end less what it had, modulo 2^128: sums that wrap are exact where they
// end.
static chain_uint128 change_of(const struct chain_address *address,
                               const struct chain_address *from, const struct chain_address *to,
                               chain_uint128 units)
{
    if (address_equal(address, from))
        return -units;
    return address_equal(address, to) ? units : 0;
}

static bool net_is_whole(const struct settle_net *net, const struct settle_net_trade *trades)
{
    chain_uint128 owed = 0;
    uint64_t before = 0;

    for (size_t i = net->first; i < net->first + net->count; i++) {
        const struct settle_net_trade *trade = &trades[i];
        bool is_pair =
            (address_equal(&trade->from, &net->from) && address_equal(&trade->to, &net->to)) ||
            (address_equal(&trade->from, &net->to) && address_equal(&trade->to, &net->from));

        if (!is_pair || trade->trade_id <= before)
            return false;
        before = trade->trade_id;
        owed += change_of(&net->to, &trade->from, &trade->to, trade->units);
    }
    return net->count > 0 && net->net_id == trades[net->first].trade_id && owed == net->units;
}

bool settle_net_check(const struct settle_net *nets, size_t net_count,
                      const struct settle_net_trade *trades, size_t count)
{
    uint8_t seen[SETTLE_NET_TRADES_MAX] = {0};
    size_t members = 0;

    ASSERT(count <= SETTLE_NET_TRADES_MAX);
    for (size_t n = 0; n < net_count; n++) {
        if (nets[n].first > count || nets[n].count > count - nets[n].first ||
            !net_is_whole(&nets[n], trades) || (n > 0 && nets[n].net_id <= nets[n - 1].net_id))
            return false;
        for (size_t i = nets[n].first; i < nets[n].first + nets[n].count; i++)
            if (seen[i]++ != 0)
                return false;
        members += nets[n].count;
    }
    return members == count;
}

static void put_number(uint8_t out[8], uint64_t value)
{
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> 8 * (7 - i));
}

// A chain of hashes, so that nothing has to be held: each is over the one before and 64 bytes of
// one net, or of one member.
static void digest_add(struct chain_hash *digest, uint64_t id, const struct chain_address *from,
                       const struct chain_address *to, chain_uint128 units)
{
    uint8_t text[KECCAK_BYTES + 8 + 2 * ADDRESS_BYTES + 16];
    uint8_t *at = text + KECCAK_BYTES;

    memcpy(text, digest->bytes, KECCAK_BYTES);
    put_number(at, id);
    memcpy(at + 8, from->bytes, ADDRESS_BYTES);
    memcpy(at + 8 + ADDRESS_BYTES, to->bytes, ADDRESS_BYTES);
    put_number(at + 8 + 2 * ADDRESS_BYTES, (uint64_t)(units >> 64));
    put_number(at + 16 + 2 * ADDRESS_BYTES, (uint64_t)units);
    *digest = keccak256_hash(text, sizeof(text));
}

struct chain_hash settle_net_digest(const struct settle_net *nets, size_t net_count,
                                    const struct settle_net_trade *trades)
{
    struct chain_hash digest = {{0}};

    for (size_t n = 0; n < net_count; n++) {
        digest_add(&digest, nets[n].net_id, &nets[n].from, &nets[n].to, nets[n].units);
        for (size_t i = nets[n].first; i < nets[n].first + nets[n].count; i++)
            digest_add(&digest, trades[i].trade_id, &trades[i].from, &trades[i].to,
                       trades[i].units);
    }
    return digest;
}
