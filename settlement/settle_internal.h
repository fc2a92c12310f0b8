// What the files of the worker share: settle.c (the pass), settle_chain.c (node, fees, nonces),
// settle_item.c (one request, one step further), settle_together.c (several at once), settle_begin.c (trades before their
// signature), settle_item_net.c (which of them move together), settle_request.c (other requests
// before theirs), settle_simulate.c (who is to blame),
// settle_mark.c (what two persons say of a transaction).
#ifndef LONJA_SETTLEMENT_SETTLE_INTERNAL_H
#define LONJA_SETTLEMENT_SETTLE_INTERNAL_H

#include "settlement/settle.h"
#include "settlement/settle_effect.h"
#include "settlement/settle_netting.h"

// How a step went. ABORT: the store or the node did not answer; nothing more is tried in this pass.
enum settle_step { SETTLE_STEP_NONE, SETTLE_STEP_DONE, SETTLE_STEP_ABORT };

// True if `result` is OK; else notes the failure, and the caller aborts.
bool settle_store_ok(struct settle *settle, enum settle_store_result result);
// Notes that the node or the signer cannot be used for a tick. Returns ABORT.
enum settle_step settle_chain_failed(struct settle *settle, const char *what,
                                     enum node_result result);

// Does the database know what was signed (settle_known.c)? False: nothing must be done in this pass.
CHECKED bool settle_known_look(struct settle *settle);
// The signer did not answer as it should.
void settle_signer_silent(struct settle *settle, enum signer_result result);

// What the signer has signed for a nonce becomes rows, if it is none (settle_lost.c). DONE: something
// was; what the caller knows of the nonce is stale. NONE: nothing was signed that no row has, or it
// cannot be told whose it is (attempts_lost). `item`: what is known of the nonce, or NULL.
CHECKED enum settle_step settle_lost_restore(struct settle *settle,
                                             const struct chain_address *signer, uint64_t nonce,
                                             struct settle_item *item);
// … for every nonce below the signer's next that no request holds; `known`: the database has a
// counter of the key.
CHECKED enum settle_step settle_lost_nonces(struct settle *settle,
                                            const struct chain_address *signer, bool known);
// … for every open nonce of the items, once after the lock was taken. DONE: they are to be loaded
// again.
CHECKED enum settle_step settle_lost_bids(struct settle *settle);

// The key with this address, or NULL: it is none that is looked after (settle_keys.c).
struct settle_key *settle_key_of(struct settle *settle, const struct chain_address *address);
// Asks the signer which key is active, and the database which were before it.
CHECKED enum settle_step settle_keys_look(struct settle *settle);
// Nonces of every key are to be compared again.
void settle_keys_doubt(struct settle *settle);
// The signer's log is to be compared with the rows again.
void settle_keys_reread(struct settle *settle);
// What had ended is open again, and waits from now on.
void settle_keys_reopened(struct settle *settle);
// What the items say of the keys.
void settle_keys_mark(struct settle *settle);
// How long has the lowest nonce that the items hold been waiting for its block?
void settle_keys_head(struct settle *settle, uint64_t now_ns);
// Nonces that no request has ever held stand before those that are sent: filled.
void settle_keys_gaps(struct settle *settle, uint64_t now_ns);
// Must this nonce not be signed or sent again yet?
bool settle_key_waits(const struct settle *settle, const struct settle_key *key, uint64_t nonce);

// Asks the node where the chain is; at start, every tick and on doubt compares the nonces. NONE: as
// far as it should be; ABORT: the chain cannot be used in this pass.
enum settle_step settle_chain_look(struct settle *settle);
// Is it still our chain? Behind an address and an open connection another node may stand at any
// time. Asked at the beginning of each pass, and behind whatever was asked before something is
// signed, ends for good or counts as lost on the strength of it. ABORT: it is not, or nobody says.
enum settle_step settle_chain_network(struct settle *settle);
// Which transaction of `signer` used `nonce`: in the block that the node's own history of the count
// leads to, as far back as it has that; else within the last SETTLE_SCAN_BLOCKS blocks, for which a
// pass takes config.scan_ns at most: a node may take half a second for each. over: all of them were
// looked through; else the same question goes on with the next ones in a later pass.
enum { SETTLE_SCAN_BLOCKS = 256 };
struct settle_use {
    bool found;
    bool over;
    struct chain_hash hash; // of the transaction
    uint64_t block_number;
    struct chain_hash block_hash;
};
CHECKED enum node_result settle_chain_find(struct settle *settle, struct settle_use *use,
                                           const struct chain_address *signer, uint64_t nonce);
// Is what has ended still in the chain's blocks? What is not is open again (settle_moved.c).
CHECKED enum settle_step settle_moved_look(struct settle *settle);
bool settle_chain_is_deep(const struct settle *settle, uint64_t block);

// Looks for the transactions that marks name, and settles the trades of those that are what is said
// of them (settle_mark.c). NONE: nothing more to do; DONE: a trade was settled.
enum settle_step settle_marks_check(struct settle *settle);

// Does for one request what can be done now.
enum settle_step settle_item_step(struct settle *settle, struct settle_item *item);
// A request without an attempt: preflight, simulation, evidence and nonce committed, and what is
// left of it signed.
enum settle_step settle_item_begin(struct settle *settle, struct settle_item *item);
// The node begins to work on what settle_item_begin will ask about so many items, at the block that
// settle->preflight has: about those from the first on that are of its contract. What was asked ahead
// before is forgotten. ABORT: the database failed.
CHECKED enum settle_step settle_begin_ahead(struct settle *settle, struct settle_item *first,
                                            size_t count);
