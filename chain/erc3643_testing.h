/* For tests: all that decides a transfer, asked as settlement asks it (erc3643_questions), and
 * judged. The caller names a block. */
#ifndef LONJA_CHAIN_ERC3643_TESTING_H
#define LONJA_CHAIN_ERC3643_TESTING_H

#include "chain/erc3643_precheck.h"

struct erc3643_asked {
    struct chain_address token, from, to;
    chain_uint128 units;
    uint64_t at;
};

NODE_MUST_CHECK static inline enum node_result
erc3643_testing_ask(struct node *node, struct erc3643_evidence *e, const struct erc3643_asked *a)
{
    struct erc3643_questions q;
    enum node_result result;

    *e = (struct erc3643_evidence){.block_number = a->at};
    erc3643_questions_begin(&q, node, a->at);
    if ((result = erc3643_questions_add(&q, ERC3643_ANSWER_BOOL, &e->paused, &a->token,
                                        ERC3643_PAUSED, NULL)) ||
        (result = erc3643_questions_add(&q, ERC3643_ANSWER_BOOL, &e->from_frozen, &a->token,
                                        ERC3643_IS_FROZEN, &a->from)) ||
        (result = erc3643_questions_add(&q, ERC3643_ANSWER_BOOL, &e->to_frozen, &a->token,
                                        ERC3643_IS_FROZEN, &a->to)) ||
        (result = erc3643_questions_add(&q, ERC3643_ANSWER_U128, &e->from_balance, &a->token,
                                        ERC3643_BALANCE_OF, &a->from)) ||
        (result = erc3643_questions_add(&q, ERC3643_ANSWER_U128, &e->from_frozen_units, &a->token,
                                        ERC3643_GET_FROZEN_TOKENS, &a->from)) ||
        (result = erc3643_questions_add(&q, ERC3643_ANSWER_ADDRESS, &e->identity_registry,
                                        &a->token, ERC3643_IDENTITY_REGISTRY, NULL)) ||
        (result = erc3643_questions_add(&q, ERC3643_ANSWER_ADDRESS, &e->compliance, &a->token,
                                        ERC3643_COMPLIANCE, NULL)) ||
        (result = erc3643_questions_ask(&q)) ||
        (result = erc3643_questions_add(&q, ERC3643_ANSWER_BOOL, &e->from_verified,
                                        &e->identity_registry, ERC3643_IS_VERIFIED, &a->from)) ||
        (result = erc3643_questions_add(&q, ERC3643_ANSWER_BOOL, &e->to_verified,
                                        &e->identity_registry, ERC3643_IS_VERIFIED, &a->to)) ||
        (result = erc3643_questions_can_transfer(&q, &e->can_transfer, &e->compliance, &a->from,
                                                 &a->to, a->units)) ||
        (result = erc3643_questions_ask(&q)))
        return result;
    e->verdict = erc3643_judge(e, a->units);
    return NODE_OK;
}

#endif
