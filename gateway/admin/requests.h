// Ledger requests: what moves money or tokens by an operator's word, each under a text reference
// (people.ledger_request). Shared by ledger.c (postings), corrections.c and proposals.c.
//
// A direct request has source REF_ADMIN; its numbers reach the engine in order. One that is
// proposed waits for its approval, and nothing may overtake its number: until it is decided it has
// a source of its own, REQUEST_LANE_FIRST .. REQUEST_LANE_LAST, so that many of them may wait.
#ifndef LONJA_GATEWAY_ADMIN_REQUESTS_H
#define LONJA_GATEWAY_ADMIN_REQUESTS_H

#include "gateway/admin/admin.h"

enum { REQUEST_LANE_FIRST = 4, REQUEST_LANE_LAST = REF_XVP - 1 };
enum { REQUEST_KINDS = 9, REQUEST_CORRECTION = 8 }; // the others: enum posting_kind - 1

// Is the asset a stablecoin, and its contract proved?
enum stablecoin { STABLECOIN_NONE, STABLECOIN_ASKED, STABLECOIN_PROVED };

struct request_asset {
    int64_t id;
    unsigned scale;
    bool is_frozen; // a token in frozen custody
    enum stablecoin coin;
};

struct request {
    const char *reference, *note;
    int64_t number, source, kind, account, counter, asset, amount, hash, operator_id;
    bool is_frozen; // of its asset, as `coin`
    enum stablecoin coin;
    struct trade_correct_cmd correction; // of kind correction: its numbers
};

extern const char *const request_kinds[REQUEST_KINDS];

// The field `asset`, "USD" or 1. False: the answer is made.
CHECKED bool request_asset(struct ask *ask, struct request_asset *out);
// The answer to a reference that was used with other content.
void request_conflict(struct ask *ask, const char *reference);
// Closes the requests whose proposals were decided or have expired, and sends again what an earlier
// life left open. False: not possible now, the answer says why.
CHECKED bool requests_resolve(struct ask *ask);
// Writes a new request down, or one that was refused or withdrawn once more, with its number; false
// if the answer is made already: done before, waiting for approval, in conflict, no database.
CHECKED bool request_register(struct ask *ask, struct request *request);
// Sends a request that is registered and writes its outcome down; the answer is made.
void request_send(struct ask *ask, const struct request *request);
// Writes down how one ended; code 0 = done. False: the database cannot be asked now.
CHECKED bool request_close(struct ask *ask, int64_t number, uint64_t sequence, uint16_t code);

// Settlement tries or marks a trade only if no correction of it waits, and the record has got those
// that were done (ledger.c). False: not now, the answer says why.
CHECKED bool trade_is_not_corrected(struct ask *ask, int64_t trade);
// Is there a wallet to which something can go? False: no, or not known now; the answer is made.
CHECKED bool account_has_wallet(struct ask *ask, int64_t account);
// A deposit of a token in frozen custody: it is booked when the agent has frozen it (custody.c).
// The answer is made.
void custody_deposit(struct ask *ask, const struct request *request);
// Was it booked under its reference before the token came into custody? False: the answer is made.
CHECKED bool custody_deposited_before(struct ask *ask, const struct request *request, bool *before);

#endif
