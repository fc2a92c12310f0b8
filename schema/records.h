// Records: every shape that crosses a process boundary, generated from records.def.
//
// A command is 1..16 contiguous slots of 64 bytes: a 40-byte header, a fixed body, and for some types a
// tail (client order id, list of accounts). An event is 128 bytes: a 40-byte header and a body. A snapshot
// record is 128 bytes: an 8-byte header and a body. All are little-endian, aligned to 8, without padding;
// reserved bytes are zero, so that equal records are equal bytes.
//
// `struct command` is a view: its storage is as long as header.slots says. Records read from a ring are
// first copied to private memory (a peer may write while we look) and then checked with command_check().
#ifndef LONJA_SCHEMA_RECORDS_H
#define LONJA_SCHEMA_RECORDS_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "schema/records.def"

enum {
    SCHEMA_VERSION = 3, // of every record below; part of the journal's and the tape's headers
    SLOT_BYTES = 64,
    COMMAND_SLOTS_MAX = 16,
    COMMAND_BYTES_MAX = SLOT_BYTES * COMMAND_SLOTS_MAX,
    COMMAND_HEADER_BYTES = 40,
    EVENT_BYTES = 128,
    EVENT_HEADER_BYTES = 40,
    SNAPSHOT_RECORD_BYTES = 128,
    CLIENT_ID_BYTES_MAX = 36,
    SYMBOL_BYTES_MAX = 16,
    SESSION_ACCOUNTS_MAX = (COMMAND_BYTES_MAX - COMMAND_HEADER_BYTES - 12) / 4,
};

// ---- vocabulary ------------------------------------------------------------------------------------

