// Test only: the world around the worker in memory — Postgres, an EVM node with an ERC-3643 token,
// the signer and the core — each behind the same tables of functions as in production, with faults
// at every effect.
//
// Fault model. Every call that leaves the worker is one numbered effect, at which one of these may
// happen:
//   LOST_BEFORE  the request never arrives (connection refused, timeout on the way)
//   LOST_AFTER   it is carried out, its answer is lost (a commit that nobody hears of, a broadcast
//   too) GARBAGE      the node answers something unusable after it has acted; elsewhere as
//   LOST_AFTER KILL_BEFORE, KILL_AFTER  the worker dies: nothing that it still does has any effect
// A lost database session also loses the lock: nothing is written until `lead` has been called
// again; and what the store holds back for one commit is gone, whatever of it had been answered.
//
// What the world itself asserts, at every effect: a broadcast has its bytes, hash and nonce
// committed; nobody else is asked anything while the store holds a transaction open; a move of a trade or an attempt is in the table; no planned leg is executed twice; a
// nonce serves one request; the batch id names the trades; the movements of an instruction are one
// transaction, end alike and are not signed too late; no result overtakes another on its way
// to the core, and one that is refused as old was refused before.
#ifndef LONJA_SETTLEMENT_SETTLE_FAKE_H
#define LONJA_SETTLEMENT_SETTLE_FAKE_H

#include "settlement/settle.h"
#include "settlement/settle_group.h"

// How many trades and results there may be; longer lives (tests/sim) are built with more.
#ifndef FAKE_TIMES
#define FAKE_TIMES 1
#endif
enum {
    FAKE_TRADES_MAX = 128 * FAKE_TIMES,
    FAKE_ATTEMPTS_MAX = 512,
    FAKE_TX_MAX = 512,
    FAKE_WALLETS_MAX = 16,
    FAKE_RESULTS_MAX = 192 + 128 * FAKE_TIMES,
    FAKE_REQUESTS_MAX = 512 + 64 * FAKE_TIMES,
    FAKE_BYTES_MAX = 4 << 20, // calldata and raw bytes of all attempts
    FAKE_CHECKS_MAX = 1024,
    FAKE_EVENTS_MAX = 4096,
    FAKE_FORKS_MAX = 1024,
    FAKE_INCIDENTS_MAX = 256,
    FAKE_UNFROZEN_MAX = 512,
    FAKE_ROWS_MAX = (1 << 15) + (1 << 13) * FAKE_TIMES,
};

enum fake_fault {
    FAKE_NONE,
    FAKE_LOST_BEFORE,
    FAKE_LOST_AFTER,
    FAKE_GARBAGE,
    FAKE_KILL_BEFORE,
    FAKE_KILL_AFTER,
    FAKE_FAULT_COUNT
};

struct fake_faults {
    uint64_t effects; // so far
    uint64_t at;      // the effect at which `kind` happens (1 = the first); 0 = none
    enum fake_fault kind;
    uint32_t permille; // otherwise at random with this chance, any kind
    uint64_t random;
    enum fake_fault (*decide)(void); // NULL, or it says at every effect what happens
    bool dead;                       // the worker was killed; fake_revive
    uint64_t injected;
};

// A row of a history: of a trade (settle.trade_settlement_history), or of an attempt.
enum { FAKE_BORN = UINT8_MAX }; // `from` of the first one
struct fake_row {
    uint32_t before; // the one before it, of the same; 0 = none
    uint8_t from, to;
    uint16_t attempts;     // total_attempts
    uint64_t reason, hash; // digests
};

struct fake_trade {
    uint64_t trade_id;
    const char *contract;
    const char *buyer_wallet;
    const char *seller_wallet;
    int64_t quantity;
    enum settle_trade_state state;
    uint32_t attempts;
    uint32_t total_attempts;
    bool on_chain;
    bool retry_asked;
    bool held; // not claimed
    char reason[200];
    struct chain_hash tx_hash;
    uint64_t changed_ns;
    bool request_open; // a request that has not ended has it
    bool done;         // one was confirmed with it
    bool blocked;      // when the claim began: its seller awaits units from elsewhere
    struct settle_leg leg;
    size_t limit;      // legs of its request at most; 0 = as many as there may be
    unsigned executed; // transfers on the canonical chain
    bool incident;     // a person has to look at it: it moved though it had failed, or twice …
    bool lost;         // … or it is settled, and what settled it is lost and did not come again
    uint64_t net_id;   // of the net that it was in, once; 0 = none
    bool to_zero;      // that net moved nothing, and has settled it
    // It is a movement of a settlement instruction: of which one, in which turn (its first
    // movement's id); nothing of it is signed from then on. 0 = a trade.
    uint64_t xvp;
    uint64_t turn;
    uint64_t sign_before_ns; // of now_ns
    uint32_t last_row;       // of its history
};