// Its legs leave as settle->endings say. NONE: something remains; DONE: nothing does.
enum settle_step settle_item_leave(struct settle *settle, struct settle_item *item);
// The node failed on a question before the signature: these trades wait a tick.
enum settle_step settle_item_release_by_node(struct settle *settle, struct settle_item *item,
                                             const char *what, enum node_result result);
// Nets the legs, which were judged and are all allowed, where the token's option and its modules
// let it; trades of nets of zero are settled at once (settle_item_net.c). NONE: something remains.
enum settle_step settle_item_net(struct settle *settle, struct settle_item *item);
// A request that others made, likewise (settle_request.c).
enum settle_step settle_request_begin(struct settle *settle, struct settle_item *item);

// Requests that take a step together (settle_together.c). Added by the step of one, carried out by
// the flush: when a group is full, or `all`, both kinds. Nothing is known of what was added before
// that. A pass that cannot use the database or the chain forgets what it has added.
//
// A request whose evidence and price are known takes a nonce, is prepared, signed and broadcast.
// Evidence as the store's prepare wants it.
enum settle_step settle_firsts_add(struct settle *settle, struct settle_item *item,
                                   const struct settle_attempt *bid,
                                   const struct erc3643_evidence *evidence);
// A receipt that is what was planned: mined, and if it is deep confirmed. has_evidence:
// settle->evidence is what the chain thought of it at the block before.
enum settle_step settle_seen_add(struct settle *settle, struct settle_item *item,
                                 struct settle_attempt *bid, const struct settle_receipt *receipt,
                                 bool is_deep, bool has_evidence);
void settle_together_flush(struct settle *settle, bool all);
// Its contract, of which the signer has refused a first bid, or signed one again; whether what is
// begun for it goes alone (settle_together.c says why).
void settle_apart_add(struct settle *settle, const struct settle_item *item);
void settle_apart_remove(struct settle *settle, const struct settle_item *item);
bool settle_is_apart(struct settle *settle, const struct settle_item *item);

// The steps of one, for those of many: what was asked, and what is so now that it is committed.
// The signer: NONE: `out` is signed, and its hash is the last bid's. DONE: it refuses, and that was
// dealt with.
CHECKED enum settle_step settle_item_ask_signer(struct settle *settle, struct settle_item *item,
                                                struct signer_signed *out,
                                                const struct node_message *message);
// The node: DONE: it has the bytes. NONE: it does not take them, and that was dealt with.
CHECKED enum settle_step settle_item_ask_node(struct settle *settle, struct settle_item *item,
                                              const struct settle_attempt *bid, const uint8_t *raw,
                                              size_t len);
void settle_item_prepared(struct settle_item *item, struct settle_attempt *bid,
                          const struct node_message *message);
void settle_item_signed(struct settle *settle, struct settle_item *item);
void settle_item_is_sent(struct settle_item *item);
void settle_item_is_mined(struct settle_item *item, struct settle_attempt *bid,
                          const struct settle_receipt *receipt);
void settle_item_is_confirmed(struct settle *settle, struct settle_item *item,
                              struct settle_attempt *bid, const struct settle_receipt *receipt);
void settle_item_incidents(struct settle *settle, const struct settle_item *item,
                           const struct erc3643_evidence *evidence);

// NONE: the item has its legs, and settle->arguments are its own.
enum settle_step settle_item_legs(struct settle *settle, struct settle_item *item);
// Of an instruction: its cut-off is too near, or has passed. (By the wall clock: a date that people have agreed on.)
bool settle_item_is_late(const struct settle_item *item);
// The node failed on a question about this item alone: the others go on, unless it is not there at
// all.
enum settle_step settle_item_node_failed(struct settle *settle, const struct settle_item *item,
                                         const char *what, enum node_result result);
struct settle_attempt *settle_item_open_bid(struct settle_item *item);
// The item's call, with its first `moves` movements; the calldata is scratch. False: the row cannot
// be carried out, settle->call_error says why; never of trades.
CHECKED bool settle_item_message(struct settle *settle, const struct settle_item *item,
                                 size_t moves, struct node_message *message);
uint64_t settle_item_gas_max(const struct settle *settle, const struct settle_item *item);

enum settle_blame {
    SETTLE_BLAME_MOVE, // *move (0 of none) makes the call revert, those before it do not; reason is
                       // set
    SETTLE_BLAME_NOBODY,  // the call passes on that block's state
    SETTLE_BLAME_UNKNOWN, // the node failed: *result
};
// Which movement makes the call revert on the state of block `at`: the last of the shortest
// beginning that does, found by halving. `reason` begins as SETTLE_REASON_REVERTED.
enum settle_blame settle_simulate_blame(struct settle *settle, const struct settle_item *item,
                                        size_t *move, char reason[SETTLE_REASON_MAX], uint64_t at,
                                        enum node_result *result);

// Is the call's contract a token, with the decimals that the rows have? NODE_OK: *unfit is NULL, or the stable word of what it
// is not (chain/erc3643_token.h). Anything else: the node failed, nothing is known.
CHECKED enum node_result settle_token_fitness(struct settle *settle, const char **unfit,
                                              const struct settle_call *call);
// What calls of a contract that is fit have needed, with one leg or with many. NULL: it was not asked
// about yet.
struct settle_gas_known *settle_token_gas(struct settle *settle, const struct settle_call *call);

#endif
