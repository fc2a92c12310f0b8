/* The modules that are bound to a compliance contract (T-REX ModularCompliance), with the names
 * that they give themselves. A name is no proof of what a module does: who binds modules is the
 * token's owner.
 *
 * One thread per `struct node`.
 */
#ifndef LONJA_CHAIN_ERC3643_MODULES_H
#define LONJA_CHAIN_ERC3643_MODULES_H

#include "chain/node.h"

/* ModularCompliance takes 25 at most. */
enum { ERC3643_MODULES_MAX = 25, ERC3643_MODULE_NAME_MAX = 64 };

struct erc3643_module {
    struct chain_address address;
    char name[ERC3643_MODULE_NAME_MAX]; /* printable ASCII without comma; "" = none, or another */
};

/* Asks at block `at`. NODE_REVERTED, NODE_UNFIT: the contract keeps no such list, or a longer one.
 */
NODE_MUST_CHECK enum node_result
erc3643_modules_read(struct node *node, struct erc3643_module modules[ERC3643_MODULES_MAX],
                     size_t *count, const struct chain_address *compliance, uint64_t at);

#endif
