#include "settlement/settle_call.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "settlement/settle_netting.h"

static const struct {
    const char *word;
    enum settle_gas gas;
    size_t legs_min;
    size_t legs_max;
} operations[] = {
#define ROW(name, word, gas, fewest, most) {word, SETTLE_GAS_##gas, fewest, most},
    SETTLE_OPERATIONS(ROW)
#undef ROW
};

const char *settle_operation_text(enum settle_operation operation)
{
    ASSERT(operation < SETTLE_OPERATION_COUNT);
    return operations[operation].word;
}

enum settle_operation settle_operation_parse(const char *word)
{
    unsigned operation = 0;

    while (operation < SETTLE_OPERATION_COUNT && strcmp(operations[operation].word, word) != 0)
        operation++;
    return (enum settle_operation)operation;
}

void settle_operations_array(char out[SETTLE_OPERATIONS_ARRAY_MAX])
{
    size_t len = 0;

    for (unsigned i = 0; i < SETTLE_OPERATION_COUNT; i++)
        len += (size_t)snprintf(out + len, SETTLE_OPERATIONS_ARRAY_MAX - len, "%c%s",
                                i == 0 ? '{' : ',', operations[i].word);
    ASSERT(len + 2 <= SETTLE_OPERATIONS_ARRAY_MAX);
    memcpy(out + len, "}", 2);
}

const struct chain_address *settle_leg_wallet(const struct settle_leg *leg)
{
    return address_is_zero(&leg->to) ? &leg->from : &leg->to;
}

static bool is_transfer(const struct settle_call *call)
{
    return call->operation == SETTLE_FORCED_TRANSFER ||
           call->operation == SETTLE_BATCH_FORCED_TRANSFER;
}

enum settle_operation settle_call_operation(const struct settle_call *call, size_t moves)
{
    if (!is_transfer(call))
        return call->operation;
    return moves == 1 ? SETTLE_FORCED_TRANSFER : SETTLE_BATCH_FORCED_TRANSFER;
}

enum settle_gas settle_call_gas(const struct settle_call *call, size_t moves)
{
    return moves > 1 ? SETTLE_GAS_BATCH : operations[call->operation].gas;
}

