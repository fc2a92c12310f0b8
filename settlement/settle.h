// The settlement worker: an agent that carries every request of chain.chain_request through the
// state machine of settle_states.h, exactly once. Its first customer is the settlement of trades
// (F1–F7).
//
// It keeps no truth of its own: each pass reads the open rows and advances each by what can be done
// now. The order of effects is what makes it exact:
//   evidence and nonce committed → signature → raw bytes committed → broadcast → receipt →
//   confirmations → one transaction that settles the trade and queues the result for the core → the
//   core's event.
// A crash between any two of them leaves rows from which the next pass goes on with the same bytes.
// A new nonce is taken for a trade only when every attempt at the former one has ended for certain.
//
// Threads: one. Memory: fixed, inside `struct settle` (about 3 MB), no allocation of its own.
// Failures: the node's, the signer's and the database's are waited out (settle_deadline_ns says
// until when); what is our own fault asserts.
#ifndef LONJA_SETTLEMENT_SETTLE_H
#define LONJA_SETTLEMENT_SETTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain/node.h"
#include "chain/signer.h"
#include "settlement/settle_core.h"
#include "settlement/settle_preflight.h"
#include "settlement/settle_store.h"

struct settle_config {
    uint64_t chain_id;
    uint64_t confirmations; // a block counts as its own first confirmation; 0 is taken as 1
    bool finalized_tag;     // and the chain's `finalized` block must have reached it
    size_t batch_max;       // legs of a request
    bool custody_proof;     // a mint needs a valid one (settle_mint.h)
    size_t claim_max;       // trades claimed at once (F3)
    uint64_t pace_ns;       // claims begin at least this far apart (F2); 0 = when something happens
    uint64_t gather_ns;     // … likewise, but only while transactions are under way
    uint32_t attempts_max;  // signed attempts before a trade has failed (F7)
    uint64_t gas_max[SETTLE_GAS_COUNT]; // gas limit at most, by kind of call (B10)
    uint64_t gas_margin_percent;
    struct settle_fee_policy fees;
    uint64_t tick_ns;  // waits this long after a failure, and at most this long for a notification
    uint64_t poll_ns;  // asks the node for receipts this often while something is sent
    uint64_t scan_ns;  // looks through blocks for so long in one pass; 0 = as long as it takes
    const char *netting_modules; // compliance modules that do not forbid netting (settle_net.h)
    uint64_t stuck_ns; // blocks pass and the lowest nonce is not mined for this long: bid more
};

enum { SETTLE_ITEMS_MAX = 256, SETTLE_OFF_CHAIN_MAX = 500 };

enum { SETTLE_TOKENS_MAX = 64, SETTLE_KEYS_MAX = 8 };

// Requests that take a step together (settle_together.c).
enum { SETTLE_FIRSTS_MAX = 4, SETTLE_SEEN_MAX = 16 };

// Contracts whose calls the signer has refused of late (settle_together.c).
enum { SETTLE_APART_MAX = 8 };

// Of how many of the next group the node is asked ahead while one is sent: what a
// block comes between is asked again.
enum { SETTLE_AHEAD_MAX = 2 };

// A first bid on its way to the node.
struct settle_first {
    struct settle_item *item;
    struct settle_attempt bid;
    struct node_message message; // its calldata are those below
    bool has_evidence;
    struct erc3643_evidence evidence[SETTLE_LEGS_MAX];
    uint8_t calldata[SETTLE_CALLDATA_MAX];
    struct signer_signed made;
};

// A receipt that is what was planned.
struct settle_seen {
    struct settle_item *item;
    struct settle_attempt *bid;
    struct settle_receipt receipt;
    bool is_deep;
    bool has_evidence; // of the block before
    struct erc3643_evidence evidence[SETTLE_LEGS_MAX];
};