// Slots of trades' requests that ended without an attempt are used again, under new ids.
struct fake_request {
    uint64_t request_id; // 0 = a free slot
    bool open;
    bool has_attempts;
    uint64_t checked_block; // of the evidence
    struct chain_hash checked_hash;
    struct chain_address token;
    // Of no trade: what somebody else asks for.
    enum settle_operation operation;
    char arguments[160];
    // Two persons have given it up; the worker has begun with it; it has ended so.
    enum fake_abandoned { FAKE_KEPT, FAKE_ASKED, FAKE_BEGUN, FAKE_GIVEN_UP, FAKE_MINED_AFTER_ALL } abandoned;
    enum fake_end { FAKE_OPEN, FAKE_CONFIRMED, FAKE_REJECTED, FAKE_REVERTED } end;
    char reason[200];
    uint64_t changed_ns;
    unsigned failures;     // attempts that ended without an effect
    unsigned executed;     // on the canonical chain
    struct settle_leg own; // its leg
    size_t leg_count;
    struct fake_leg {
        size_t trade;
        uint8_t number;
        bool left; // it was in a transaction that moved nothing
        uint64_t net_id;
        uint8_t place;
    } legs[SETTLE_LEGS_MAX];
    bool is_netted;
};

struct fake_attempt {
    struct settle_attempt attempt;
    size_t request;
    size_t calldata_at; // in world.bytes
    size_t calldata_len;
    size_t raw_at;
    size_t raw_len;
    bool gas_booked;
    struct chain_hash block_hash; // of mined_block
    uint32_t last_row;            // of its history
};

struct fake_tx {
    struct chain_hash hash;
    uint64_t nonce;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    uint64_t gas_limit;
    bool dropped; // replaced in the pool, or forgotten by the node
    bool hidden;  // the node does not show its receipt
    bool mined;
    bool succeeded;
    bool moved; // it moved units (undone when reorganised away)
    bool foreign;
    uint64_t block;
    size_t attempt; // whose bytes these are, unless it is foreign
};

struct fake_wallet {
    struct chain_address address;
    chain_uint128 units;
    chain_uint128 begun_with;
    bool frozen;
    chain_uint128 frozen_units; // of `units` …
    bool in_custody;            // the venue freezes here …
    chain_uint128 venue_units;  // … and had frozen so much of frozen_units before its transfers took of them
    bool freeze_under_way;      // … and more, which is not final yet
    bool verified;
    struct chain_address identity; // registered; zero = not
    uint16_t country;
};

// What a transfer has taken of the frozen units of its sender: on the chain by transaction, in the rows by request.
struct fake_unfrozen {
    size_t of;
    size_t leg; // of the call; in the rows its number
    struct fake_wallet *wallet;
    chain_uint128 units;
};

// settle.incident: while one is open its token is halted, and no trade of it claimed.
struct fake_incident {
    const char *kind;
    uint64_t request_id;
    size_t trade; // SIZE_MAX: of none
    bool closed;
};

// An event of the core. What is BOOKED names its number, the rest is known by who has asked.
struct fake_event {
    struct settle_answer answer;
    bool booked;
    uint64_t life;
};

struct fake_world {
    struct fake_faults faults;
    uint64_t now_ns;
    uint64_t tick_ns;
    uint32_t attempts_max;

    bool held; // between `hold` and `release`: what follows is not committed
    // Postgres: what is committed.
    bool leading;
    bool store_refuses; // every statement; the session lives
    bool netting;       // the token's option
    char netting_refused[SETTLE_REASON_MAX];
    // What `hold` holds: from here …
    unsigned nets;      // that were signed for
    unsigned zero_nets; // that have settled their trades
    bool signer_known;
    bool has_contracts; // a token has one
    uint64_t nonce_next;
    size_t trade_count;
    uint64_t request_last; // id
    size_t request_top;    // no slot from here on was ever used
    size_t attempt_count;
    struct fake_attempt attempts[FAKE_ATTEMPTS_MAX];
    size_t result_count;
    struct settle_result results[FAKE_RESULTS_MAX];
    uint64_t result_after[FAKE_RESULTS_MAX]; // the sequence beside its number
    bool result_answered[FAKE_RESULTS_MAX];
    bool result_refused[FAKE_RESULTS_MAX];
    uint64_t result_number;
    size_t booked_count; // what the rows say of frozen units that were taken
    struct fake_unfrozen booked[FAKE_UNFROZEN_MAX];
    size_t incident_count;
    struct fake_incident incidents[FAKE_INCIDENTS_MAX];
    size_t checks; // evidence rows
    size_t rechecks;
    unsigned gas_rows; // … to here, and trades and requests
    uint64_t stands_written;