enum gateway_id { GATEWAY_CORE, GATEWAY_FIX, GATEWAY_WEB, GATEWAY_ADMIN, GATEWAY_SETTLE, GATEWAY_INDEX, GATEWAY_COUNT };
enum venue_state { VENUE_CANCEL_ONLY = 1, VENUE_OPEN = 2 };
enum side { SIDE_BUY = 1, SIDE_SELL = 2 };                 // FIX tag 54
enum order_type { // FIX tag 40; a trailing stop is P with ExecInst a
    ORDER_MARKET = 1,
    ORDER_LIMIT = 2,
    ORDER_STOP = 3, // stop_loss: market when triggered
    ORDER_STOP_LIMIT = 4,
    ORDER_TRAILING_STOP = 5, // a stop whose trigger follows the market
};
enum time_in_force { // FIX tag 59
    TIF_DAY = 0,
    TIF_GTC = 1,
    TIF_AT_OPEN = 2,
    TIF_IOC = 3,
    TIF_FOK = 4,
    TIF_GTD = 6,
    TIF_AT_CLOSE = 7,
};
enum order_flag { ORDER_CONFIRM_FAT_FINGER = 1, ORDER_CONFIRM_NAV = 2, ORDER_POST_ONLY = 4, ORDER_FLAGS_ALL = 7 };
enum order_state {
    ORDER_STATE_OPEN = 1,          // in the book (E4: open, partially_filled)
    ORDER_STATE_PENDING_STOP = 2,  // waits for its trigger (E4: pending_stop)
    ORDER_STATE_TRIGGERED = 3,     // waits for its turn to enter the book
    ORDER_STATE_PENDING_CLOSE = 4, // waits for the closing auction
};
enum stp_mode { // self-trade prevention: what the order that enters wants done
    STP_NONE = 0,
    STP_CANCEL_NEWEST = 1,
    STP_CANCEL_OLDEST = 2,
    STP_CANCEL_BOTH = 3,
    STP_DECREMENT = 4, // both lose the smaller of the two quantities
};
enum mass_scope {
    SCOPE_SESSION = 0, // what this session entered
    SCOPE_MEMBER = 1,  // what any session of its member entered; needs SESSION_MEMBER_SCOPE
    SCOPE_VENUE = 2,   // operators
};
enum trade_kind { TRADE_CONTINUOUS = 0, TRADE_AUCTION = 1 };
enum engine_work { // what a continue_work goes on with
    WORK_NONE = 0,
    WORK_EXPIRE = 1,   // dated orders whose time has come
    WORK_PHASE = 2,    // an instrument on its way to another phase
    WORK_TRIGGERED = 3, // stops that wait for their turn
    WORK_UNCOVER = 4,   // orders that hold what is not there any more
};
enum cancel_reason {
    CANCEL_BY_OWNER = 1,
    CANCEL_IOC = 2,        // the rest of an immediate-or-cancel or market order
    CANCEL_DISCONNECT = 3, // its session or gateway left
    CANCEL_BY_VENUE = 4,   // operator
    CANCEL_SUSPENDED = 5,  // account or member lost its right to trade
    CANCEL_MASS = 6,
    CANCEL_LIMIT = 7,      // the rest of an order that reached a bound: events per command, or of a balance
    CANCEL_BREAKER = 8,    // the rest of an order whose trade tripped the circuit breaker
    CANCEL_FOK = 9,        // fill or kill: it could not be filled
    CANCEL_MINIMUM = 10,   // its minimum quantity could not be had
    CANCEL_SELF_TRADE = 11, // self-trade prevention
    CANCEL_EXPIRED = 12,   // day or date is over
    CANCEL_AUCTION = 13,   // what an auction left of a market, at-open or at-close order
    CANCEL_AMENDED = 14,   // amended to no more than what is filled
    CANCEL_VOLATILITY = 15, // the rest of an immediate order when a volatility auction begins
    CANCEL_KILLED = 16,     // kill switch
    CANCEL_BAND = 17,       // the rest of an order that met a price band
    CANCEL_UNCOVERED = 18,  // what it held is not there any more, or may not be sold: deficit, failed settlement
};
enum asset_kind { ASSET_CASH = 1, ASSET_TOKEN = 2 };
enum token_status { TOKEN_DRAFT = 1, TOKEN_PRIMARY, TOKEN_SECONDARY, TOKEN_PAUSED, TOKEN_MATURED, TOKEN_DELISTED };
enum trading_mode { MODE_PRIMARY_SUBSCRIPTION = 1, MODE_FULL_ORDERBOOK, MODE_FIXED_PRICE_OTC };
enum market_phase { PHASE_CLOSED = 1, PHASE_PRE_OPEN, PHASE_OPENING_AUCTION, PHASE_CONTINUOUS, PHASE_VOLATILITY_AUCTION, PHASE_HALTED, PHASE_CLOSING_AUCTION };
enum instrument_flag { INSTRUMENT_SELL_UNSETTLED = 1, INSTRUMENT_NAV_REQUIRED = 2 };
enum kyc_status { KYC_NONE = 1, KYC_PENDING, KYC_IN_REVIEW, KYC_APPROVED, KYC_REJECTED };
enum accreditation { ACCREDITATION_RETAIL = 1, ACCREDITATION_PROFESSIONAL, ACCREDITATION_INSTITUTIONAL };
enum fatca_status { FATCA_CLEAR = 1, FATCA_BLOCKED = 2 };
enum account_flag { ACCOUNT_ACTIVATED = 1, ACCOUNT_HAS_WALLET = 2, ACCOUNT_SUSPENDED = 4, ACCOUNT_NO_LIMITS = 8 };
enum session_flag { SESSION_CANCEL_ON_DISCONNECT = 1, SESSION_DISABLED = 2, SESSION_MEMBER_SCOPE = 4 };
enum session_right { RIGHT_TRADE = 1, RIGHT_CANCEL = 2, RIGHT_SEE = 4, RIGHTS_ALL = 7 }; // of a session for one account
enum { SESSION_ACCOUNT_RIGHTS_SHIFT = 24 }; // session_set: number of an account | rights << 24; no rights named = all
enum limit_scope { LIMIT_MEMBER = 1, LIMIT_ACCOUNT = 2, LIMIT_SESSION = 3 };
enum limit_flag { LIMIT_STRICT_CONFIRM = 1, LIMIT_CUMULATIVE_INVESTMENT = 2 };
enum nav_stale_action { NAV_STALE_IGNORE = 0, NAV_STALE_CONFIRM = 1, NAV_STALE_REFUSE = 2 };
enum jurisdictions_mode { JURISDICTIONS_ANY = 0, JURISDICTIONS_ONLY = 1, JURISDICTIONS_EXCEPT = 2 };
enum kill_scope { KILL_ACCOUNT = 1, KILL_MEMBER = 2, KILL_SESSION = 3, KILL_VENUE = 4 };
enum venue_rule { VENUE_TWO_PERSONS = 1 };
enum proposal_decision { PROPOSAL_APPROVE = 1, PROPOSAL_WITHDRAW = 2 };
enum proposal_state { PROPOSAL_OPEN = 1, PROPOSAL_APPROVED = 2, PROPOSAL_WITHDRAWN = 3, PROPOSAL_FAILED = 4 };
enum venue_account {
    ACCOUNT_OUTSIDE = 1,  // the world: deposits come from it, withdrawals go to it; negative by design
    ACCOUNT_TREASURY = 2, // fees
    ACCOUNT_SUSPENSE = 3, // dust and what is being looked into
    ACCOUNT_DEFICIT = 4,  // what outside facts took and was not there; negative by the sum of all deficits
    ACCOUNT_CLEARING = 5, // settlement instructions pass through it within one command: always zero
    ACCOUNT_VENUE_MAX = 15,
};
enum posting_kind {
    POSTING_DEPOSIT = 1,    // outside -> account
    POSTING_WITHDRAWAL = 2, // account -> outside; refused above available - unsettled
    POSTING_CREDIT = 3,     // suspense -> account: manual adjustment
    POSTING_DEBIT = 4,      // account -> suspense: manual adjustment
    POSTING_TRANSFER = 5,   // account -> counter account; refused as a withdrawal
    POSTING_CHAIN_IN = 6,   // outside -> account: tokens came on the chain
    POSTING_CHAIN_OUT = 7,  // account -> outside: tokens have left on the chain; what is not there is a deficit
    POSTING_COVER = 8,      // account -> deficit: makes good what it lacked
};
enum xvp_action { XVP_APPROVE = 1, XVP_REVOKE = 2, XVP_EXECUTE = 3, XVP_CANCEL = 4, XVP_REVEAL = 5 };
enum xvp_flag { XVP_AUTO_EXECUTE = 1 }; // the last approval executes it
enum xvp_leg_kind { XVP_LOCAL = 1, XVP_EXTERNAL = 2 }; // external: on another ledger; no leg of the tail, see xvp_external_tail
enum xvp_claim { XVP_CLAIMED_FIRST = 1, XVP_CLAIMED_LAST = 2 }; // an external leg: before the local ones, or after them
enum xvp_lock { XVP_LOCK_ARMED = 1, XVP_LOCK_REVEALED = 2 };    // bits: all senders have approved once; the secret is public
enum xvp_state {
    XVP_CREATED = 1,   // nobody has approved
    XVP_APPROVING = 2, // some senders have
    XVP_APPROVED = 3,  // all have: it may be executed
    XVP_EXECUTED = 4,  // and from here on it is over
    XVP_CANCELLED = 5,
    XVP_EXPIRED = 6,
    XVP_SETTLING = 7, // its token is on its way to the chain: open, and nobody stops it any more
    XVP_ARMED = 8, // has a hash lock, and all have approved: its secret is awaited, or public
};
enum xvp_step {
    XVP_STEP_CREATED = 1,
    XVP_STEP_APPROVED = 2,
    XVP_STEP_REVOKED = 3,
    XVP_STEP_EXECUTED = 4,
    XVP_STEP_CANCELLED = 5,
    XVP_STEP_EXPIRED = 6,   // its cut-off has passed
    XVP_STEP_REFUSED = 7,   // all have approved, and it could not be executed: it stays open
    XVP_STEP_UNCOVERED = 8, // an approval falls away: what it held is not there any more, or may not be given
    XVP_STEP_SETTLING = 9,  // its token is to move on the chain; the xvp_moves follow
    XVP_STEP_RETURNED = 10, // the chain has not moved it, and will not: it may be executed again
    XVP_STEP_REVEALED = 11, // its secret is public: it is executed, or stays open until its cut-off
    XVP_STEP_VOTED = 12,    // a party wants to cancel what is armed
};
enum settlement_outcome {
    SETTLEMENT_SETTLED = 1,
    SETTLEMENT_FAILED = 2,
    SETTLEMENT_RETRIED = 3,      // failed -> unsettled again
    SETTLEMENT_XVP_EXECUTED = 4, // of an instruction that is settling: the chain has moved its token
    SETTLEMENT_XVP_RETURNED = 5, // … it has not, and will not
};
enum ref_source { REF_ADMIN = 1, REF_SETTLE = 2, REF_INDEX = 3, REF_XVP = 15, REF_SOURCE_MAX = 15 }; // 4..14: proposals that wait

