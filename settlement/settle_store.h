// The store of settlement: its rows in Postgres, in the words of settlement. The worker knows
// `struct settle_store_ops` only; settle_store_pg.c puts Postgres behind it, the tests a fake.
//
// Every function below is ONE transaction: when it returns STORE_OK everything it says is
// committed, together with the history rows of the trade and its notification; STORE_LOST means
// that nobody knows (connection gone, commit's answer lost, another worker has taken over). After
// STORE_LOST the worker forgets what it believed and reads the rows again, which is also what it
// does after a crash: there is one way to recover, and it runs all the time. Each move is guarded
// by the states it may come from (settle_states.h), so that repeating it changes nothing.
//
// One writer: `lead` takes an advisory lock in the session that all other functions use; where that
// session is lost they answer STORE_LOST and so nothing is written by a worker that no longer holds
// the lock.
#ifndef LONJA_SETTLEMENT_SETTLE_STORE_H
#define LONJA_SETTLEMENT_SETTLE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain/erc3643_precheck.h"
#include "chain/keccak.h"
#include "chain/node.h"
#include "schema/records.h"
#include "settlement/settle_core.h"
#include "settlement/settle_plan.h"
#include "settlement/settle_preflight.h"
#include "settlement/settle_states.h"
#include "settlement/settle_transfer.h"

enum settle_store_result {
    SETTLE_STORE_OK,
    SETTLE_STORE_BUSY, // `lead` only: another worker holds the lock
    SETTLE_STORE_LOST, // unknown whether it was done: read again
};

// A nonce that is to end without effect (docs/settlement.md, "When the chain goes back further").
enum settle_fate {
    SETTLE_FATE_NONE,
    SETTLE_FATE_CANCEL, // of a request that is open: its legs go again once an empty one is mined
    SETTLE_FATE_ABANDON, // likewise, but two persons have given the request up: it does not go again by itself
    SETTLE_FATE_OVER,   // of one that had ended: the chain lost a transaction that moved nothing
};

struct settle_attempt {
    uint64_t attempt_id;
    enum settle_attempt_state state;
    uint64_t nonce;
    uint64_t gas_limit;
    struct settle_fees fees;
    struct chain_hash hash; // zero while prepared
    uint64_t mined_block;   // zero unless mined
    enum settle_fate fate;  // of all open bids at the nonce alike
    bool is_empty;          // it moves nothing: a transfer of nothing to the signer itself
    // Why no bid takes its place though it should: NO_HIGHER_BID or NONCE_STANDS (settle_plan.h); NULL = nothing is in the way.
    // As its row has it, so that operators and the next worker see it; gone with the next state.
    const char *stands;
};

// The last of the bids are kept for those that give the nonce up.
enum { SETTLE_BIDS_MAX = 16, SETTLE_BIDS_KEPT = 4, SETTLE_RESULTS_MAX = 512 };

// A request that has not ended, with every attempt at the nonce it holds (oldest first; none = it
// holds no nonce). One of them is open, the others are REPLACED.
struct settle_item {
    struct settle_call call;
    struct chain_address signer; // whose nonce it holds; of none: whose it will
    // Of a settlement instruction: its legs are one transaction and end alike, and nothing of it is signed from then on (since
    // 1970). 0: of anything else.
    uint64_t sign_before_ns;
    bool has_legs; // they are read when they are needed; until then call.leg_count is 0
    bool may_net;  // of its legs: the token is netted, and none of its trades was in a net before
    bool gave_way; // to a nonce that is not signed: its row is another one now, for the next pass to read
    size_t bid_count;
    struct settle_attempt bids[SETTLE_BIDS_MAX];
};

struct settle_receipt {
    uint64_t block_number;
    struct chain_hash block_hash;
    uint64_t gas_used;
    uint64_t effective_fee_wei;
    uint64_t l1_fee_wei;
    bool succeeded;
    bool has_planned_effect;             // every leg's event, once and in order (settle_effect.h)
    // Of each leg of a transfer: what it took from the frozen units of its sender (settle_custody.h).
    chain_uint128 unfrozen[SETTLE_LEGS_MAX];
    uint32_t log_index[SETTLE_LEGS_MAX]; // of each leg's; set if there is the planned effect
};

