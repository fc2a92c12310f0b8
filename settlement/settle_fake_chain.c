#include "settlement/settle_fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schema/rejects.h"

// A node with one ERC-3643 token, the signer, and the core. The node speaks JSON-RPC results, so
// that chain/node.c and chain/erc3643.c are under test with the worker; its errors have a real
// node's words.

static const uint8_t registry_bytes[ADDRESS_BYTES] = {0x11};
static const uint8_t compliance_bytes[ADDRESS_BYTES] = {0x22};

// ---- state

struct fake_wallet *fake_wallet(struct fake_world *world, const struct chain_address *address)
{
    for (size_t i = 0; i < world->wallet_count; i++)
        if (address_equal(&world->wallets[i].address, address))
            return &world->wallets[i];
    ASSERT(world->wallet_count < FAKE_WALLETS_MAX);
    world->wallets[world->wallet_count] = (struct fake_wallet){.address = *address};
    return &world->wallets[world->wallet_count++];
}

struct fake_wallet *fake_wallet_of(struct fake_world *world, const char *text)
{
    struct chain_address address;

    ASSERT(address_parse(&address, text));
    return fake_wallet(world, &address);
}

chain_uint128 fake_supply(const struct fake_world *world)
{
    chain_uint128 units = 0;

    for (size_t i = 0; i < world->wallet_count; i++)
        units += world->wallets[i].units;
    return units;
}

static struct chain_hash block_hash(const struct fake_world *world, uint64_t number)
{
    uint64_t seed[2] = {number, world->block_forks[number % FAKE_FORKS_MAX]};

    return keccak256_hash((const uint8_t *)seed, sizeof(seed));
}

static bool read_leg(struct settle_leg *leg, const uint8_t *words, size_t len, size_t from,
                     size_t to, size_t units)
{
    struct abi_word word[3];

    *leg = (struct settle_leg){0};
    return abi_answer_word(&word[0], words, len, from) &&
           abi_answer_word(&word[1], words, len, to) &&
           abi_answer_word(&word[2], words, len, units) && abi_word_address(&leg->from, &word[0]) &&
           abi_word_address(&leg->to, &word[1]) && abi_word_u128(&leg->units, &word[2]);
}