// A key of the signer's (settle_keys.c).
struct settle_key {
    struct chain_address address;
    bool nonces_checked;
    bool log_read;         // all that the signer has signed with it stands in the rows
    bool is_open;          // an item holds a nonce of it
    uint64_t next_nonce;   // of the counter, when it was last read, or a nonce was taken
    uint64_t mined_nonces; // the node's count at latest, as far as it is believed
    uint64_t doubted;      // the count that was not believed last
    uint64_t over_nonce; // the lowest that a lost transaction left undecided; UINT64_MAX = none
    uint64_t head_nonce; // the lowest nonce held that is not mined, since
    uint64_t head_block; // … this block
    uint64_t head_ns;    // … and time
};

// The last question which transaction used a nonce: it is in none of the blocks [low, top].
struct settle_scan {
    struct chain_address signer;
    uint64_t nonce;
    uint64_t low, top; // low = top + 1: none was looked through yet
    uint64_t over_ns;  // since when that is all that are to be looked through; 0 = it is not
    bool is_asked;     // there is a question
};

struct settle_counters {
    uint64_t passes;
    uint64_t claimed;
    uint64_t off_chain;
    uint64_t refused; // legs that failed before anything was signed
    uint64_t simulations;
    uint64_t signed_attempts;
    uint64_t broadcasts;
    uint64_t resends;
    uint64_t bids_raised;
    uint64_t confirmed; // trades, and requests of others
    uint64_t netted_to_zero; // trades
    uint64_t reverted;
    uint64_t dropped;
    uint64_t reorganised;
    uint64_t incidents; // the check at the mined block differs from the one before signing (M28)
    uint64_t foreign_nonces;
    uint64_t counts_doubted; // times that a node's count of nonces was not believed
    uint64_t lost_nonces; // times that the signer knew what the database does not, and nobody asks for
    uint64_t restored;    // transactions, from the signer's log
    uint64_t nonces_given_up;
    uint64_t node_failures;
    uint64_t signer_failures;
    uint64_t store_failures;
    uint64_t results_sent;
    uint64_t results_refused;
};

struct settle {
    struct settle_config config;
    struct settle_store_ops store;
    struct node *node;
    struct signer_ops signer;
    struct settle_core_ops core;
    struct settle_counters counters;

    // What the last pass knew; forgotten on any doubt.
    uint64_t pass_ns;         // when this pass began
    uint64_t signer_asked_ns; // the signer has been silent since; 0 = it is not
    bool attempts_known;      // the database has heard of every key that has signed
    bool attempts_missing;    // … it has not: `lonja settle rebuild`
    bool attempts_lost; // the signer has signed what no row asks for: nothing new is begun
    bool bids_known;    // its log was asked about every open nonce
    bool is_other_chain; // the node is on another one than config.chain_id
    bool has_signer;
    struct chain_address signer_address; // the active key's
    size_t key_count;
    struct settle_key keys[SETTLE_KEYS_MAX]; // the active one first
    struct settle_scan scan;
    uint64_t scan_until_ns; // of this pass, by the system's clock; 0 = it has looked through none
    bool is_over;                            // a lost transaction's nonce is undecided
    uint64_t block_number; // latest, at the start of this pass
    uint64_t
        final_number; // the `finalized` block, at the start of this pass; with finalized_tag only
    uint64_t base_fee_wei; // of the next block
    uint64_t priority_wei; // what the last blocks paid
    uint64_t looked_block; // receipts were last asked for at this block …
    uint64_t looked_ns;    // … and time
    bool look;             // this pass asks for receipts
    bool resend;           // this pass looks whether the pool still has what was sent
    uint64_t resent_ns;
    // Blocks in which something ended are to be compared with the chain's (settle_moved.c): before receipts are looked at, however
    // many passes come to nothing meanwhile. What ends first would stand above what was replaced, and hide it.
    bool moved_unlooked;
    uint64_t deadline_ns;
    uint64_t chain_again_ns; // the node or the signer failed: not before this
    uint64_t claimed_ns;     // the last claim …
    uint64_t claim_again_ns; // … the next one, if it was put off; else 0
    bool claim_more;         // the last one took as many as it may
    uint64_t store_again_ns;
    uint64_t store_wait_ns; // of the database's last failure; 0 = it works
    bool store_failed;      // this pass
    bool chain_failed;      // this pass