#define FEE_BPS_DEFAULT UINT32_MAX

enum { TICK_BANDS_MAX = 32, SCHEDULE_ENTRIES_MAX = 16, JURISDICTIONS_MAX = 32, PROPOSAL_BYTES_MAX = 256, XVP_LEGS_MAX = 8, XVP_EXTERNALS_MAX = 4, XVP_SECRET_BYTES = 32 };
struct tick_band_tail { // tail of tick_table_set
    int64_t from_price;
    int64_t tick;
};
struct schedule_entry_tail { // tail of schedule_set
    uint32_t time_of_day_ms;
    uint8_t phase;
    uint8_t reserved[3];
};
struct xvp_leg_tail { // tail of xvp_create
    uint32_t from;
    uint32_t to;
    uint32_t asset;
    uint32_t kind; // enum xvp_leg_kind
    int64_t amount;
};
struct xvp_lock_tail { // then, if there are external legs
    uint8_t hash[XVP_SECRET_BYTES]; // SHA-256 of the secret
    uint64_t margin_ns;             // what is claimed first expires so much earlier than the other
};
struct xvp_external_tail { // and for each of them; what it moves is no matter of the venue's ledger
    uint64_t deadline_ns; // from then on it cannot be claimed on its ledger
    uint64_t claimed;     // enum xvp_claim
};