// One message to the core. ref_number is zero until `results` has given it one.
struct settle_result {
    uint64_t result_id;
    struct settlement_result_cmd command;
};

struct settle_claim {
    size_t trades_max; // in: trades at once (F3), legs of a request, requests
    size_t batch_max;
    size_t requests_max;
    bool mark;      // in: write reasons beside those that wait for a person
    size_t claimed; // out: now processing
    size_t refused; // failed at once: can never be carried out
};

// How a trade's turn in a request ends, while it is processing.
enum settle_end {
    SETTLE_END_STAY,    // it does not
    SETTLE_END_RELEASE, // pending again, no attempt used
    SETTLE_END_COUNT,   // pending again with attempts + 1, failed if that was the last
    SETTLE_END_FAIL,    // failed at once
    SETTLE_END_NETTED,  // settled: of a net of zero, which moves nothing
};

// How a request that is of no trade goes on, nothing being signed.
enum settle_finish {
    SETTLE_FINISH_DONE,     // confirmed: the chain is as it wants it already
    SETTLE_FINISH_REJECTED, // it can not be carried out
    SETTLE_FINISH_WAITS,    // again after a tick
};

enum { SETTLE_REASON_MAX = 200 };

struct settle_ending {
    enum settle_end end;
    bool is_counted;   // FAIL of what was signed: one attempt is used
    bool has_evidence; // the preflight says why: its answers are kept
    size_t limit;      // from now on at most this many legs in its request; 0 = as before
    char reason[SETTLE_REASON_MAX]; // "" = none
};

// A mark of two persons that says that a trade was settled on the chain, by this transaction.
struct settle_mark {
    uint64_t mark_id;
    struct chain_hash hash;
    const char *problem; // no transfer of the trade can be planned: why; NULL = this is the one
    struct chain_address token;
    struct settle_leg leg;
};

// What the chain says of it: deep enough, with the trade's Transfer in these places.
struct settle_mark_evidence {
    uint64_t block_number;
    size_t count;
    uint32_t log_index[SETTLE_LEGS_MAX];
};

// A bid as the signer's log has it.
struct settle_lost {
    struct chain_address signer;
    uint64_t nonce;
    uint64_t attempt_id; // what it was when it was signed
    uint64_t time_ns;    // since 1970, then
    uint64_t gas_limit;
    struct settle_fees fees;
    struct chain_hash hash;
    struct chain_address to; // zero when it creates
    bool creates;
    size_t calldata_len; // 0: it gives the nonce up
    const uint8_t *calldata;
    size_t raw_len;
    const uint8_t *raw;
    const struct settle_transfer *transfer; // of trades; else NULL
    uint64_t request_id;                    // of anything else: whose it is; 0 = no row asks for it
};

enum settle_restored {
    SETTLE_RESTORE_KNOWN, // its row is there, or its nonce has ended
    SETTLE_RESTORE_DONE,
    SETTLE_RESTORE_OTHER,  // nothing was changed: its nonce is held for another payload
    SETTLE_RESTORE_CANNOT, // nothing was changed: the rows do not say whose it is
};

enum { SETTLE_MISSING_MAX = 64 };

// A block in which an attempt has ended: confirmed, reverted, given up by an empty one, or by what
// somebody else had mined at its nonce.
struct settle_ended_block {
    bool found;
    uint64_t number;
    struct chain_hash hash;
};

struct settle_ended_nonce {
    struct chain_address signer;
    uint64_t nonce;
};

#define SETTLE_STORE __attribute__((warn_unused_result)) enum settle_store_result

struct settle_store_ops {
    void *context;

    // Connects if need be, takes or confirms the lock. `anew`: it was taken by this call, so that
    // another worker, or the rebuild, may have written since.
    SETTLE_STORE (*lead)(void *context, bool *anew);
    // Gives the lock up.
    SETTLE_STORE (*follow)(void *context);
    // What the functions below say between the two is one transaction: it is committed when
    // `release` returns OK, all of it, or not at all. After anything but OK in between it is given
    // up: `release` is not called then. Nobody but the store is asked anything meanwhile, so that
    // no lock waits for a node.
    SETTLE_STORE (*hold)(void *context);
    SETTLE_STORE (*release)(void *context);
    // No counter of any key is known though a token has a contract on this chain: the database is
    // new, or lost; the signer's log says which.
    SETTLE_STORE (*needs_signer)(void *context, bool *needs);

