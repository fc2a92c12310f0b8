#include "chain/erc3643.h"

#include "base/assert.h"

#include <string.h>

static const struct {
    uint32_t selector;
    const char *signature;
} methods[] = {
#define X(name, signature, selector) {selector##u, signature},
    ERC3643_METHODS(X)
#undef X
};

#define METHOD_COUNT (sizeof(methods) / sizeof(methods[0]))

const char *erc3643_signature(uint32_t selector)
{
    for (size_t i = 0; i < METHOD_COUNT; i++)
        if (methods[i].selector == selector)
            return methods[i].signature;
    return NULL;
}

uint32_t erc3643_selector(const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < METHOD_COUNT; i++) {
        const char *signature = methods[i].signature;
        if (strncmp(signature, name, len) == 0 && (signature[len] == '(' || signature[len] == '\0'))
            return methods[i].selector;
    }
    return 0;
}

ssize_t erc3643_forced_transfer(uint8_t *out, size_t max, const struct chain_address *from,
                                const struct chain_address *to, chain_uint128 units)
{
    struct abi_call call;
    abi_call_begin(&call, out, max, ERC3643_FORCED_TRANSFER, 3);
    abi_address(&call, from);
    abi_address(&call, to);
    abi_u128(&call, units);
    return abi_call_end(&call);
}

ssize_t erc3643_batch_forced_transfer(uint8_t *out, size_t max, const struct chain_address *from,
                                      const struct chain_address *to, const chain_uint128 *units,
                                      size_t count)
{
    ASSERT(count > 0 && count <= ERC3643_BATCH_MAX);
    struct abi_call call;
    abi_call_begin(&call, out, max, ERC3643_BATCH_FORCED_TRANSFER, 3);
    abi_address_array(&call, from, count);
    abi_address_array(&call, to, count);
    abi_u128_array(&call, units, count);
    return abi_call_end(&call);
}

static ssize_t wallet_and_number(uint8_t *out, size_t max, uint32_t selector,
                                 const struct chain_address *wallet, chain_uint128 number)
{
    struct abi_call call;
    abi_call_begin(&call, out, max, selector, 2);
    abi_address(&call, wallet);
    abi_u128(&call, number);
    return abi_call_end(&call);
}

ssize_t erc3643_transfer(uint8_t *out, size_t max, const struct chain_address *to,
                         chain_uint128 units)
{
    return wallet_and_number(out, max, ERC3643_TRANSFER, to, units);
}

ssize_t erc3643_mint(uint8_t *out, size_t max, const struct chain_address *to, chain_uint128 units)
{
    return wallet_and_number(out, max, ERC3643_MINT, to, units);
}

ssize_t erc3643_burn(uint8_t *out, size_t max, const struct chain_address *from,
                     chain_uint128 units)
{
    return wallet_and_number(out, max, ERC3643_BURN, from, units);
}

ssize_t erc3643_freeze_partial(uint8_t *out, size_t max, const struct chain_address *wallet,
                               chain_uint128 units)
{
    return wallet_and_number(out, max, ERC3643_FREEZE_PARTIAL_TOKENS, wallet, units);
}

ssize_t erc3643_unfreeze_partial(uint8_t *out, size_t max, const struct chain_address *wallet,
                                 chain_uint128 units)
{
    return wallet_and_number(out, max, ERC3643_UNFREEZE_PARTIAL_TOKENS, wallet, units);
}

ssize_t erc3643_set_address_frozen(uint8_t *out, size_t max, const struct chain_address *wallet,
                                   bool frozen)
{
    return wallet_and_number(out, max, ERC3643_SET_ADDRESS_FROZEN, wallet, frozen);
}

ssize_t erc3643_register_identity(uint8_t *out, size_t max, const struct chain_address *wallet,
                                  const struct chain_address *identity, uint16_t country)
{
    struct abi_call call;
    abi_call_begin(&call, out, max, ERC3643_REGISTER_IDENTITY, 3);
    abi_address(&call, wallet);
    abi_address(&call, identity);
    abi_u128(&call, country);
    return abi_call_end(&call);
}