// ---- structs ---------------------------------------------------------------------------------------

#define RECORD_TYPE_u8(n)  uint8_t n
#define RECORD_TYPE_u16(n) uint16_t n
#define RECORD_TYPE_u32(n) uint32_t n
#define RECORD_TYPE_u64(n) uint64_t n
#define RECORD_TYPE_i64(n) int64_t n
#define RECORD_TYPE_c16(n) char n[16]
#define RECORD_TYPE_c36(n) char n[36]
#define RECORD_TYPE_h32(n) uint8_t n[32]
#define RECORD_TYPE_z1(n)  uint8_t n[1]
#define RECORD_TYPE_z2(n)  uint8_t n[2]
#define RECORD_TYPE_z3(n)  uint8_t n[3]
#define RECORD_TYPE_z4(n)  uint8_t n[4]
#define RECORD_MEMBER(type, name, doc) RECORD_TYPE_##type(name);

struct command_header {
    uint8_t slots;         // 1..16
    uint8_t type;          // enum command_type; 1 is a ring's padding
    uint8_t version;       // SCHEMA_VERSION
    uint8_t gateway;       // set by the core from the ring the command came by
    uint32_t incarnation;  // of the gateway process; set by the supervisor at its start
    uint64_t gateway_seq;  // 1, 2, 3 … per incarnation
    uint32_t session;      // who asks; 0 for a gateway's own commands
    uint32_t session_seq;  // FIX MsgSeqNum of the message; 0 elsewhere
    uint64_t sequence;     // stamped by the core
    uint64_t time_ns;      // stamped by the core: max(previous + 1, clock)
};
static_assert(sizeof(struct command_header) == COMMAND_HEADER_BYTES, "command header");

struct event_header {
    uint64_t sequence;    // of the command
    uint64_t time_ns;     // of the command
    uint32_t index;       // 0, 1, 2 … within the command
    uint8_t type;         // enum event_type
    uint8_t last;         // 1 on the command's last event
    uint8_t gateway;      // where the command came from
    uint8_t version;      // SCHEMA_VERSION
    uint32_t session;     // of the command
    uint32_t session_seq; // of the command
    uint64_t gateway_seq; // of the command: answers find their request by it
};
static_assert(sizeof(struct event_header) == EVENT_HEADER_BYTES, "event header");

struct snapshot_header {
    uint8_t type; // enum snapshot_type
    uint8_t version;
    uint8_t reserved[6];
};
static_assert(sizeof(struct snapshot_header) == 8, "snapshot header");

#define RECORD_STRUCT_COMMAND(number, name, fields, by, doc)                                       \
    struct name##_cmd {                                                                            \
        fields(RECORD_MEMBER)                                                                      \
    };
#define RECORD_STRUCT_EVENT(number, name, fields, doc)                                             \
    struct name##_evt {                                                                            \
        fields(RECORD_MEMBER)                                                                      \
    };
#define RECORD_STRUCT_SNAPSHOT(number, name, fields, doc)                                          \
    struct name##_rec {                                                                            \
        fields(RECORD_MEMBER)                                                                      \
    };
COMMANDS(RECORD_STRUCT_COMMAND)
EVENTS(RECORD_STRUCT_EVENT)
SNAPSHOT_RECORDS(RECORD_STRUCT_SNAPSHOT)

