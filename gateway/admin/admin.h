// The parts of lonja-admin and what they share.
//
//   http.h ─► route.c ─► worker thread: one of the handlers ─► route.c ─► http.h
//                          │  people.c market.c matching.c limits.c controls.c switches.c
//                          │  ledger.c custody.c stablecoin.c corrections.c proposals.c login.c read.c
//                          │  alerts.c settlement.c hands.c proofs.c xvp.c xvp_lock.c
//                          ├─ blocking Postgres (short timeouts)
//                          └─ desk.h: commands to the core, reads of the view
//
// One worker carries out one request after the other, so that references reach the engine in order.
// The loop's thread never waits for it, nor for Postgres.
#ifndef LONJA_GATEWAY_ADMIN_ADMIN_H
#define LONJA_GATEWAY_ADMIN_ADMIN_H

#include <jansson.h>

#include "base/pg.h"
#include "gateway/admin/desk.h"
#include "gateway/common/http.h"
#include "gateway/common/pages.h"
#include "gateway/common/workers.h"
#include "schema/rejects.h"

enum { ADMIN_TOKEN_TEXT_BYTES = 64, ADMIN_TOKENS_MAX = 256, AUDITS_WAITING_MAX = 1000 };

enum role { ROLE_NOBODY, ROLE_AUDITOR, ROLE_OPERATOR, ROLE_ADMINISTRATOR };
const char *role_text(enum role role);

struct admin_token {
    char text[ADMIN_TOKEN_TEXT_BYTES + 1]; // "" = free
    int64_t login;
    enum role role;
    char name[65];
    uint64_t expires_ns; // monotone
};

struct admin {
    const struct boot *boot;
    struct loop *loop;
    struct http_server *http;
    struct pages *pages;     // NULL: they could not be read
    struct workers *workers; // one thread
    struct desk *desk;
    _Atomic bool stopping; // by the loop; the worker looks
    // the worker's own:
    struct pg *pg;
    struct admin_token tokens[ADMIN_TOKENS_MAX];
    uint64_t failed_logins_since_ns;
    unsigned failed_logins;
    _Atomic bool first_login_made; // by the worker; the loop looks
    json_t *audits_waiting;        // entries that the database could not take yet
};

// A call that is proposed instead of carried out (proposals.c): its command travels in a propose.
struct proposing {
    uint8_t type;   // of its command
    int64_t number; // of its ledger request; 0 = it has none
};

// One request on its way through the worker.
struct ask {
    struct admin *admin;
    uint64_t http_id;
    const struct route *route;
    struct proposing *proposing; // NULL = carried out
    char path[HTTP_PATH_BYTES_MAX];
    char bearer[HTTP_BEARER_BYTES_MAX];
    char account_argument[24], limit_argument[24];
    char detector_argument[24], member_argument[24], instrument_argument[24], since_argument[40],
        status_argument[16], token_argument[24], trade_argument[24];
    uint64_t id;  // number in the path, 0 = none
    json_t *body; // an object; NULL for GET
    // who asks:
    const struct admin_token *who; // &token, or NULL
    struct admin_token token;
    // the answer:
    unsigned status;
    json_t *answer;
    uint64_t sequence; // of the command
};

// ---- answers (route.c)

void ask_done(struct ask *ask, json_t *answer); // 200; takes the reference over
void ask_refuse(struct ask *ask, uint16_t code, int64_t limit, int64_t value, int64_t argument);
void ask_refuse_field(struct ask *ask, uint16_t code, const char *field);
// The same with words of its own in the place of the catalogue's text. Always returns false.
bool ask_refuse_text(struct ask *ask, uint16_t code, const char *text);
// Names the field of the record that a refusal of `code` numbers (from 1); no-op for others.
void ask_name_field(struct ask *ask, const struct desk_answer *answer, uint16_t code,
                    const char *const *names, size_t count);
// The outcome of a failed statement. Always returns false.
bool ask_database_failed(struct ask *ask);
// Commits what the durable command was about, and names its id in the answer.
void ask_commit(struct ask *ask, const char *name, int64_t id);
// Sends a command; true = done and durable (sequence and events are in *answer), else the answer is
// made.
CHECKED bool ask_command(struct ask *ask, struct desk_answer *answer, uint8_t type,
                         const void *body, size_t body_bytes, const void *tail, size_t tail_bytes);
// {"sequence": …, "events": […]}
json_t *answer_json(const struct desk_answer *answer);

// ---- fields of the body (fields.c)
// ------------------------------------------------------------------------- Each returns false
// after answering with the field's fault. A field that is absent or null leaves *out as it is,
// unless it is required.

// Arguments of a GET ("" = absent: *out stays as it is); likewise.
CHECKED bool argument_number(struct ask *ask, int64_t *out, const char *text, const char *name,
                             int64_t max);
CHECKED bool argument_word(struct ask *ask, const char **out, const char *text, const char *name,
                           const char *const *words, size_t count);
// One that was not given (below zero) as NULL.
static inline struct pg_param argument_param(int64_t value)
{
    return value >= 0 ? pg_i64(value) : pg_null();
}