    // Answers the open requests of administrators to try a failed trade again: pending, counted
    // from zero, unless an attempt of it is still open (its receipt is unknown). Likewise the
    // approved marks of two persons, but those that name a transaction: `marks` is how many of them
    // were not looked at for a tick.
    SETTLE_STORE (*retry)(void *context, size_t *retried, size_t *marks);
    // Requests that two persons have given up: what is signed of them gets fate ABANDON and their
    // trades are held; what has ended since is answered, by what the chain has mined. `changed` =
    // how many of both.
    SETTLE_STORE (*abandon)(void *context, size_t *changed);
    // The next one of those with an id above `after`; an id of zero: there is none.
    SETTLE_STORE (*mark_next)(void *context, struct settle_mark *mark, uint64_t after);
    // The mark stays open, and says why (a SETTLE_REASON_MARK_*, or the plan's reason).
    SETTLE_STORE(*mark_waits)
    (void *context, const struct settle_mark *mark, const char *problem);
    // The transaction is what the mark says: the trade is settled by it, unless the rows know that
    // the Transfer is another's (the mark stays open, and says so), or something of it is under way.
    SETTLE_STORE(*mark_settle)
    (void *context, bool *settled, const struct settle_mark *mark,
     const struct settle_mark_evidence *evidence);

    // The counter of (chain, signer): the nonce that the next new request takes. `known` is false
    // if this signer was never used. nonce_set raises or sets it (start, and foreign transactions);
    // it never lowers.
    SETTLE_STORE(*nonce_get)
    (void *context, bool *known, uint64_t *next, const struct chain_address *signer);
    SETTLE_STORE (*nonce_set)(void *context, const struct chain_address *signer, uint64_t next);

    // Takes what instructions have to move on the chain, one request each, and fails what can not be, or not in time, moved;
    // then pending trades by F3's query, in trade order, and makes their requests: one per token,
    // up to `batch_max` legs each (settle_group.h); not those that off_chain settles. Left alone,
    // with the reason written beside them: trades that wait for a wallet. Left alone too: the
    // seller's earlier inbound trade of the token is not final, or the trade was released less than
    // a tick ago.
    SETTLE_STORE (*claim)(void *context, struct settle_claim *claim);
    // Settles up to `max` pending trades that move nothing on the chain (the token has no contract,
    // or buyer and seller share a wallet), in trade order, and queues their results. Looks at those
    // that have come since it was last called; `again`: also at older ones, for which this may have
    // become so (a long queue is gone through in parts).
    SETTLE_STORE (*off_chain)(void *context, size_t *settled, size_t max, bool again);

    // Open requests, those with the lowest nonce first, then those without one in the order they
    // were made; without their legs.
    SETTLE_STORE (*load)(void *context, struct settle_item *items, size_t *count, size_t max);
    // The legs of a request that have not left it, in their order, with the places that an attempt
    // was prepared with; not those of nets of zero, which are settled. item->may_net.
    SETTLE_STORE (*legs)(void *context, struct settle_item *item);
    // chain_request.arguments, a JSON object, into SETTLE_ARGUMENTS_MAX bytes; what is longer comes
    // as "".
    SETTLE_STORE (*arguments)(void *context, char *arguments, uint64_t request_id);
    // Committed calldata of an attempt; `len` in: room, out: length.
    SETTLE_STORE (*calldata)(void *context, uint8_t *calldata, size_t *len, uint64_t attempt_id);
    // Signed bytes of an attempt; likewise.
    SETTLE_STORE (*raw)(void *context, uint8_t *raw, size_t *len, uint64_t attempt_id);

    // Legs leave a request for which nothing is signed, each as `endings` says, one per leg. The
    // request ends when none stays. Evidence is one per leg, or NULL; a leg that leaves without
    // evidence leaves no row. Of a netted call the legs of nets of zero may be NETTED: their trades
    // are settled at once, all in this transaction.
    SETTLE_STORE(*leave)
    (void *context, const struct settle_item *item, const struct settle_ending *endings,
     const struct erc3643_evidence *evidence);
    // Why the request's token, which is to be netted, is not (SETTLE_NET_MODULE and the module);
    // NULL: it is. Written beside the token's option.
    SETTLE_STORE (*netting_refused)(void *context, const struct settle_item *item, const char *why);
    // Is there another trade by which the leg's seller is still to receive this token, pending,
    // processing or failed? (Then a short balance is a matter of waiting.)
    SETTLE_STORE (*inbound_open)(void *context, bool *open, const struct settle_leg *leg);