    // The node.
    uint64_t chain_id;
    uint64_t block;
    uint64_t
        final_block; // what it answers for "finalized"; above `block`: it does not know the tag
    uint64_t fork;   // changes with every reorganisation
    uint64_t block_forks[FAKE_FORKS_MAX]; // in which each of the last blocks was mined
    uint64_t base_fee_wei;
    uint64_t pool_floor_wei; // a lower max fee is "underpriced"
    bool paused;
    bool can_transfer;
    chain_uint128 decimals;         // what the contract says
    bool too_rich;                  // its balances are above 128 bits
    bool no_token;                  // it reverts whatever a token is asked
    uint64_t gas_more;              // what a forced transfer needs beside the usual
    unsigned estimates;             // of forced transfers, answered
    bool has_module;                // its compliance has one, without a name
    chain_uint128 can_transfer_max; // more at once is against its rules; 0 = no limit
    bool hook_reverts;              // every transfer reverts, also when simulated
    chain_uint128 poison;           // a leg of so many units does; 0 = none
    chain_uint128 poison_mined;     // … but only in a block, where its simulation passes
    unsigned largest_batch;         // legs, seen in a block
    bool may_move_twice;            // the chain is worse than what it is taken for: no assertion
    bool out_of_gas_once;           // the next transaction fails, a simulation passes
    bool wrong_event;               // executed transactions emit another Transfer
    bool receipts_hidden;  // a node that lags behind its own blocks: no receipt of any transaction
    bool blocks_hidden;    // … and its blocks show no transactions
    int64_t count_lie;     // its counts of nonces are wrong by so much (0 at least) …
    unsigned count_lies;   // … so often
    bool lies_of_the_past; // … of earlier blocks, too
    bool pruned;           // it has no state of earlier blocks
    bool down;
    chain_uint128 minted; // less what was burned
    chain_uint128 covered;   // by the token's custody proof: so many tokens there may be
    const char *proof_ended; // no proof counts: why; NULL = it does
    // What it says of its supply: as it is, nothing, or more than 128 bits.
    enum fake_supply_answer { FAKE_SUPPLY_TRUE, FAKE_SUPPLY_NONE, FAKE_SUPPLY_WIDE } supply_answer;
    unsigned mint_checks;    // of attempts, kept with them
    size_t wallet_count;
    struct fake_wallet wallets[FAKE_WALLETS_MAX];
    size_t unfrozen_count; // what the chain has
    struct fake_unfrozen unfrozen[FAKE_UNFROZEN_MAX];
    size_t tx_count;
    struct fake_tx txs[FAKE_TX_MAX];

    // The signer. It remembers what it signed at a nonce, as the real one does.
    uint8_t key[32];
    struct chain_address signer;
    bool signer_gone;
    unsigned histories;         // that it has told
    unsigned block_scans;       // blocks that were asked for with their transactions
    unsigned sign_answers_lost; // signed, and nobody hears of it: how often
    enum signer_result refuse;  // SIGNER_OK = signs
    unsigned refuse_count;      // how often
    uint64_t refuse_request;    // this one only; 0 = any
    uint64_t signed_nonces;
    struct chain_hash signed_payload[FAKE_TX_MAX]; // by nonce
    size_t signed_count;
    struct fake_signature { // its log
        uint64_t nonce;
        uint64_t request_id;
        struct chain_hash hash;
        size_t raw_at; // in world.bytes
        size_t raw_len;
    } signatures[FAKE_ATTEMPTS_MAX];

    // The core, and its durable events; the worker's place among them.
    bool core_down;
    bool core_lost;        // what is sent goes into the ring of a core that is gone
    bool core_attached;    // the worker has polled RESTARTED
    uint64_t core_life;    // of the worker's link: counts attaches
    uint64_t core_read;    // events that the worker has polled
    uint64_t refuse_trade; // the core refuses results of this trade
    uint64_t core_last_ref;
    bool core_refused[FAKE_RESULTS_MAX];    // by number
    size_t core_booked[FAKE_TRADES_MAX][4]; // by trade and outcome
    size_t event_count;
    struct fake_event events[FAKE_EVENTS_MAX];

    size_t byte_count;
    uint32_t row_count;
    // Last: what is not used is not cleared, and costs a life nothing.
    uint8_t bytes[FAKE_BYTES_MAX];
    struct fake_trade trades[FAKE_TRADES_MAX];
    struct fake_request requests[FAKE_REQUESTS_MAX];
    struct fake_row rows[FAKE_ROWS_MAX];
};

extern const char fake_token[];  // the contract's address
extern const char fake_seller[]; // wallets with units at the start
extern const char fake_seller2[];
extern const char fake_buyer[];