bool fake_call_read(struct settle_call *call, const struct chain_address *to, const uint8_t *data,
                    size_t len)
{
    uint32_t selector =
        (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    struct abi_word word;
    chain_uint128 count;

    data += ABI_SELECTOR_BYTES;
    len -= ABI_SELECTOR_BYTES;
    *call = (struct settle_call){.operation = SETTLE_FORCED_TRANSFER, .contract = *to};
    if (selector == ERC3643_FORCED_TRANSFER) {
        call->leg_count = 1;
        return read_leg(&call->legs[0], data, len, 0, 1, 2);
    }
    if (selector != ERC3643_BATCH_FORCED_TRANSFER || !abi_answer_word(&word, data, len, 3) ||
        !abi_word_u128(&count, &word) || count == 0 || count > SETTLE_LEGS_MAX)
        return false;
    call->operation = SETTLE_BATCH_FORCED_TRANSFER;
    call->leg_count = (size_t)count;
    for (size_t i = 0; i < call->leg_count; i++)
        if (!read_leg(&call->legs[i], data, len, 4 + i, 5 + call->leg_count + i,
                      6 + 2 * call->leg_count + i))
            return false;
    return true;
}

static struct abi_word word_at(const uint8_t *calldata, size_t len, size_t index)
{
    struct abi_word word;

    ASSERT(abi_answer_word(&word, calldata + ABI_SELECTOR_BYTES, len - ABI_SELECTOR_BYTES, index));
    return word;
}

// A call that is of no trade: would it pass? `run` carries it out, `undo` takes it back.
enum own { OWN_TRY, OWN_RUN, OWN_UNDO };

static bool own_run(struct fake_world *world, const uint8_t *calldata, size_t len, enum own how)
{
    uint32_t selector = (uint32_t)calldata[0] << 24 | (uint32_t)calldata[1] << 16 |
                        (uint32_t)calldata[2] << 8 | calldata[3];
    struct abi_word first = word_at(calldata, len, 0);
    struct abi_word second = word_at(calldata, len, 1);
    struct chain_address address;
    chain_uint128 units = 0;

    ASSERT(abi_word_address(&address, &first));
    struct fake_wallet *wallet = fake_wallet(world, &address);
    if (selector == ERC3643_REGISTER_IDENTITY) {
        if (how != OWN_UNDO && !address_is_zero(&wallet->identity))
            return false; // "address stored already"
        if (how == OWN_RUN)
            ASSERT(abi_word_address(&wallet->identity, &second));
        if (how == OWN_UNDO)
            wallet->identity = (struct chain_address){{0}};
        wallet->country = 724;
        wallet->verified = !address_is_zero(&wallet->identity);
        return true;
    }
    ASSERT(abi_word_u128(&units, &second) &&
           (selector == ERC3643_MINT || selector == ERC3643_BURN));
    bool adds = (selector == ERC3643_MINT) == (how != OWN_UNDO);
    if (world->hook_reverts || units == world->poison || !wallet->verified ||
        (!adds && wallet->units < units))
        return false;
    if (how != OWN_TRY) {
        wallet->units = adds ? wallet->units + units : wallet->units - units;
        world->minted = adds ? world->minted + units : world->minted - units;
    }
    return true;
}

void fake_call_of(const struct fake_world *world, struct settle_call *call, size_t attempt)
{
    const struct fake_attempt *row = &world->attempts[attempt];
    const struct fake_request *request = &world->requests[row->request];

    if (row->calldata_len == 0) { // it gives its nonce up
        *call = (struct settle_call){.request_id = request->request_id};
        return;
    }
    ASSERT(
        fake_call_read(call, &request->token, &world->bytes[row->calldata_at], row->calldata_len));
    ASSERT(request->is_netted || call->leg_count == request->leg_count);
    call->request_id = request->request_id;
}

// The trades that a transaction moves, by themselves or in nets: once more, or once less.
static void trades_executed(struct fake_world *world, const struct fake_tx *tx, bool again)
{
    const struct fake_attempt *row = &world->attempts[tx->attempt];
    const struct fake_request *request = &world->requests[row->request];

    for (size_t i = 0; row->calldata_len > 0 && i < request->leg_count; i++) {
        struct fake_trade *trade = &world->trades[request->legs[i].trade];
        trade->executed = again ? trade->executed + 1 : trade->executed - 1;
        // Never two transfers for one trade.
        ASSERT(world->may_move_twice || (trade->executed <= 1 && !trade->to_zero));
    }
}

// What the contract does with a leg: agent, balance and isVerified(to), then the hooks.
static bool leg_passes(struct fake_world *world, const struct settle_leg *leg, bool in_block)
{
    return !world->hook_reverts && (world->poison == 0 || leg->units != world->poison) &&
           (!in_block || world->poison_mined == 0 || leg->units != world->poison_mined) &&
           fake_wallet(world, &leg->from)->units >= leg->units &&
           fake_wallet(world, &leg->to)->verified;
}

static void leg_move(struct fake_world *world, const struct chain_address *from,
                     const struct chain_address *to, chain_uint128 units)
{
    fake_wallet(world, from)->units -= units;
    fake_wallet(world, to)->units += units;
}

// Runs the legs one after the other; all or none has moved. Returns how many pass.
static size_t legs_run(struct fake_world *world, const struct settle_call *call, bool in_block)
{
    size_t passed = 0;

    while (passed < call->leg_count && leg_passes(world, &call->legs[passed], in_block)) {
        leg_move(world, &call->legs[passed].from, &call->legs[passed].to, call->legs[passed].units);
        passed++;
    }
    for (size_t i = passed; passed < call->leg_count && i > 0; i--)
        leg_move(world, &call->legs[i - 1].to, &call->legs[i - 1].from, call->legs[i - 1].units);
    return passed;
}

// Again, one by one: free units go first, what lacks is taken of the frozen ones.
static void legs_unfreeze(struct fake_world *world, const struct fake_tx *tx,
                          const struct settle_call *call)
{
    for (size_t i = call->leg_count; i > 0; i--)
        leg_move(world, &call->legs[i - 1].to, &call->legs[i - 1].from, call->legs[i - 1].units);
    for (size_t i = 0; i < call->leg_count; i++) {
        const struct settle_leg *leg = &call->legs[i];
        struct fake_wallet *from = fake_wallet(world, &leg->from);
        chain_uint128 free =
            from->units > from->frozen_units ? from->units - from->frozen_units : 0;
        if (leg->units > free && from->frozen_units > 0) {
            ASSERT(world->unfrozen_count < FAKE_UNFROZEN_MAX);
            world->unfrozen[world->unfrozen_count++] =
                (struct fake_unfrozen){.of = (size_t)(tx - world->txs),
                                       .leg = i,
                                       .wallet = from,
                                       .units = leg->units - free};
            from->frozen_units -= leg->units - free;
        }
        leg_move(world, &leg->from, &leg->to, leg->units);
    }
}

static void tx_freeze_back(struct fake_world *world, const struct fake_tx *tx)
{
    size_t kept = 0;

    for (size_t i = 0; i < world->unfrozen_count; i++) {
        const struct fake_unfrozen taken = world->unfrozen[i];
        if (taken.of == (size_t)(tx - world->txs))
            taken.wallet->frozen_units += taken.units;
        else
            world->unfrozen[kept++] = taken;
    }
    world->unfrozen_count = kept;
}

static struct settle_call scratch_call; // of the effect that runs

// The request of a transaction that is of no trade, else NULL.
static struct fake_request *own_of(struct fake_world *world, const struct fake_tx *tx)
{
    struct fake_request *request = &world->requests[world->attempts[tx->attempt].request];

    return fake_is_of_trades(request) || world->attempts[tx->attempt].calldata_len == 0 ? NULL
                                                                                        : request;
}

static void tx_execute(struct fake_world *world, struct fake_tx *tx)
{
    struct settle_call *call = &scratch_call;

    tx->mined = true;
    tx->block = world->block;
    tx->succeeded = false;
    if (!tx->foreign && own_of(world, tx) != NULL) {
        const struct fake_attempt *row = &world->attempts[tx->attempt];
        tx->succeeded = tx->moved =
            !world->out_of_gas_once &&
            own_run(world, &world->bytes[row->calldata_at], row->calldata_len, OWN_RUN);
        own_of(world, tx)->executed += tx->succeeded;
        ASSERT(own_of(world, tx)->executed <= 1); // never twice
        world->out_of_gas_once = false;
        return;
    }
    if (!tx->foreign && world->attempts[tx->attempt].calldata_len == 0) {
        tx->succeeded = true; // it gives its nonce up, and moves nothing
        return;
    }
    if (!tx->foreign && !world->out_of_gas_once) {
        fake_call_of(world, call, tx->attempt);
        tx->succeeded = legs_run(world, call, true) == call->leg_count;
    }
    world->out_of_gas_once = false;
    if (!tx->succeeded)
        return;
    tx->moved = true;
    legs_unfreeze(world, tx, call);
    if (call->leg_count > world->largest_batch)
        world->largest_batch = (unsigned)call->leg_count;
    trades_executed(world, tx, true);
}

static void tx_undo(struct fake_world *world, const struct fake_tx *tx)
{
    struct settle_call *call = &scratch_call;
    const struct fake_attempt *row = &world->attempts[tx->attempt];

    if (own_of(world, tx) != NULL) {
        ASSERT(own_run(world, &world->bytes[row->calldata_at], row->calldata_len, OWN_UNDO));
        own_of(world, tx)->executed--;
        return;
    }

    fake_call_of(world, call, tx->attempt);
    for (size_t i = call->leg_count; i > 0; i--) {
        const struct settle_leg *leg = &call->legs[i - 1];
        leg_move(world, &leg->to, &leg->from, leg->units);
    }
    tx_freeze_back(world, tx);
    trades_executed(world, tx, false);
}

static uint64_t mined_count(const struct fake_world *world)
{
    uint64_t count = 0;

    for (size_t i = 0; i < world->tx_count; i++)
        count += world->txs[i].mined;
    return count;
}

static struct fake_tx *pool_find(struct fake_world *world, uint64_t nonce)
{
    for (size_t i = 0; i < world->tx_count; i++)
        if (!world->txs[i].mined && !world->txs[i].dropped && world->txs[i].nonce == nonce)
            return &world->txs[i];
    return NULL;
}

static void block_add(struct fake_world *world)
{
    world->block++;
    world->block_forks[world->block % FAKE_FORKS_MAX] = world->fork;
}

void fake_mine(struct fake_world *world)
{
    block_add(world);
    for (;;) {
        struct fake_tx *tx = pool_find(world, mined_count(world));
        if (tx == NULL || tx->max_fee_wei < world->base_fee_wei)
            return;
        tx_execute(world, tx);
    }
}

void fake_reorganise(struct fake_world *world, uint64_t depth, bool forget)
{
    world->fork++;
    world->block -= depth;
    if (depth == 0) // another block in the place of the newest, with the same transactions
        world->block_forks[world->block % FAKE_FORKS_MAX] = world->fork;
    for (size_t i = world->tx_count; i > 0; i--) {
        struct fake_tx *tx = &world->txs[i - 1];
        if (!tx->mined || tx->block <= world->block)
            continue;
        if (tx->moved)
            tx_undo(world, tx);
        tx->mined = tx->moved = tx->succeeded = false;
        tx->block = 0;
        tx->dropped = forget;
    }
}

void fake_forget_pool(struct fake_world *world)
{
    for (size_t i = 0; i < world->tx_count; i++)
        if (!world->txs[i].mined)
            world->txs[i].dropped = true;
}

void fake_return(struct fake_world *world, uint64_t nonce, size_t which)
{
    for (size_t i = 0; i < world->tx_count; i++)
        if (world->txs[i].nonce == nonce && !world->txs[i].mined)
            world->txs[i].dropped = which-- != 0;
}

void fake_foreign(struct fake_world *world)
{
    uint64_t nonce = mined_count(world);
    struct fake_tx *ours = pool_find(world, nonce);

    if (ours != NULL)
        ours->dropped = true;
    ASSERT(world->tx_count < FAKE_TX_MAX);
    struct fake_tx *tx = &world->txs[world->tx_count++];
    block_add(world);
    *tx = (struct fake_tx){.nonce = nonce, .foreign = true, .mined = true, .block = world->block};
    tx->hash = keccak256_hash((const uint8_t *)&world->tx_count, sizeof(world->tx_count));
}

// ---- JSON-RPC

static json_t *quantity(chain_uint128 value)
{
    char text[HEX_QUANTITY_SIZE];

    hex_quantity(text, value);
    return json_string(text);
}

static json_t *bytes(const uint8_t *data, size_t len)
{
    char text[HEX_TEXT_SIZE(256)];

    ASSERT(len <= 256);
    hex_encode(text, data, len);
    return json_string(text);
}

static json_t *word_u128(chain_uint128 value)
{
    struct abi_word word = abi_from_u128(value);

    return bytes(word.bytes, sizeof(word.bytes));
}

static json_t *word_address(const uint8_t address[ADDRESS_BYTES])
{
    struct chain_address value;

    memcpy(value.bytes, address, ADDRESS_BYTES);
    struct abi_word word = abi_from_address(&value);
    return bytes(word.bytes, sizeof(word.bytes));
}

static json_t *error(struct rpc_reply *reply, int64_t code, const char *message)
{
    reply->status = RPC_ERROR;
    reply->code = code;
    snprintf(reply->message, sizeof(reply->message), "%s", message);
    return NULL;
}

static const char *param_text(const json_t *params, size_t index)
{
    return json_string_value(json_array_get(params, index));
}

static uint64_t transfers_gas(const struct fake_world *world, const struct settle_call *call)
{
    return (call->leg_count == 1 ? 200000 : 83000 * call->leg_count) + world->gas_more;
}

static json_t *transfers_call(struct fake_world *world, struct rpc_reply *reply,
                              const struct chain_address *to, const uint8_t *data, size_t len,
                              const json_t *gas, bool estimate)
{
    struct settle_call *call = &scratch_call;
    uint64_t allowed = UINT64_MAX;

    ASSERT(fake_call_read(call, to, data, len));
    ASSERT(gas == NULL || (!estimate && hex_quantity_u64(&allowed, json_string_value(gas))));
    if (allowed < transfers_gas(world, call))
        return error(reply, -32003, "out of gas");
    if (legs_run(world, call, false) < call->leg_count)
        return error(reply, 3, "execution reverted: MaxBalanceExceeded");
    for (size_t i = call->leg_count; i > 0; i--) // it was only a simulation
        leg_move(world, &call->legs[i - 1].to, &call->legs[i - 1].from, call->legs[i - 1].units);
    if (estimate)
        world->estimates++;
    return estimate ? quantity(transfers_gas(world, call)) : json_string("0x");
}

static json_t *message_call(struct fake_world *world, struct rpc_reply *reply, const json_t *params,
                            bool estimate);

// What the code of a multicall would return: each question is put to message_call.
static json_t *multicall(struct fake_world *world, const char *text)
{
    static uint8_t data[SETTLE_CALLDATA_MAX];
    static uint8_t out[MULTICALL_CHUNK_MAX * MULTICALL_ANSWER_BYTES];
    static char out_text[HEX_TEXT_SIZE(sizeof(out))];
    ssize_t len = hex_decode(data, sizeof(data), text);
    size_t offset = multicall_code_len;
    size_t out_len = 0;
    struct multicall_question question;

    ASSERT(len > 0 && memcmp(data, multicall_code, multicall_code_len) == 0);
    while (multicall_next(&question, &offset, data, (size_t)len)) {
        struct rpc_reply reply = {.status = RPC_OK};
        json_t *params = json_pack("[{so,so}]", "to", bytes(question.contract.bytes, ADDRESS_BYTES),
                                   "data", bytes(question.calldata, question.calldata_len));
        json_t *result = message_call(world, &reply, params, false);
        struct abi_word answer[2] = {abi_from_u128(result == NULL ? 0 : ABI_WORD_BYTES)};
        if (result != NULL)
            ASSERT(hex_decode_exact(answer[1].bytes, ABI_WORD_BYTES, json_string_value(result)));
        memcpy(out + out_len, answer, sizeof(answer));
        out_len += sizeof(answer);
        json_decref(result);
        json_decref(params);
    }
    ASSERT(offset == (size_t)len);
    hex_encode(out_text, out, out_len);
    return json_string(out_text);
}

static bool units_are_allowed(const struct fake_world *world, const uint8_t *calldata, size_t len)
{
    struct abi_word word = word_at(calldata, len, 2);
    chain_uint128 units = 0;

    ASSERT(abi_word_u128(&units, &word));
    return world->can_transfer_max == 0 || units <= world->can_transfer_max;
}

static json_t *modules(const struct fake_world *world)
{
    uint8_t answer[3 * ABI_WORD_BYTES] = {0};
    size_t len = sizeof(answer) - (world->has_module ? 0 : ABI_WORD_BYTES);

    answer[ABI_WORD_BYTES - 1] = ABI_WORD_BYTES;
    answer[2 * ABI_WORD_BYTES - 1] = world->has_module;
    answer[3 * ABI_WORD_BYTES - 1] = 0x77;
    return bytes(answer, len);
}

static json_t *message_call(struct fake_world *world, struct rpc_reply *reply, const json_t *params,
                            bool estimate)
{
    const json_t *message = json_array_get(params, 0);
    static uint8_t data[SETTLE_CALLDATA_MAX];
    struct chain_address to;
    struct chain_address argument = {{0}};
    uint8_t all_ones[ABI_WORD_BYTES];
    memset(all_ones, 0xff, sizeof(all_ones));
    const char *text = json_string_value(json_object_get(message, "data"));

    if (json_object_get(message, "to") == NULL)
        return multicall(world, text);
    ssize_t len = hex_decode(data, sizeof(data), text);

    if (len == 0)
        return estimate ? quantity(21000) : json_string("0x");
    ASSERT(len >= 4 && address_parse(&to, json_string_value(json_object_get(message, "to"))));
    uint32_t selector =
        (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
    if (len >= 36)
        memcpy(argument.bytes, data + 16, ADDRESS_BYTES);
#define IS(method) (selector == (uint32_t)ERC3643_##method)
    if (world->no_token && (IS(DECIMALS) || IS(PAUSED)))
        return error(reply, 3, "execution reverted");
    if (world->too_rich && IS(BALANCE_OF))
        return bytes(all_ones, sizeof(all_ones));
    if (IS(FORCED_TRANSFER) || IS(BATCH_FORCED_TRANSFER))
        return transfers_call(world, reply, &to, data, (size_t)len, json_object_get(message, "gas"),
                              estimate);
    if (IS(MINT) || IS(BURN) || IS(REGISTER_IDENTITY)) {
        if (!own_run(world, data, (size_t)len, OWN_TRY))
            return error(reply, 3, "execution reverted: not now");
        return estimate ? quantity(90000) : json_string("0x");
    }
    if (IS(CONTAINS))
        return word_u128(!address_is_zero(&fake_wallet(world, &argument)->identity));
    if (IS(IDENTITY))
        return word_address(fake_wallet(world, &argument)->identity.bytes);
    if (IS(INVESTOR_COUNTRY))
        return word_u128(fake_wallet(world, &argument)->country);
    if (IS(PAUSED))
        return word_u128(world->paused);
    if (IS(IS_FROZEN))
        return word_u128(fake_wallet(world, &argument)->frozen);
    if (IS(BALANCE_OF))
        return word_u128(fake_wallet(world, &argument)->units);
    if (IS(GET_FROZEN_TOKENS))
        return word_u128(fake_wallet(world, &argument)->frozen_units);
    if (IS(IDENTITY_REGISTRY))
        return word_address(registry_bytes);
    if (IS(COMPLIANCE))
        return word_address(compliance_bytes);
    if (IS(IS_VERIFIED))
        return word_u128(fake_wallet(world, &argument)->verified);
    if (IS(CAN_TRANSFER))
        return word_u128(world->can_transfer && units_are_allowed(world, data, (size_t)len));
    if (IS(GET_MODULES))
        return modules(world);
    if (IS(NAME))
        return error(reply, 3, "execution reverted");
    if (IS(DECIMALS))
        return word_u128(world->decimals);
    if (IS(TOTAL_SUPPLY) && world->supply_answer == FAKE_SUPPLY_NONE)
        return error(reply, 3, "execution reverted");
    if (IS(TOTAL_SUPPLY) && world->supply_answer == FAKE_SUPPLY_WIDE)
        return bytes(all_ones, sizeof(all_ones));
    if (IS(TOTAL_SUPPLY))
        return word_u128(fake_supply(world));
#undef IS
    return error(reply, -32601, "no such method of the contract");
}

static json_t *send_raw(struct fake_world *world, struct rpc_reply *reply, const json_t *params)
{
    static uint8_t raw[SIGNER_RAW_MAX];
    struct transaction tx;
    struct chain_address sender;
    ssize_t len = hex_decode(raw, sizeof(raw), param_text(params, 0));

    ASSERT(len > 0 && transaction_decode(&tx, NULL, &sender, raw, (size_t)len));
    ASSERT(address_equal(&sender, &world->signer) && tx.chain_id == world->chain_id);
    size_t attempt = fake_committed(world, raw, (size_t)len);
    ASSERT(attempt != SIZE_MAX); // never a broadcast before the commit
    struct chain_hash hash = keccak256_hash(raw, (size_t)len);
    for (size_t i = 0; i < world->tx_count; i++) {
        struct fake_tx *known = &world->txs[i];
        if (memcmp(&known->hash, &hash, sizeof(hash)) != 0)
            continue;
        if (known->mined)
            return error(reply, -32003, "nonce too low");
        if (!known->dropped)
            return error(reply, -32003, "transaction already imported");
    }
    if (tx.nonce < mined_count(world))
        return error(reply, -32003, "nonce too low");
    struct fake_tx *rival = pool_find(world, tx.nonce);
    if (tx.max_fee_wei < world->pool_floor_wei)
        return error(reply, -32003, "transaction underpriced");
    if (rival != NULL && tx.max_fee_wei < rival->max_fee_wei + rival->max_fee_wei / 8)
        return error(reply, -32003, "replacement transaction underpriced");
    if (rival != NULL)
        rival->dropped = true;
    ASSERT(world->tx_count < FAKE_TX_MAX);
    world->txs[world->tx_count++] = (struct fake_tx){.hash = hash,
                                                     .nonce = tx.nonce,
                                                     .max_fee_wei = tx.max_fee_wei,
                                                     .priority_fee_wei = tx.priority_fee_wei,
                                                     .gas_limit = tx.gas_limit,
                                                     .attempt = attempt};
    return bytes(hash.bytes, sizeof(hash.bytes));
}

static struct fake_tx *tx_param(struct fake_world *world, const json_t *params)
{
    struct chain_hash hash;

    ASSERT(hex_decode_exact(hash.bytes, sizeof(hash.bytes), param_text(params, 0)));
    for (size_t i = world->tx_count; i > 0; i--)
        if (!world->txs[i - 1].dropped && memcmp(&world->txs[i - 1].hash, &hash, sizeof(hash)) == 0)
            return &world->txs[i - 1];
    return NULL;
}

static json_t *tx_json(struct fake_world *world, const struct fake_tx *tx)
{
    return json_pack("{so,so,so,so}", "hash", bytes(tx->hash.bytes, KECCAK_BYTES), "from",
                     bytes(world->signer.bytes, ADDRESS_BYTES), "nonce", quantity(tx->nonce),
                     "blockNumber", tx->mined ? quantity(tx->block) : json_null());
}

static json_t *unfrozen_log(const struct settle_call *call, const struct fake_unfrozen *taken,
                            size_t index)
{
    static const char unfrozen[] = "TokensUnfrozen(address,uint256)";
    struct abi_word wallet = abi_from_address(&taken->wallet->address);
    struct chain_hash topic = keccak256_hash((const uint8_t *)unfrozen, sizeof(unfrozen) - 1);

    return json_pack("{so,so,so,s[oo]}", "address", bytes(call->contract.bytes, ADDRESS_BYTES),
                     "logIndex", quantity(index), "data", word_u128(taken->units), "topics",
                     bytes(topic.bytes, KECCAK_BYTES), bytes(wallet.bytes, 32));
}

static json_t *transfer_log(const struct fake_world *world, const struct settle_call *call,
                            size_t leg, size_t index)
{
    struct abi_word from = abi_from_address(&call->legs[leg].from);
    struct abi_word to = abi_from_address(&call->legs[leg].to);

    return json_pack("{so,so,so,s[ooo]}", "address", bytes(call->contract.bytes, ADDRESS_BYTES),
                     "logIndex", quantity(index), "data",
                     word_u128(call->legs[leg].units + world->wrong_event), "topics",
                     bytes(erc3643_transfer_topic.bytes, KECCAK_BYTES), bytes(from.bytes, 32),
                     bytes(to.bytes, 32));
}

static json_t *own_log(struct fake_world *world, const struct fake_tx *tx)
{
    static const char registered[] = "IdentityRegistered(address,address)";
    const struct fake_request *request = own_of(world, tx);
    const struct fake_attempt *row = &world->attempts[tx->attempt];
    struct abi_word wallet = abi_from_address(&request->own.to);
    struct abi_word nobody = {{0}};
    bool registers = request->operation == SETTLE_REGISTER_IDENTITY;
    bool burns = request->operation == SETTLE_BURN;
    struct abi_word second = registers
                                 ? word_at(&world->bytes[row->calldata_at], row->calldata_len, 1)
                                 : (burns ? nobody : wallet);
    struct abi_word first = registers || burns ? wallet : nobody;
    struct chain_hash topic =
        registers ? keccak256_hash((const uint8_t *)registered, sizeof(registered) - 1)
                  : erc3643_transfer_topic;

    return json_pack("{so,ss,so,s[ooo]}", "address", bytes(request->token.bytes, ADDRESS_BYTES),
                     "logIndex", "0x0", "data",
                     registers ? json_string("0x")
                               : word_u128(request->own.units + world->wrong_event),
                     "topics", bytes(topic.bytes, KECCAK_BYTES), bytes(first.bytes, 32),
                     bytes(second.bytes, 32));
}

json_t *fake_logs(struct fake_world *world, const struct fake_tx *tx)
{
    json_t *logs = json_array();

    if (!tx->succeeded)
        return logs;
    if (own_of(world, tx) != NULL) {
        json_array_append_new(logs, own_log(world, tx));
        return logs;
    }
    fake_call_of(world, &scratch_call, tx->attempt);
    size_t index = 0;
    for (size_t i = 0; i < scratch_call.leg_count; i++) {
        for (size_t u = 0; u < world->unfrozen_count; u++)
            if (world->unfrozen[u].of == (size_t)(tx - world->txs) && world->unfrozen[u].leg == i)
                json_array_append_new(logs,
                                      unfrozen_log(&scratch_call, &world->unfrozen[u], index++));
        json_array_append_new(logs, transfer_log(world, &scratch_call, i, index++));
    }
    return logs;
}

static json_t *receipt(struct fake_world *world, const json_t *params)
{
    const struct fake_tx *tx = tx_param(world, params);

    if (tx == NULL || !tx->mined || tx->hidden || world->receipts_hidden)
        return json_null();
    struct chain_hash hash = block_hash(world, tx->block);
    json_t *logs = fake_logs(world, tx);
    return json_pack("{so,so,so,so,ss,so,so,so}", "status", quantity(tx->succeeded), "blockNumber",
                     quantity(tx->block), "blockHash", bytes(hash.bytes, KECCAK_BYTES),
                     "transactionHash", bytes(tx->hash.bytes, KECCAK_BYTES), "transactionIndex",
                     "0x0", "gasUsed", quantity(150000), "effectiveGasPrice",
                     quantity(world->base_fee_wei), "logs", logs);
}

static json_t *block(struct fake_world *world, const json_t *params)
{
    const char *at = param_text(params, 0);
    uint64_t number = world->block;
    struct chain_hash hash;
    struct chain_hash parent;

    if (strcmp(at, "finalized") == 0)
        number = world->final_block;
    else if (strcmp(at, "latest") != 0)
        ASSERT(hex_quantity_u64(&number, at));
    if (number > world->block)
        return json_null();
    json_t *transactions = json_array();
    for (size_t i = 0; i < world->tx_count; i++)
        if (world->txs[i].mined && world->txs[i].block == number && !world->blocks_hidden)
            json_array_append_new(transactions, tx_json(world, &world->txs[i]));
    hash = block_hash(world, number);
    parent = block_hash(world, number - 1);
    return json_pack("{so,ss,so,ss,ss,so,so,so}", "number", quantity(number), "timestamp", "0x1",
                     "baseFeePerGas", quantity(world->base_fee_wei), "gasLimit", "0x1c9c380",
                     "gasUsed", "0x0", "hash", bytes(hash.bytes, KECCAK_BYTES), "parentHash",
                     bytes(parent.bytes, KECCAK_BYTES), "transactions", transactions);
}

static json_t *nonce_count(struct fake_world *world, const json_t *params)
{
    const char *at = param_text(params, 1);
    uint64_t number;
    uint64_t count = 0;

    if (!hex_quantity_u64(&number, at)) // "latest"
        number = world->block;
    for (size_t i = 0; i < world->tx_count; i++)
        count += world->txs[i].mined && world->txs[i].block <= number;
    if (world->count_lies > 0 && (number == world->block || world->lies_of_the_past)) {
        world->count_lies--;
        count = world->count_lie < 0 && count < (uint64_t)-world->count_lie
                    ? 0
                    : count + (uint64_t)world->count_lie;
    }
    return quantity(count);
}

static json_t *answer(struct fake_world *world, struct rpc_reply *reply, const char *method,
                      const json_t *params)
{
    if (strcmp(method, "eth_chainId") == 0)
        return quantity(world->chain_id);
    if (strcmp(method, "eth_blockNumber") == 0)
        return quantity(world->block);
    if (strcmp(method, "eth_feeHistory") == 0)
        return json_pack("{s[o],s[[s]]}", "baseFeePerGas", quantity(world->base_fee_wei), "reward",
                         "0x0");
    if (strcmp(method, "eth_getTransactionCount") == 0)
        return world->pruned && strcmp(param_text(params, 1), "latest") != 0
                   ? error(reply, -32000, "missing trie node")
                   : nonce_count(world, params);
    if (strcmp(method, "eth_getCode") == 0)
        return json_string("0x60");
    if (strcmp(method, "eth_call") == 0)
        return message_call(world, reply, params, false);
    if (strcmp(method, "eth_estimateGas") == 0)
        return message_call(world, reply, params, true);
    if (strcmp(method, "eth_sendRawTransaction") == 0)
        return send_raw(world, reply, params);
    if (strcmp(method, "eth_getTransactionReceipt") == 0)
        return receipt(world, params);
    if (strcmp(method, "eth_getBlockByNumber") == 0) {
        world->block_scans += json_is_true(json_array_get(params, 1));
        return block(world, params);
    }
    if (strcmp(method, "eth_getTransactionByHash") == 0) {
        const struct fake_tx *tx = tx_param(world, params);
        return tx == NULL ? json_null() : tx_json(world, tx);
    }
    return error(reply, -32601, "the method does not exist");
}

static void rpc_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    struct fake_world *world = context;
    // Others ask the node, too; these are the worker's own.
    ASSERT(!world->held || (strcmp(method, "eth_sendRawTransaction") != 0 &&
                            strcmp(method, "eth_getTransactionReceipt") != 0 &&
                            strcmp(method, "eth_estimateGas") != 0));
    enum fake_fault fault = world->down ? FAKE_LOST_BEFORE : fake_effect(world);

    memset(reply, 0, sizeof(*reply));
    if (!fake_is_before(fault))
        reply->result = answer(world, reply, method, params);
    json_decref(params);
    if (fault == FAKE_NONE)
        return;
    rpc_reply_fini(reply);
    reply->status = fault == FAKE_GARBAGE ? RPC_GARBAGE : RPC_TRANSPORT;
}

static void nothing(void *context)
{
    (void)context;
}

struct rpc_ops fake_rpc(struct fake_world *world)
{
    return (struct rpc_ops){.context = world, .call = rpc_call, .close = nothing};
}

// ---- the signer

static enum signer_result signer_address(void *context, struct chain_address *out)
{
    struct fake_world *world = context;

    if (fake_effect(world) != FAKE_NONE || world->signer_gone)
        return SIGNER_UNREACHABLE;
    *out = world->signer;
    return SIGNER_OK;
}

static bool hash_is_zero(const struct chain_hash *hash)
{
    static const struct chain_hash zero;

    return memcmp(hash, &zero, sizeof(zero)) == 0;
}

// The worker names its attempt.
static uint64_t asking(const struct fake_world *world, const struct signer_request *request)
{
    for (size_t i = 0; i < world->attempt_count; i++)
        if (world->attempts[i].attempt.attempt_id == request->request_id)
            return world->requests[world->attempts[i].request].request_id;
    return 0;
}

static enum signer_result signer_refuses(struct fake_world *world,
                                         const struct signer_request *request)
{
    struct chain_hash payload = keccak256_hash(request->calldata, request->calldata_len);

    if (world->refuse != SIGNER_OK && world->refuse_count > 0 &&
        (world->refuse_request == 0 || world->refuse_request == asking(world, request))) {
        world->refuse_count--;
        return world->refuse;
    }
    ASSERT(request->nonce < FAKE_TX_MAX);
    bool is_new = hash_is_zero(&world->signed_payload[request->nonce]);
    if (!is_new && request->calldata_len > 0 &&
        memcmp(&world->signed_payload[request->nonce], &payload, sizeof(payload)) != 0)
        return SIGNER_NONCE_CONFLICT;
    if (request->calldata_len > 0 || is_new)
        world->signed_payload[request->nonce] = payload;
    if (request->nonce >= world->signed_nonces)
        world->signed_nonces = request->nonce + 1;
    return SIGNER_OK;
}

// What is asked for again is signed with the same bytes, and stands in the log once.
static void signature_keep(struct fake_world *world, const struct signer_signed *made,
                           const struct signer_request *request)
{
    for (size_t i = 0; i < world->signed_count; i++)
        if (memcmp(&world->signatures[i].hash, &made->hash, sizeof(made->hash)) == 0)
            return;
    ASSERT(world->signed_count < FAKE_ATTEMPTS_MAX);
    struct fake_signature *signature = &world->signatures[world->signed_count++];
    signature->nonce = request->nonce;
    signature->raw_at = fake_keep(world, made->raw, made->raw_len);
    signature->raw_len = made->raw_len;
    signature->hash = made->hash;
    signature->request_id = request->request_id;
}

static enum signer_result signer_sign(void *context, struct signer_signed *out,
                                      const struct signer_request *request)
{
    struct fake_world *world = context;
    struct transaction tx = {.chain_id = request->chain_id,
                             .nonce = request->nonce,
                             .priority_fee_wei = request->priority_fee_wei,
                             .max_fee_wei = request->max_fee_wei,
                             .gas_limit = request->gas_limit,
                             .creates_contract = request->create,
                             .to = request->to,
                             .calldata = request->calldata,
                             .calldata_len = request->calldata_len};
    ASSERT(!world->held);
    enum fake_fault fault = fake_effect(world);

    if (fake_is_before(fault) || world->signer_gone)
        return SIGNER_UNREACHABLE;
    enum signer_result result = signer_refuses(world, request);
    if (result == SIGNER_OK) {
        const struct fake_attempt *row = &world->attempts[request->request_id - 1];
        ASSERT(row->calldata_len == 0 || !fake_is_late(world, &world->requests[row->request]));
        ssize_t len = transaction_sign(out->raw, sizeof(out->raw), &tx, world->key);
        ASSERT(len > 0);
        out->raw_len = (size_t)len;
        out->hash = keccak256_hash(out->raw, out->raw_len);
        signature_keep(world, out, request);
    }
    if (world->sign_answers_lost > 0) {
        world->sign_answers_lost--;
        return SIGNER_UNREACHABLE;
    }
    return fault == FAKE_NONE ? result : SIGNER_UNREACHABLE;
}

static enum signer_result signer_history(void *context, struct signer_history *out,
                                         const struct signer_history_query *query)
{
    struct fake_world *world = context;

    if (fake_effect(world) != FAKE_NONE || world->signer_gone)
        return SIGNER_UNREACHABLE;
    world->histories++;
    memset(out, 0, offsetof(struct signer_history, made));
    out->signer = world->signer;
    out->next_nonce = world->signed_nonces;
    out->made.raw_len = 0;
    for (size_t i = world->signed_count; i > 0; i--) {
        const struct fake_signature *signature = &world->signatures[i - 1];
        if (signature->nonce != query->nonce || out->bids++ != query->bid)
            continue;
        out->request_id = signature->request_id;
        out->made.hash = signature->hash;
        out->made.raw_len = signature->raw_len;
        memcpy(out->made.raw, &world->bytes[signature->raw_at], signature->raw_len);
    }
    return SIGNER_OK;
}

static enum signer_result signer_account(void *context, struct signer_account *out,
                                         uint64_t chain_id, uint32_t number)
{
    struct fake_world *world = context;

    if (fake_effect(world) != FAKE_NONE || world->signer_gone)
        return SIGNER_UNREACHABLE;
    (void)chain_id; // it signs for one
    *out = (struct signer_account){.count = world->signed_nonces > 0};
    if (number == 0 && world->signed_nonces > 0) {
        out->signer = world->signer;
        out->next_nonce = world->signed_nonces;
    }
    return SIGNER_OK;
}

struct signer_ops fake_signer(struct fake_world *world)
{
    return (struct signer_ops){.context = world,
                               .address = signer_address,
                               .sign = signer_sign,
                               .history = signer_history,
                               .account = signer_account,
                               .close = nothing};
}

// ---- the core

static void core_event(struct fake_world *world, enum settle_answer_kind kind, uint64_t ref_number,
                       uint16_t reject_code, bool booked)
{
    ASSERT(world->event_count < FAKE_EVENTS_MAX);
    world->events[world->event_count++] = (struct fake_event){
        .answer = {.kind = kind, .ref_number = ref_number, .reject_code = reject_code},
        .booked = booked,
        .life = world->core_life};
}

// The worker's link attaches, to a core that has restarted or because it is new.
static void core_attach(struct fake_world *world)
{
    world->core_life++;
    core_event(world, SETTLE_ANSWER_RESTARTED, 0, 0, false);
}

static void core_begin(void *context, uint64_t after_sequence)
{
    struct fake_world *world = context;

    if (world->faults.dead)
        return;
    ASSERT(after_sequence == SETTLE_CORE_NEWEST || after_sequence <= world->event_count);
    world->core_read = after_sequence == SETTLE_CORE_NEWEST ? world->event_count : after_sequence;
    core_attach(world);
}

static uint64_t core_sequence(void *context)
{
    const struct fake_world *world = context;

    return world->core_read;
}

// As engine_settlement_result: the last number is kept, a refusal does not use its number up.
static void core_take(struct fake_world *world, const struct settlement_result_cmd *command)
{
    uint64_t ref = command->ref_number;
    size_t trade = fake_trade_find(world, command->trade_id);

    ASSERT(ref > 0 && ref < FAKE_RESULTS_MAX);
    if (ref < world->core_last_ref) {
        ASSERT(world->core_refused[ref]); // it was not booked, nor lost
        core_event(world, SETTLE_ANSWER_REFUSED, ref, REJECT_REFERENCE_OLD, false);
    } else if (ref == world->core_last_ref) {
        core_event(world, SETTLE_ANSWER_BOOKED, ref, 0, false); // done, repeated
    } else if (command->trade_id == world->refuse_trade) {
        world->core_refused[ref] = true;
        core_event(world, SETTLE_ANSWER_REFUSED, ref, REJECT_SETTLEMENT_MISMATCH, false);
    } else {
        for (uint64_t before = world->core_last_ref + 1; before < ref; before++)
            ASSERT(world->core_refused[before]); // nothing is overtaken
        world->core_last_ref = ref;
        world->core_booked[trade][command->outcome]++;
        core_event(world, SETTLE_ANSWER_BOOKED, ref, 0, true);
    }
}

static bool core_send(void *context, const struct settlement_result_cmd *command)
{
    struct fake_world *world = context;

    if (world->core_down || !world->core_attached || world->faults.dead)
        return false;
    enum fake_fault fault = fake_effect(world);
    if (world->core_lost)
        return !world->faults.dead;
    if (!fake_is_before(fault))
        core_take(world, command);
    if (fault != FAKE_NONE && !world->faults.dead) { // the core dies, a new one is attached to
        world->core_lost = true;
        core_attach(world);
    }
    return true;
}

static bool core_poll(void *context, struct settle_answer *out)
{
    struct fake_world *world = context;

    while (!world->faults.dead && world->core_read < world->event_count) {
        const struct fake_event *event = &world->events[world->core_read++];
        if (!event->booked && event->life != world->core_life)
            continue;
        *out = event->answer;
        if (out->kind == SETTLE_ANSWER_RESTARTED) {
            world->core_attached = true;
            world->core_lost = false;
        }
        return true;
    }
    return false;
}

struct settle_core_ops fake_core(struct fake_world *world)
{
    world->core_attached = false;
    return (struct settle_core_ops){.context = world,
                                    .begin = core_begin,
                                    .sequence = core_sequence,
                                    .send = core_send,
                                    .poll = core_poll,
                                    .close = nothing};
}