    // A request that is of no trade and holds no nonce: it ends, or waits, with its reason.
    SETTLE_STORE(*finish)
    (void *context, const struct settle_item *item, enum settle_finish finish, const char *reason);

    // New attempt with its evidence, one per leg of trades, else NULL: nothing signed yet. For a
    // request without a nonce `attempt->nonce` must be the counter's value; for a higher bid it is
    // the one held, and the bid before becomes REPLACED. Sets attempt->attempt_id. Evidence is NULL
    // for a higher bid. Of a netted call the nets and the places of the legs are written, too.
    SETTLE_STORE(*prepare)
    (void *context, struct settle_attempt *attempt, const struct settle_item *item,
     const struct chain_address *signer, const uint8_t *calldata, size_t calldata_len,
     const struct erc3643_evidence *evidence);
    // The signer refused: the attempt is DROPPED; a bid before it stands again; otherwise the nonce
    // is free and every leg ends as said (RELEASE of what is of no trade: it waits).
    SETTLE_STORE(*refuse)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt,
     const struct settle_ending *ending);
    // Signed bytes and nonce, before any broadcast; the counter goes past the nonce.
    SETTLE_STORE(*sign)
    (void *context, const struct settle_attempt *attempt, const struct chain_address *signer,
     const uint8_t *raw, size_t len);
    // The node has the bytes: the trades show the hash from now on.
    SETTLE_STORE(*sent)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt);
    // No bid takes its place, for this reason: written beside it, and beside its request.
    SETTLE_STORE(*stands)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt,
     const char *reason);
    // A receipt; every sibling bid becomes REPLACED.
    SETTLE_STORE(*mined)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt,
     const struct settle_receipt *receipt);
    // The receipt is gone again. What had ended of its trades gets fate OVER, as by `reopen`.
    SETTLE_STORE(*unmined)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt);
    // Deep enough: the trades are settled on_chain, or netted, gas is booked, results for the core
    // are queued; a deploy's row gets its contract, call.contract.
    SETTLE_STORE(*confirm)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt,
     const struct settle_receipt *receipt);
    // Deep enough, and failed: gas is booked, each leg ends as said (none stays). Of a request that
    // is of no trade endings[0] says it: COUNT = again, unless that was the last.
    SETTLE_STORE(*revert)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt,
     const struct settle_receipt *receipt, const char *reason, const struct settle_ending *endings);
    // Proved that a foreign transaction used the nonce, in this block: open bids become DROPPED,
    // ended there like one of ours, every trade ends as said; what is of no trade goes again.
    SETTLE_STORE(*drop)
    (void *context, const struct settle_item *item, const struct settle_ending *ending,
     uint64_t block_number, const struct chain_hash *block_hash);
    // An empty transaction at the nonce is mined, deep enough: the attempt is DROPPED, gas is
    // booked. What was to be cancelled, or is abandoned, is released.
    SETTLE_STORE(*cancelled)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt,
     const struct settle_receipt *receipt);
    // Of fate OVER, and mined again: with the planned effect this time. Whatever else is open for
    // its trades, or for another turn of its instruction, is to be cancelled: what is signed gets
    // fate CANCEL.
    SETTLE_STORE (*conflict)(void *context, const struct settle_item *item);
    // … deep enough: the trades that are pending are settled by it. Those that have failed, or were
    // settled by another, become incidents; what is not signed of another turn of the instruction is
    // released, and held by them. `waits`: one of them is still open elsewhere, nothing
    // was done.
    SETTLE_STORE(*returned)
    (void *context, bool *waits, const struct settle_item *item,
     const struct settle_attempt *attempt, const struct settle_receipt *receipt);
    // … without an effect, deep enough: it is REVERTED as before, gas is booked.
    SETTLE_STORE(*ended_again)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt,
     const struct settle_receipt *receipt, const char *reason);
    // Nonces from `from` up to `below` that no request has held and that are above all that have
    // ended: requests that cancel them are made, SETTLE_MISSING_MAX at most. `asked` = how many that
    // were not there.
    SETTLE_STORE(*gap)
    (void *context, size_t *asked, const struct chain_address *signer, uint64_t from,
     uint64_t below);
    // Is the nonce held by an open attempt? That one gets fate CANCEL.
    SETTLE_STORE(*nonce_cancel)
    (void *context, bool *held, const struct chain_address *signer, uint64_t nonce);
    // The block of the compliance check before the signature; `*number` is 0 when there is none.
    SETTLE_STORE(*checked_at)
    (void *context, uint64_t *number, struct chain_hash *hash, const struct settle_item *item);
    // The verdicts of the compliance check at the parent of the mined block (U7, M28), one per leg;
    // each that a rule refuses there is an incident, which does not halt the token.
    SETTLE_STORE(*recheck)
    (void *context, const struct settle_item *item, const struct settle_attempt *attempt,
     const struct erc3643_evidence *evidence);
    // Attempts that had ended at nonces from `nonce` on: the chain lost them. What was confirmed
    // becomes SENT and is open again, its trades stay as they are; what had ended without effect
    // becomes SENT with fate OVER, and legs of its trades that wait unsigned elsewhere are
    // released. So does, at whatever nonce, what had ended of the trades of the former: it may have
    // come back. The gas of all of them is no longer booked. `count` = how many.
    SETTLE_STORE(*reopen)
    (void *context, size_t *count, const struct chain_address *signer, uint64_t nonce);

    // The highest such block below `below`.
    SETTLE_STORE (*ended_block)(void *context, struct settle_ended_block *out, uint64_t below);
    // Of each key the lowest nonce that has ended in block `block` or above; for up to `max` keys.
    SETTLE_STORE(*ended_from)
    (void *context, struct settle_ended_nonce *out, size_t *count, size_t max, uint64_t block);
    // Keys that have a counter on this chain: those with open attempts first, then the newest.
    SETTLE_STORE (*keys)(void *context, struct chain_address *keys, size_t *count, size_t max);
    // Nonces from the larger of `from` and where the counter began up to `below`, that no request
    // holds; the lowest SETTLE_MISSING_MAX of them.
    SETTLE_STORE(*nonces_missing)
    (void *context, uint64_t *nonces, size_t *count, const struct chain_address *signer,
     uint64_t from, uint64_t below);
    // The row of a bid that the signer has signed: SIGNED, or REPLACED where another bid at the
    // nonce was mined; the one before it is REPLACED, or DROPPED if it was never signed. Oldest
    // first.
    SETTLE_STORE(*restore)
    (void *context, enum settle_restored *restored, const struct settle_lost *lost);

    // Custody (settle_custody.h): tells of what is frozen now, and asks for what is to be. `changed`
    // counts both.
    SETTLE_STORE (*custody)(void *context, size_t *changed);
    // Of the wallets that send, what the venue has frozen there itself, as far as others had left it at
    // a block; the others are left alone.
    SETTLE_STORE(*custody_spendable)
    (void *context, struct settle_wallet *wallets, size_t count,
     const struct chain_address *contract, uint64_t at_block);

    // Of a mint: do custody proofs cover it, where there are `supply` of the token (settle_mint.h)?
    // Its open attempt, if there is one, keeps what was found. `ending` STAY: yes; RELEASE: not yet.
    SETTLE_STORE(*mint_cover)
    (void *context, struct settle_ending *ending, const struct settle_item *item,
     chain_uint128 supply);

    // Where to begin to look for the core's answers: the smallest `sequence` that a numbered result
    // without an answer was given; SETTLE_CORE_NEWEST if there is none.
    SETTLE_STORE (*unanswered_after)(void *context, uint64_t *sequence);
    // Gives numbers to up to `max` results that have none (contiguous, in the order in which they
    // were queued, with `sequence` beside them), and reads up to `max` without an answer whose
    // number is above `after_ref`, in order.
    SETTLE_STORE(*results)
    (void *context, struct settle_result *results, size_t *count, size_t max, uint64_t after_ref,
     uint64_t sequence);
    // The core's answers, BOOKED or REFUSED. A result that has one keeps it.
    SETTLE_STORE (*answered)(void *context, const struct settle_answer *answers, size_t count);

    void (*close)(void *context);
};

#endif