// A world with one token, three verified wallets and a signer; no trades.
void fake_init(struct fake_world *world, uint64_t seed);
// The next trade; ids go up by 1000. Quantity is in token units of scale 2, the contract has 18
// decimals.
struct fake_trade *fake_trade(struct fake_world *world, const char *seller, const char *buyer,
                              int64_t quantity);
// Becomes settling: so many movements, of 1.00, 1.01 …, from the two sellers in turn to the buyer.
// Returns the first; the others are behind it.
struct fake_trade *fake_instruction(struct fake_world *world, uint64_t xvp, size_t moves,
                                    uint64_t sign_before_ns);
// Movements end together, and one result is told for all: by the first.
bool fake_is_told(const struct fake_trade *trade);
// Nothing of the request may be signed any more.
bool fake_is_late(const struct fake_world *world, const struct fake_request *request);
void fake_retry(struct fake_world *world, struct fake_trade *trade);
// Two persons give up the request that the trade is in; false: it is in none that holds a nonce.
bool fake_abandon(struct fake_world *world, const struct fake_trade *trade);
// A request that is of no trade: mint, burn (of the token), register_identity (of its registry).
struct fake_request *fake_request(struct fake_world *world, enum settle_operation operation,
                                  const char *arguments, const char *wallet, chain_uint128 units);
extern const char fake_registry[]; // the token's identity registry
bool fake_is_of_trades(const struct fake_request *request);

// The place of a trade in world.trades, whose ids rise.
size_t fake_trade_find(const struct fake_world *world, uint64_t trade_id);

// Histories (settle_fake_history.c). A trade has changed, an attempt has moved, from that state.
void fake_history_trade(struct fake_world *world, struct fake_trade *trade, unsigned from);
void fake_history_attempt(struct fake_world *world, struct fake_attempt *attempt, unsigned from);
// When nothing is under way: NULL, every history is complete, in an allowed order, and says what
// trades, attempts, results, signer and chain say; else which one is not, and why.
const char *fake_history_why_not(const struct fake_world *world);

// Two persons close every open incident. Returns how many.
size_t fake_close_incidents(struct fake_world *world);
bool fake_has_incident(const struct fake_world *world, size_t trade);

// What the rows say that the venue has frozen in a wallet: with nothing under way, what is frozen there if nobody else freezes.
chain_uint128 fake_venue_units(const struct fake_world *world, const struct fake_wallet *wallet);

struct settle_store_ops fake_store(struct fake_world *world);
struct rpc_ops fake_rpc(struct fake_world *world);
struct signer_ops fake_signer(struct fake_world *world);
// A link that has not begun, as a new process has it.
struct settle_core_ops fake_core(struct fake_world *world);

// What happens at this effect.
enum fake_fault fake_effect(struct fake_world *world);
bool fake_is_before(enum fake_fault fault); // the effect does not take place
uint64_t fake_random(struct fake_world *world, uint64_t below);

// The chain on its own: a block with what the pool offers; the last `depth` blocks undone (their
// transactions return to the pool, or are forgotten); the pool forgotten; a transaction of our key
// made behind our back.
void fake_mine(struct fake_world *world);
void fake_reorganise(struct fake_world *world, uint64_t depth, bool forget);
void fake_forget_pool(struct fake_world *world);
void fake_foreign(struct fake_world *world);
// A transaction that the pool has forgotten is in somebody's hands still, and comes back.
void fake_return(struct fake_world *world, uint64_t nonce, size_t which);

chain_uint128 fake_supply(const struct fake_world *world); // of the token
struct fake_wallet *fake_wallet(struct fake_world *world, const struct chain_address *address);
struct fake_wallet *fake_wallet_of(struct fake_world *world, const char *text);
// Where the bytes are in world.bytes from now on.
size_t fake_keep(struct fake_world *world, const uint8_t *data, size_t len);
// The database loses the attempts from number `from` on, as one that is restored from before them;
// their requests are as they were when they were claimed.
void fake_lose_attempts(struct fake_world *world, size_t from);
// Used by the node when bytes arrive: committed, as they are? The attempt's index, or SIZE_MAX.
size_t fake_committed(const struct fake_world *world, const uint8_t *raw, size_t len);
// What the attempt's transaction moves: the call of its calldata, with the trades of its request.
void fake_call_of(const struct fake_world *world, struct settle_call *call, size_t attempt);
// Reads the calldata of a transfer or a batch; false when it is neither. Trade ids are zero.
bool fake_call_read(struct settle_call *call, const struct chain_address *to, const uint8_t *data,
                    size_t len);
// The logs of a transaction of ours, an array, as its receipt has them.
json_t *fake_logs(struct fake_world *world, const struct fake_tx *tx);
// Asserts everything that must hold when nothing is under way.
void fake_check_end(const struct fake_world *world);

#endif
