#include "chain/erc3643_token.h"

#include "base/assert.h"

const char *erc3643_fitness_text(enum erc3643_fitness fitness)
{
    static const char *const words[] = {
#define X(name, word) [ERC3643_##name] = word,
        ERC3643_FITNESSES(X)
#undef X
    };
    ASSERT(fitness < sizeof(words) / sizeof(words[0]));
    return words[fitness];
}

/* What the contract's own fault makes of it; the rest is the node's. */
static enum node_result contract_fault(enum erc3643_fitness *fitness, enum node_result result)
{
    if (result == NODE_REVERTED || result == NODE_UNFIT)
        *fitness = ERC3643_NO_TOKEN;
    else if (result == NODE_TOO_WIDE)
        *fitness = ERC3643_TOO_WIDE;
    else
        return result;
    return NODE_OK;
}

/* Numbers and flags. NODE_OK with FIT: go on. */
static enum node_result check_values(struct node *node, enum erc3643_fitness *fitness,
                                     const struct chain_address *token, int decimals, uint64_t at)
{
    chain_uint128 number;
    bool paused;
    enum node_result result = erc3643_read_u128(node, &number, token, ERC3643_DECIMALS, NULL, at);
    if (result == NODE_TOO_WIDE) /* no number of digits at all */
        result = NODE_UNFIT;
    if (result != NODE_OK)
        return contract_fault(fitness, result);
    if (number > UINT8_MAX ||
        (decimals != ERC3643_DECIMALS_ANY && number != (chain_uint128)decimals)) {
        *fitness = ERC3643_DECIMALS_DIFFER;
        return NODE_OK;
    }
    if ((result = erc3643_read_u128(node, &number, token, ERC3643_TOTAL_SUPPLY, NULL, at)) ||
        (result = erc3643_read_bool(node, &paused, token, ERC3643_PAUSED, NULL, at)))
        return contract_fault(fitness, result);
    return NODE_OK;
}

static enum node_result check_part(struct node *node, enum erc3643_fitness *fitness,
                                   const struct chain_address *token, uint32_t selector,
                                   uint64_t at)
{
    struct chain_address part;
    bool has_code;
    enum node_result result = erc3643_read_address(node, &part, token, selector, at);
    if (result != NODE_OK)
        return contract_fault(fitness, result);
    result = node_has_code(node, &has_code, &part, at);
    if (result == NODE_OK && !has_code)
        *fitness = ERC3643_NO_SUITE;
    return result;
}

enum node_result erc3643_token_check(struct node *node, enum erc3643_fitness *fitness,
                                     const struct chain_address *token, int decimals, uint64_t at)
{
    bool has_code;
    enum node_result result = node_has_code(node, &has_code, token, at);
    if (result != NODE_OK)
        return result;
    *fitness = has_code ? ERC3643_FIT : ERC3643_NO_CODE;
    if (!has_code)
        return NODE_OK;
    result = check_values(node, fitness, token, decimals, at);
    if (result == NODE_OK && *fitness == ERC3643_FIT)
        result = check_part(node, fitness, token, ERC3643_IDENTITY_REGISTRY, at);
    if (result == NODE_OK && *fitness == ERC3643_FIT)
        result = check_part(node, fitness, token, ERC3643_COMPLIANCE, at);
    return result;
}
