// Doors between the engine's ledger files: engine_ledger.c, engine_deficit.c, engine_correct.c.
#ifndef LONJA_MATCHER_ENGINE_LEDGER_H
#define LONJA_MATCHER_ENGINE_LEDGER_H

#include "matcher/engine_state.h"

// ---- engine_ledger.c: idempotency references

enum reference_answer { REFERENCE_NEW, REFERENCE_REPEATED, REFERENCE_REFUSED };

enum reference_answer reference_ask(const struct engine *engine, uint32_t source, uint64_t number,
                                    uint64_t hash, struct refusal *refusal);
// The same of an operator's command, who names the source; `field` is its number in the record.
enum reference_answer reference_ask_operator(const struct engine *engine, uint32_t source,
                                             uint64_t number, uint64_t hash, int field,
                                             struct refusal *refusal);
void reference_book(struct engine *engine, uint32_t source, uint64_t number, uint64_t hash);

// ---- engine_ledger.c: balances

// One that need not exist: then it is all zero.
const struct balance *ledger_look(const struct engine *engine, uint32_t account, uint32_t asset);
// One that is made if it does not exist: there is room.
struct balance *ledger_balance(struct engine *engine, uint32_t account, uint32_t asset);

struct needed { // a balance that an entry touches
    uint32_t account;
    uint32_t asset;
};
// False if those of them that do not exist do not all fit.
CHECKED bool ledger_has_room(const struct engine *engine, const struct needed *needed,
                             uint32_t count, struct refusal *refusal);

// ---- engine_deficit.c

// Writes deficit_changed; what it tells has been booked. `entered`: by the ledger_posted before it.
void deficit_tell(struct turn *turn, const struct balance *owner, int64_t amount,
                  uint32_t counter_account, bool entered);
// The owner owes this much more: `counter` got it, and it was not there.
void deficit_grow(struct turn *turn, struct balance *owner, int64_t amount,
                  struct balance *counter);
// What has come, up to this much, makes good what is owed; nothing if nothing is.
void deficit_cover(struct turn *turn, struct balance *owner, int64_t amount);

// Is something owed, or blocked that is not there?
bool balance_is_uncovered(const struct balance *balance);

// The next command cancels orders that hold `asset` of `account`, if there are any, newest first,
// while it is not there or may not be sold.
void uncover_account(struct engine *engine, uint32_t account, uint32_t asset);

#endif