#define RECORD_ENUM_COMMAND(number, name, fields, by, doc) CMD_##name = number,
#define RECORD_ENUM_EVENT(number, name, fields, doc)       EVT_##name = number,
#define RECORD_ENUM_SNAPSHOT(number, name, fields, doc)    REC_##name = number,
enum command_type { CMD_padding = 1, COMMANDS(RECORD_ENUM_COMMAND) CMD_COUNT = 64 };
enum event_type { EVENTS(RECORD_ENUM_EVENT) EVT_COUNT = 64 };
enum snapshot_type { SNAPSHOT_RECORDS(RECORD_ENUM_SNAPSHOT) REC_COUNT = 34 };

#define RECORD_UNION_COMMAND(number, name, fields, by, doc) struct name##_cmd name;
#define RECORD_UNION_EVENT(number, name, fields, doc)       struct name##_evt name;
#define RECORD_UNION_SNAPSHOT(number, name, fields, doc)    struct name##_rec name;
struct command {
    struct command_header header;
    union {
        COMMANDS(RECORD_UNION_COMMAND)
        uint8_t bytes[COMMAND_BYTES_MAX - COMMAND_HEADER_BYTES];
    } body;
};
struct event {
    struct event_header header;
    union {
        EVENTS(RECORD_UNION_EVENT)
        uint8_t bytes[EVENT_BYTES - EVENT_HEADER_BYTES];
    } body;
};
struct snapshot_record {
    struct snapshot_header header;
    union {
        SNAPSHOT_RECORDS(RECORD_UNION_SNAPSHOT)
        uint8_t bytes[SNAPSHOT_RECORD_BYTES - 8];
    } body;
};
static_assert(sizeof(struct command) == COMMAND_BYTES_MAX, "command");
static_assert(sizeof(struct event) == EVENT_BYTES, "event");
static_assert(sizeof(struct snapshot_record) == SNAPSHOT_RECORD_BYTES, "snapshot record");

// ---- who may send what: the masks of the command rings -----------------------------------------------

enum {
    BY_CORE = 1u << GATEWAY_CORE,
    BY_FIX = 1u << GATEWAY_FIX,
    BY_WEB = 1u << GATEWAY_WEB,
    BY_ADMIN = 1u << GATEWAY_ADMIN,
    BY_SETTLE = 1u << GATEWAY_SETTLE,
    BY_INDEX = 1u << GATEWAY_INDEX,
    BY_TRADER = BY_FIX | BY_WEB,
    BY_ANY = BY_FIX | BY_WEB | BY_ADMIN | BY_SETTLE | BY_INDEX,
};

// True if `gateway` may send commands of `type`.
bool command_allowed(uint8_t gateway, uint8_t type);
// True if what it says is `gateway`'s to say: the indexer reports transfers on the chain under its own reference source,
// and trips a breaker; all else of these types is the operators'. (Others are bound by the type alone.)
bool command_content_allowed(uint8_t gateway, const struct command *command);

// ---- sizes, checks, names ------------------------------------------------------------------------------

// Bytes of header and fixed body; 0 for a type that does not exist.
size_t command_fixed_bytes(uint8_t type);
// Bytes of the variable tail that the body announces (client id, account list); reads the body, so the
// record must already be private memory. A body announcing more than fits returns SIZE_MAX.
size_t command_tail_bytes(const struct command *command);
// Slots a command of this type with this tail takes.
uint8_t command_slots(uint8_t type, size_t tail_bytes);
// True if type, version, slots, tail length and reserved bytes are as the schema has them.
bool command_check(const struct command *command);
// Start of the tail.
const char *command_tail(const struct command *command);
char *command_tail_writable(struct command *command);

const char *command_name(uint8_t type);  // "order_new", or "unknown"
const char *event_name(uint8_t type);
const char *snapshot_name(uint8_t type);

// One line of JSON for people and tools (journal dump, logs); returns the length that was needed, writes
// at most `size` bytes with a final NUL (as snprintf).
int command_dump(const struct command *command, char *out, size_t size);
int event_dump(const struct event *event, char *out, size_t size);
int snapshot_dump(const struct snapshot_record *record, char *out, size_t size);

// The reference of all records as Markdown, for docs/records.md.
void records_document(FILE *stream);

// ---- identities ------------------------------------------------------------------------------------------

// A trade is named by the place of its event. 2^20 events per command is a checked limit.
static inline uint64_t trade_id_of(uint64_t sequence, uint32_t index)
{
    return sequence << 20 | index;
}

// Copies text into a fixed field, zero filled. The caller has checked that it fits.
static inline void text_field_set(char *field, size_t field_bytes, const char *text, size_t text_bytes)
{
    assert(text_bytes <= field_bytes);
    memset(field, 0, field_bytes);
    memcpy(field, text, text_bytes);
}

#endif