    size_t item_count;
    struct settle_item items[SETTLE_ITEMS_MAX];

    // Of the pass that runs.
    size_t first_count;
    struct chain_address apart[SETTLE_APART_MAX]; // the last ones refused; zero = none, or a deploy
    size_t apart_next;
    struct settle_first firsts[SETTLE_FIRSTS_MAX];
    struct settle_first *signed_firsts[SETTLE_FIRSTS_MAX];
    size_t seen_count;
    struct settle_seen seen[SETTLE_SEEN_MAX];

    // Results on their way to the core, in the order of their numbers: [first, sent) wait for their
    // answers, [sent, count) are not sent. They are forgotten by their answers only.
    bool core_begun;
    bool results_stale;   // there may be more to read
    uint64_t result_read; // the largest number read
    size_t result_first;
    size_t result_sent;
    size_t result_count;
    struct settle_result results[SETTLE_RESULTS_MAX];
    // Answers that are not written down.
    size_t answer_count;
    struct settle_answer answers[SETTLE_RESULTS_MAX];

    // Contracts that were found to be what the rows take them for (settle_token.c).
    size_t token_count; // so far; the last SETTLE_TOKENS_MAX are kept
    struct settle_token {
        struct chain_address contract;
        int decimals;
        // What a call has needed by the node's estimate, one leg [0] or many [1]: the next is tried with as much.
        struct settle_gas_known {
            size_t legs; // 0 = nothing is known
            uint64_t gas;
        } gas[2];
    } tokens[SETTLE_TOKENS_MAX];

    // Of the one step that runs.
    struct signer_signed scratch_signed;
    struct signer_history scratch_history;
    uint8_t scratch_raw[SIGNER_RAW_MAX];
    uint8_t scratch_calldata[SETTLE_CALLDATA_MAX];
    char call_error[SETTLE_CALL_ERROR_MAX];
    uint64_t arguments_of; // request whose arguments these are; 0 = none
    char arguments[SETTLE_ARGUMENTS_MAX];
    struct settle_arguments arguments_read;
    struct settle_call moves; // of a call that is netted
    struct settle_preflight preflight;
    struct settle_preflight preflight_next; // of questions that are sent ahead; scratch
    // Of the items before this one they were sent, at this block; NULL in a pass that has sent none.
    const struct settle_item *ahead_end;
    struct chain_hash ahead_hash;
    struct settle_preflight preflight_seen; // at the block before a transaction was mined
    struct erc3643_evidence evidence[SETTLE_LEGS_MAX];
    struct settle_ending endings[SETTLE_LEGS_MAX];
};

// `settle` is zero: it is some megabytes, most of which a worker never touches. Takes over nothing: the caller closes store,
// node, signer and core after the worker is no longer used.
void settle_init(struct settle *settle, const struct settle_config *config,
                 const struct settle_store_ops *store, struct node *node,
                 const struct signer_ops *signer, const struct settle_core_ops *core);

// One bounded pass. `now_ns` is of the monotone clock: a wall clock that is set back would stop the
// worker for as long. Returns how many rows changed; call again at once while it is above zero,
// else when notified, when the core answers, or at settle_deadline_ns; while settle_is_backing_off,
// at settle_deadline_ns only.
size_t settle_do_work(struct settle *settle, uint64_t now_ns);
uint64_t settle_deadline_ns(const struct settle *settle);
// The database could not be used: nothing is gained by a call before the deadline, whatever
// happens, and nothing is read from the database's connection in it.
bool settle_is_backing_off(const struct settle *settle);

#endif