static ssize_t wallet_alone(uint8_t *out, size_t max, uint32_t selector,
                            const struct chain_address *wallet)
{
    struct abi_call call;
    abi_call_begin(&call, out, max, selector, 1);
    abi_address(&call, wallet);
    return abi_call_end(&call);
}

ssize_t erc3643_delete_identity(uint8_t *out, size_t max, const struct chain_address *wallet)
{
    return wallet_alone(out, max, ERC3643_DELETE_IDENTITY, wallet);
}

ssize_t erc3643_add_agent(uint8_t *out, size_t max, const struct chain_address *agent)
{
    return wallet_alone(out, max, ERC3643_ADD_AGENT, agent);
}

ssize_t erc3643_remove_agent(uint8_t *out, size_t max, const struct chain_address *agent)
{
    return wallet_alone(out, max, ERC3643_REMOVE_AGENT, agent);
}

static ssize_t wallets_and_numbers(uint8_t *out, size_t max, uint32_t selector,
                                   const struct chain_address *wallets,
                                   const chain_uint128 *numbers, size_t count)
{
    ASSERT(count > 0 && count <= ERC3643_BATCH_MAX);
    struct abi_call call;
    abi_call_begin(&call, out, max, selector, 2);
    abi_address_array(&call, wallets, count);
    abi_u128_array(&call, numbers, count);
    return abi_call_end(&call);
}

ssize_t erc3643_batch_mint(uint8_t *out, size_t max, const struct chain_address *to,
                           const chain_uint128 *units, size_t count)
{
    return wallets_and_numbers(out, max, ERC3643_BATCH_MINT, to, units, count);
}

ssize_t erc3643_batch_burn(uint8_t *out, size_t max, const struct chain_address *from,
                           const chain_uint128 *units, size_t count)
{
    return wallets_and_numbers(out, max, ERC3643_BATCH_BURN, from, units, count);
}

ssize_t erc3643_batch_freeze_partial(uint8_t *out, size_t max, const struct chain_address *wallets,
                                     const chain_uint128 *units, size_t count)
{
    return wallets_and_numbers(out, max, ERC3643_BATCH_FREEZE_PARTIAL_TOKENS, wallets, units,
                               count);
}

ssize_t erc3643_batch_unfreeze_partial(uint8_t *out, size_t max,
                                       const struct chain_address *wallets,
                                       const chain_uint128 *units, size_t count)
{
    return wallets_and_numbers(out, max, ERC3643_BATCH_UNFREEZE_PARTIAL_TOKENS, wallets, units,
                               count);
}

ssize_t erc3643_batch_set_address_frozen(uint8_t *out, size_t max,
                                         const struct chain_address *wallets, const bool *frozen,
                                         size_t count)
{
    chain_uint128 flags[ERC3643_BATCH_MAX];
    ASSERT(count > 0 && count <= ERC3643_BATCH_MAX);
    for (size_t i = 0; i < count; i++)
        flags[i] = frozen[i];
    return wallets_and_numbers(out, max, ERC3643_BATCH_SET_ADDRESS_FROZEN, wallets, flags, count);
}

ssize_t erc3643_batch_register_identity(uint8_t *out, size_t max,
                                        const struct chain_address *wallets,
                                        const struct chain_address *identities,
                                        const uint16_t *countries, size_t count)
{
    chain_uint128 numbers[ERC3643_BATCH_MAX];
    ASSERT(count > 0 && count <= ERC3643_BATCH_MAX);
    for (size_t i = 0; i < count; i++)
        numbers[i] = countries[i];
    struct abi_call call;
    abi_call_begin(&call, out, max, ERC3643_BATCH_REGISTER_IDENTITY, 3);
    abi_address_array(&call, wallets, count);
    abi_address_array(&call, identities, count);
    abi_u128_array(&call, numbers, count);
    return abi_call_end(&call);
}