enum need { OPTIONAL, REQUIRED };
// Of the chain: not zero, and with its EIP-55 checksum, so that a mistyped digit is noticed here.
CHECKED bool field_address(struct ask *ask, const char **out, const char *name, enum need need);
CHECKED bool field_text(struct ask *ask, const char **out, const char *name, enum need need);
// Why something is done by hand, required: not blank, and of a length that people read (hands.c).
CHECKED bool field_reason(struct ask *ask, const char **reason);
CHECKED bool field_number(struct ask *ask, int64_t *out, const char *name, int64_t min, int64_t max,
                          enum need need);
CHECKED bool field_bool(struct ask *ask, int *out, const char *name,
                        enum need need); // -1 stays = absent
// A decimal as text ("100.25") or a whole JSON number, in units of 10^-scale.
CHECKED bool field_decimal(struct ask *ask, int64_t *out, const char *name, unsigned scale,
                           enum need need);
// 2026-11-20T08:15:00Z, or a day, its first moment; ns since 1970.
CHECKED bool time_of(int64_t *out, const char *text);
CHECKED bool field_time(struct ask *ask, int64_t *out, const char *name, enum need need);
// One of `words`; *out is its place, from 0.
CHECKED bool field_word(struct ask *ask, int64_t *out, const char *name, const char *const *words,
                        size_t count, enum need need);
// A list of at most `max` elements; NULL after refusing.
json_t *field_list(struct ask *ask, const char *name, size_t max);
// Reads an object of a list as if it were the body.
typedef bool entry_reader(struct ask *ask, void *out);
CHECKED bool field_entry(struct ask *ask, json_t *entry, const char *name, entry_reader *read,
                         void *out);
// A list of words: *bits has bit i for words[i].
CHECKED bool field_word_set(struct ask *ask, uint8_t *bits, const char *name,
                            const char *const *words, size_t count);
// The number in the path is an id; `unknown` is the refusal if it is too large to be one.
CHECKED bool id_in_path(struct ask *ask, uint16_t unknown);
CHECKED bool instrument_in_path(struct ask *ask);
// Refuses names that are not in the list (ended by NULL): a misspelt field must not be ignored.
// Waits a little until the record has what is durable; refuses if it has not.
CHECKED bool record_is_current(struct ask *ask);
CHECKED bool fields_known(struct ask *ask, const char *const *names);
#define WORDS(list) list, sizeof list / sizeof list[0]
extern const char *const token_status_words[6], *const trading_mode_words[3],
                                                    *const phase_words[7]; // value - 1 of the enums

// ---- handlers

typedef void handler(struct ask *ask);
handler login_handle, logout_handle;
handler member_handle, account_handle, session_handle, login_set_handle;
handler asset_handle, instrument_handle, nav_handle, reference_handle, breaker_handle, phase_handle,
    venue_handle;
handler rules_handle, tick_table_handle, schedule_handle, mass_cancel_handle, instrument_read;
handler limits_handle, limits_read, fees_handle;
handler controls_handle, controls_read, jurisdictions_handle, jurisdictions_read;
handler kill_handle, unkill_handle, venue_rules_handle, venue_rules_read;
handler ledger_handle, deposit_handle, withdrawal_handle, credit_handle, debit_handle, retry_handle;
handler transfer_handle, chain_in_handle, chain_out_handle, cover_handle;
handler correct_handle, bust_handle;
handler proposal_handle, approve_handle, withdraw_handle;
handler health_handle, venue_read, balances_read, rows_read;
handler alerts_read, alert_close_handle;
handler settlement_trades_read, settlement_trade_read;
handler hold_handle, release_handle, mark_handle, mark_approve_handle, mark_withdraw_handle;
handler abandon_handle, abandon_approve_handle, abandon_withdraw_handle;
handler incident_close_handle, incident_approve_handle, incident_withdraw_handle;
handler custody_handle;
handler proof_handle, proof_verify_handle, proof_revoke_handle;
handler unmatched_return_handle, unmatched_keep_handle, payout_decide_handle;
handler xvp_handle, xvp_execute_handle, xvp_cancel_handle, xvp_reveal_handle, xvp_read;

// Wraps the command of a proposed call (called by ask_command).
CHECKED bool proposal_command(struct ask *ask, struct desk_answer *answer, uint8_t type,
                              const void *body, size_t body_bytes, const void *tail,
                              size_t tail_bytes);
// The text of a refusal that wants two persons says how to propose the same call.
void proposal_hint(struct ask *ask);

// Login and tokens (login.c). NULL: unknown or expired.
struct admin_token *token_find(struct admin *admin, const char *text);
// Ends every login of this name.
void tokens_revoke(struct admin *admin, const char *name);
// Makes the first administrator if there is none (see README.md).
void first_login_make(struct admin *admin);
// What was done, by whom, with what outcome (audit.c).
void audit_write(struct ask *ask);
void audit_flush(struct admin *admin); // what waits, if the database takes it

// GET handlers that are one statement: its rows as a JSON array (read.c).
struct route {
    enum http_method method;
    const char *path; // '#' stands for a number
    enum role role;
    handler *handle;
    const char *sql; // of rows_read
};

CHECKED bool route_open(struct admin *admin); // opens the port
#define API_ROOT   "/api/v1"
#define ADMIN_ROOT API_ROOT "/admin"
// NULL: there is none. *id is the number in the path.
const struct route *route_find(enum http_method method, const char *path, uint64_t *id);

#endif
