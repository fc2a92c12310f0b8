/* Is the contract behind an address the token that the venue takes it for? Asked once before
 * anything is signed for it, and when an asset is registered or deployed: a wrong address, a plain
 * ERC-20, a contract with other decimals than were agreed (every amount would be off by a power of
 * ten), one that answers what it should not.
 *
 * One thread per `struct node`.
 */
#ifndef LONJA_CHAIN_ERC3643_TOKEN_H
#define LONJA_CHAIN_ERC3643_TOKEN_H

#include "chain/erc3643_precheck.h"

/* In the order of the checks: the first that fails. Words are stored and shown. */
#define ERC3643_FITNESSES(X)                                                                       \
    X(FIT, "fit")                                                                                  \
    X(NO_CODE, "no_contract")                                                                      \
    X(NO_TOKEN, "contract_is_no_token") /* a question reverts, or has an answer of no such type */ \
    X(DECIMALS_DIFFER, "decimals_differ")                                                          \
    X(TOO_WIDE, "amount_above_128_bits") /* its supply: amounts here have 128 bits, never cut */   \
    X(NO_SUITE, "no_registry_or_compliance") /* where they should be is no contract */

enum erc3643_fitness {
#define X(name, word) ERC3643_##name,
    ERC3643_FITNESSES(X)
#undef X
};

const char *erc3643_fitness_text(enum erc3643_fitness fitness);

#define ERC3643_DECIMALS_ANY (-1)

/* `decimals` is what the venue has, or ERC3643_DECIMALS_ANY. A node that fails is no verdict and is
 * returned as such. */
NODE_MUST_CHECK enum node_result erc3643_token_check(struct node *node,
                                                     enum erc3643_fitness *fitness,
                                                     const struct chain_address *token,
                                                     int decimals, uint64_t at);

#endif
