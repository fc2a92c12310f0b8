// Before a token's first trade of this process is signed for: is the contract the token that the
// rows take it for? What a contract is does not change, so it is asked once; what may change
// (pause, balances) is the preflight's.
#include "settlement/settle_internal.h"

#include "base/log.h"
#include "chain/erc3643_token.h"

static struct settle_token *known(struct settle *settle, const struct settle_call *call)
{
    for (size_t i = 0; i < settle->token_count && i < SETTLE_TOKENS_MAX; i++)
        if (settle->tokens[i].decimals == call->decimals &&
            address_equal(&settle->tokens[i].contract, &call->contract))
            return &settle->tokens[i];
    return NULL;
}

struct settle_gas_known *settle_token_gas(struct settle *settle, const struct settle_call *call)
{
    struct settle_token *token = known(settle, call);

    return token == NULL ? NULL : &token->gas[settle_netting_move_count(call) > 1];
}

// The oldest makes room: it is asked about again.
static void keep(struct settle *settle, const struct settle_call *call)
{
    settle->tokens[settle->token_count++ % SETTLE_TOKENS_MAX] =
        (struct settle_token){.contract = call->contract, .decimals = call->decimals};
}

enum node_result settle_token_fitness(struct settle *settle, const char **unfit,
                                      const struct settle_call *call)
{
    enum erc3643_fitness fitness;
    enum node_result result;
    char contract[ADDRESS_TEXT_SIZE];

    *unfit = NULL;
    if (known(settle, call) != NULL)
        return NODE_OK;
    result =
        erc3643_token_check(settle->node, &fitness, &call->contract, call->decimals, NODE_LATEST);
    if (result != NODE_OK)
        return result;
    if (fitness == ERC3643_FIT) {
        keep(settle, call);
        return NODE_OK;
    }
    *unfit = erc3643_fitness_text(fitness);
    address_format(contract, &call->contract);
    log_limited(LOG_ERROR,
                "a contract is not the token it is taken for contract=%s reason=%s decimals=%d",
                contract, *unfit, call->decimals);
    return NODE_OK;
}
