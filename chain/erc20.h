/* Is the contract behind an address the stablecoin that the venue takes it for: a plain ERC-20 of
 * so many decimals? Asked once before its Transfers are read. What it does afterwards is seen by
 * the comparison of ledger and escrow (settlement/reconcile.h).
 *
 * One thread per `struct node`.
 */
#ifndef LONJA_CHAIN_ERC20_H
#define LONJA_CHAIN_ERC20_H

#include "chain/erc3643_token.h"

/* ERC3643_FIT, _NO_CODE, _NO_TOKEN (a question reverts or has an answer of no such type, or
 * `wallet` has more than there is), _DECIMALS_DIFFER, _TOO_WIDE. A node that fails is no verdict
 * and is returned as such. */
NODE_MUST_CHECK enum node_result erc20_check(struct node *node, enum erc3643_fitness *fitness,
                                             const struct chain_address *token, int decimals,
                                             const struct chain_address *wallet, uint64_t at);

#endif
