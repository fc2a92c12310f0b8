// Chain: the blocks under the settlement worker's fake chain (settlement/settle_fake.h), and what
// somebody else does with the venue's token on it.
//
// A block's hash is that of its header's fields and stands on the block below it; a reorganisation
// takes blocks away, and what comes in their place has other hashes. Transfers by others (outside)
// wait in a pool, are mined, go back to the pool with their block, and may be forgotten there. Logs
// have places in their block, and the block's bloom admits them (now and then also where there are
// none, as another contract's would).
//
// A node's view ends at some block: of what is above it knows nothing (endpoints.c has the faults).
#ifndef LONJA_SIM_CHAIN_H
#define LONJA_SIM_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain/address.h"
#include "chain/keccak.h"
#include "chain/rpc.h"

enum { CHAIN_OUTSIDE_MAX = 1024 };
// The token's smallest units in one unit of the ledger: the legs of trades carry the number of the
// trade in what is below (postgres.c).
#define CHAIN_LEG_UNIT ((chain_uint128)10000000000000000)
#define CHAIN_UNIT     (8192 * CHAIN_LEG_UNIT)
#define CHAIN_GENESIS_UNITS                                                                        \
    ((chain_uint128)1000000000 * 1000000000 * 1000000000 * 1000) // of every wallet

struct chain_outside {
    struct chain_hash hash; // of its transaction
    unsigned from, to;      // clients; CLIENTS and above: of nobody here
    int64_t tokens;         // in units of the ledger
    uint64_t block;         // 0: in the pool
    bool forgotten;
};

void chain_begin(
    bool frozen); // of a life: after postgres_begin; frozen: the token is in frozen custody
void chain_mine(void);
// False: the chain is too short, or would lose what was there before the index began.
bool chain_reorganise(uint64_t depth, bool forget);
void chain_foreign(void);
// Somebody sends a transfer.
void chain_send_outside(void);
size_t chain_outside_count(void);
const struct chain_outside *chain_outside(size_t at);
// NULL: none of an outside transfer.
const struct chain_outside *chain_outside_of(const struct chain_hash *transaction);

uint64_t chain_height(void);
struct chain_hash chain_block_hash(uint64_t number);
const char *chain_wallet(unsigned client); // its address, in lower case
bool chain_client_of(unsigned *client, const struct chain_address *address); // false: nobody's

// A node whose view ends at block `view`; `params` is consumed.
void chain_answer(struct rpc_reply *reply, const char *method, json_t *params, uint64_t view);

#endif
