#include "chain/erc20.h"

/* NODE_OK with `fitness` FIT: the number is there. */
static enum node_result ask(struct node *node, enum erc3643_fitness *fitness, chain_uint128 *out,
                            const struct chain_address *token, uint32_t selector,
                            const struct chain_address *wallet, uint64_t at)
{
    enum node_result result = erc3643_read_u128(node, out, token, selector, wallet, at);
    if (result == NODE_TOO_WIDE)
        *fitness = selector == ERC3643_DECIMALS ? ERC3643_NO_TOKEN : ERC3643_TOO_WIDE;
    else if (result == NODE_REVERTED || result == NODE_UNFIT)
        *fitness = ERC3643_NO_TOKEN;
    else
        return result;
    return NODE_OK;
}

enum node_result erc20_check(struct node *node, enum erc3643_fitness *fitness,
                             const struct chain_address *token, int decimals,
                             const struct chain_address *wallet, uint64_t at)
{
    chain_uint128 seen = 0;
    chain_uint128 supply = 0;
    chain_uint128 held = 0;
    bool has_code;
    enum node_result result = node_has_code(node, &has_code, token, at);

    *fitness = has_code ? ERC3643_FIT : ERC3643_NO_CODE;
    if (result == NODE_OK && *fitness == ERC3643_FIT)
        result = ask(node, fitness, &seen, token, ERC3643_DECIMALS, NULL, at);
    if (result == NODE_OK && *fitness == ERC3643_FIT && seen != (chain_uint128)decimals)
        *fitness = ERC3643_DECIMALS_DIFFER;
    if (result == NODE_OK && *fitness == ERC3643_FIT)
        result = ask(node, fitness, &supply, token, ERC3643_TOTAL_SUPPLY, NULL, at);
    if (result == NODE_OK && *fitness == ERC3643_FIT)
        result = ask(node, fitness, &held, token, ERC3643_BALANCE_OF, wallet, at);
    if (result == NODE_OK && *fitness == ERC3643_FIT && held > supply)
        *fitness = ERC3643_NO_TOKEN;
    return result;
}