__attribute__((format(printf, 2, 3))) static bool refuse(char error[SETTLE_CALL_ERROR_MAX],
                                                         const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, SETTLE_CALL_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

// ---- arguments

static bool read_address(struct chain_address *out, const json_t *object, const char *name,
                         char error[SETTLE_CALL_ERROR_MAX])
{
    const char *text = json_string_value(json_object_get(object, name));

    return (text != NULL && address_parse(out, text) && !address_is_zero(out)) ||
           refuse(error, "arguments_malformed: \"%s\" is no address", name);
}

// A request that is no payout, and one of a version that put no id on it, has neither.
static bool read_payout(struct settle_arguments *out, const json_t *object,
                        char error[SETTLE_CALL_ERROR_MAX])
{
    const json_t *payout = json_object_get(object, "payout");
    const char *digest = json_string_value(json_object_get(object, "digest"));

    if (payout == NULL)
        return true;
    if (!json_is_integer(payout) || json_integer_value(payout) <= 0)
        return refuse(error, "arguments_malformed: \"payout\" is no number");
    out->payout = (uint64_t)json_integer_value(payout);
    return (digest != NULL &&
            hex_decode_exact(out->payout_digest, sizeof(out->payout_digest), digest)) ||
           refuse(error, "arguments_malformed: \"digest\" is not %d bytes in hex",
                  SETTLE_BATCH_ID_HASH_BYTES);
}

static bool read_members(struct settle_arguments *out, enum settle_operation operation,
                         const json_t *object, char error[SETTLE_CALL_ERROR_MAX])
{
    const json_t *country = json_object_get(object, "country");
    const json_t *frozen = json_object_get(object, "frozen");

    const json_t *nonce = json_object_get(object, "nonce");

    if (operation == SETTLE_CANCEL_NONCE) {
        out->nonce = (uint64_t)json_integer_value(nonce);
        if (!json_is_integer(nonce) || json_integer_value(nonce) < 0)
            return refuse(error, "arguments_malformed: \"nonce\" is no number");
        return json_object_get(object, "signer") == NULL ||
               read_address(&out->signer, object, "signer", error);
    }
    if (operation == SETTLE_ADD_AGENT)
        return read_address(&out->agent, object, "agent", error);
    if (operation == SETTLE_SET_ADDRESS_FROZEN) {
        out->frozen = json_is_true(frozen);
        return json_is_boolean(frozen) ||
               refuse(error, "arguments_malformed: \"frozen\" is neither true nor false");
    }
    if (operation == SETTLE_ERC20_TRANSFER)
        return read_payout(out, object, error);
    if (operation != SETTLE_REGISTER_IDENTITY)
        return true;
    if (!json_is_integer(country) || json_integer_value(country) < 1 ||
        json_integer_value(country) > 999)
        return refuse(error, "arguments_malformed: \"country\" is not within 1..999");
    out->country = (uint16_t)json_integer_value(country);
    return read_address(&out->identity, object, "identity", error);
}

bool settle_arguments_read(struct settle_arguments *out, enum settle_operation operation,
                           const char *arguments, char error[SETTLE_CALL_ERROR_MAX])
{
    json_error_t json_error;
    json_t *object = json_loads(arguments, JSON_REJECT_DUPLICATES, &json_error);
    bool ok;

    *out = (struct settle_arguments){0};
    if (json_is_object(object))
        ok = read_members(out, operation, object, error);
    else
        ok = refuse(error, "arguments_malformed: no JSON object");
    json_decref(object);
    return ok;
}

// ---- calls

struct columns {
    struct chain_address from[SETTLE_LEGS_MAX];
    struct chain_address to[SETTLE_LEGS_MAX]; // or the wallet
    chain_uint128 units[SETTLE_LEGS_MAX];
    bool frozen[SETTLE_LEGS_MAX];
};

static void columns_fill(struct columns *out, const struct settle_call *call, size_t legs,
                         bool frozen)
{
    for (size_t i = 0; i < legs; i++) {
        out->from[i] = call->legs[i].from;
        out->to[i] = is_transfer(call) ? call->legs[i].to : *settle_leg_wallet(&call->legs[i]);
        out->units[i] = call->legs[i].units;
        out->frozen[i] = frozen;
    }
}

static ssize_t build_one(uint8_t *out, size_t max, const struct settle_call *call,
                         const struct columns *c, const struct settle_arguments *arguments)
{
    switch ((int)call->operation) {
    case SETTLE_MINT:
        return erc3643_mint(out, max, &c->to[0], c->units[0]);
    case SETTLE_BURN:
        return erc3643_burn(out, max, &c->to[0], c->units[0]);
    case SETTLE_FREEZE_PARTIAL:
        return erc3643_freeze_partial(out, max, &c->to[0], c->units[0]);
    case SETTLE_UNFREEZE_PARTIAL:
        return erc3643_unfreeze_partial(out, max, &c->to[0], c->units[0]);
    case SETTLE_SET_ADDRESS_FROZEN:
        return erc3643_set_address_frozen(out, max, &c->to[0], arguments->frozen);
    case SETTLE_REGISTER_IDENTITY:
        return erc3643_register_identity(out, max, &c->to[0], &arguments->identity,
                                         arguments->country);
    case SETTLE_DELETE_IDENTITY:
        return erc3643_delete_identity(out, max, &c->to[0]);
    case SETTLE_ERC20_TRANSFER:
        return erc3643_transfer(out, max, &c->to[0], c->units[0]);
    default:
        ASSERT(is_transfer(call));
        return erc3643_forced_transfer(out, max, &c->from[0], &c->to[0], c->units[0]);
    }
}

static ssize_t build_many(uint8_t *out, size_t max, const struct settle_call *call,
                          const struct columns *c, size_t legs)
{
    switch ((int)call->operation) {
    case SETTLE_MINT:
        return erc3643_batch_mint(out, max, c->to, c->units, legs);
    case SETTLE_BURN:
        return erc3643_batch_burn(out, max, c->to, c->units, legs);
    case SETTLE_FREEZE_PARTIAL:
        return erc3643_batch_freeze_partial(out, max, c->to, c->units, legs);
    case SETTLE_UNFREEZE_PARTIAL:
        return erc3643_batch_unfreeze_partial(out, max, c->to, c->units, legs);
    case SETTLE_SET_ADDRESS_FROZEN:
        return erc3643_batch_set_address_frozen(out, max, c->to, c->frozen, legs);
    default:
        ASSERT(is_transfer(call));
        return erc3643_batch_forced_transfer(out, max, c->from, c->to, c->units, legs);
    }
}

// A row that somebody else wrote: what it must have.
static bool row_is_whole(const struct settle_call *call, const struct columns *c, size_t legs,
                         char error[SETTLE_CALL_ERROR_MAX])
{
    bool moves = is_transfer(call) || call->operation == SETTLE_MINT ||
                 call->operation == SETTLE_BURN || call->operation == SETTLE_FREEZE_PARTIAL ||
                 call->operation == SETTLE_UNFREEZE_PARTIAL ||
                 call->operation == SETTLE_ERC20_TRANSFER;
    bool from = is_transfer(call) || call->operation == SETTLE_ERC20_TRANSFER;

    if (call->leg_count < operations[call->operation].legs_min ||
        call->leg_count > operations[call->operation].legs_max)
        return refuse(error, "legs_malformed: %zu legs, %zu to %zu are possible", call->leg_count,
                      operations[call->operation].legs_min, operations[call->operation].legs_max);
    for (size_t i = 0; i < legs; i++) {
        if (address_is_zero(&c->to[i]) || (from && address_is_zero(&c->from[i])))
            return refuse(error, "legs_malformed: leg %u has no wallet",
                          (unsigned)call->legs[i].number);
        if (moves && c->units[i] == 0)
            return refuse(error, "legs_malformed: leg %u has no amount",
                          (unsigned)call->legs[i].number);
    }
    return true;
}

// Members are the trades of the first `moves` movements, in the order of their ids.
static void batch_id_of(struct settle_batch_id *id, const struct settle_call *call, size_t moves)
{
    uint64_t trades[SETTLE_LEGS_MAX];
    size_t members = 0;

    for (size_t i = 0; i < call->leg_count && call->is_of_trades; i++)
        if ((call->is_netted ? call->legs[i].place : i) < moves)
            trades[members++] = call->legs[i].trade_id;
    settle_batch_id_make(id,
                         call->is_of_custody ? SETTLE_BATCH_CUSTODY
                         : call->is_netted   ? SETTLE_BATCH_NET
                         : moves == 1        ? SETTLE_BATCH_SINGLE
                                             : SETTLE_BATCH_MANY,
                         call->request_id, moves, trades, members);
}

static ssize_t build_moves(uint8_t *out, size_t max, const struct settle_call *call, size_t moves,
                           const struct settle_arguments *arguments,
                           char error[SETTLE_CALL_ERROR_MAX])
{
    struct columns columns;

    ASSERT(moves <= call->leg_count && call->leg_count <= SETTLE_LEGS_MAX);
    columns_fill(&columns, call, moves, arguments->frozen);
    if (!row_is_whole(call, &columns, moves, error))
        return -1;
    return moves > 1 ? build_many(out, max, call, &columns, moves)
                     : build_one(out, max, call, &columns, arguments);
}

ssize_t settle_call_build(uint8_t *out, size_t max, const struct settle_call *call, size_t moves,
                          const char *arguments, char error[SETTLE_CALL_ERROR_MAX])
{
    struct settle_arguments read;
    struct settle_call scratch;
    const char *word = settle_operation_text(call->operation);

    if (settle_setup_is_of(word))
        return settle_setup_build(out, max, word, arguments, error);
    if (!settle_arguments_read(&read, call->operation, arguments, error))
        return -1;
    if (call->operation == SETTLE_CANCEL_NONCE)
        return 0;
    ssize_t len = build_moves(out, max, settle_netting_moves(&scratch, call), moves, &read, error);
    if (len < 0)
        return -1;
    ASSERT(len > 0 && (size_t)len + SETTLE_BATCH_ID_BYTES <= max);
    struct settle_batch_id id;
    if (read.payout > 0)
        settle_batch_id_make_payout(&id, call->request_id, read.payout, read.payout_digest);
    else if (call->is_of_trades || call->is_of_custody)
        batch_id_of(&id, call, moves);
    else
        return len;
    settle_batch_id_write(out + len, &id);
    return len + SETTLE_BATCH_ID_BYTES;
}
