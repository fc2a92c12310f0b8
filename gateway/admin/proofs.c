// Custody proofs (F11): the custodian's document that says how many tokens there may be. One person
// records it, another verifies it; anybody who operates may revoke it. A waiver for a token, which
// takes the safeguard away, goes the same way. The tables only grow, and themselves refuse a second
// decision by the first person (schema/sql/deploy/custody_proof.sql). What a mint needs:
// settlement/settle_mint.h.
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "gateway/admin/hands.h"

enum { REFERENCE_BYTES_MAX = 200, WHOLE_DIGITS_MAX = 40, PART_DIGITS_MAX = 36 };

struct proof {
    int64_t token;
    int waives; // -1: not said
    const char *reference, *quantity, *expires_at, *reason;
    char hash[67]; // "" = none
};

static bool malformed(struct ask *ask, const char *what)
{
    ask_refuse_field(ask, REJECT_MALFORMED, what);
    return false;
}

static bool take_reference(struct ask *ask, struct proof *proof)
{
    if (!field_text(ask, &proof->reference, "custodian_reference", REQUIRED))
        return false;
    size_t bytes = strlen(proof->reference);
    bool blank = strspn(proof->reference, " \t\r\n") == bytes;
    return (!blank && bytes <= REFERENCE_BYTES_MAX) ||
           malformed(ask, "custodian_reference (1 to 200 bytes)");
}

// 0x and 64 hexadecimal digits, in lower case as the rows have them.
static bool take_hash(struct ask *ask, struct proof *proof)
{
    const char *text = NULL;
    if (!field_text(ask, &text, "proof_hash", proof->waives == 1 ? OPTIONAL : REQUIRED))
        return false;
    if (text == NULL)
        return true;
    if (strlen(text) != 66 || strncmp(text, "0x", 2) != 0 ||
        strspn(text + 2, "0123456789abcdefABCDEF") != 64)
        return malformed(ask, "proof_hash (0x and 64 hexadecimal digits)");
    for (size_t i = 0; i < 67; i++)
        proof->hash[i] = (char)tolower((unsigned char)text[i]);
    return true;
}

// Whole tokens, larger than any integer of ours: kept as text, for the database's exact numbers.
static bool take_quantity(struct ask *ask, struct proof *proof)
{
    if (!field_text(ask, &proof->quantity, "quantity", proof->waives == 1 ? OPTIONAL : REQUIRED))
        return false;
    if (proof->quantity == NULL)
        return true;
    size_t whole = strspn(proof->quantity, "0123456789");
    const char *rest = proof->quantity + whole;
    size_t part = rest[0] == '.' ? strspn(rest + 1, "0123456789") : 0;
    bool shaped = whole > 0 && whole <= WHOLE_DIGITS_MAX && part <= PART_DIGITS_MAX &&
                  rest[part > 0 ? part + 1 : 0] == '\0';
    if (!shaped || strpbrk(proof->quantity, "123456789") == NULL) {
        ask_refuse_field(ask, REJECT_BAD_NUMBER, "quantity");
        return false;
    }
    return true;
}

// Of UTC: a moment, or a day, at whose beginning it has ended.
static bool take_expiry(struct ask *ask, struct proof *proof)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"};
    if (!field_text(ask, &proof->expires_at, "expires_at", OPTIONAL))
        return false;
    if (proof->expires_at == NULL)
        return true;
    for (size_t i = 0; i < 2; i++) {
        struct tm parts = {0};
        const char *end = strptime(proof->expires_at, formats[i], &parts);
        if (end == NULL || *end != '\0')
            continue;
        int day = parts.tm_mday;
        time_t at = timegm(&parts);
        if (parts.tm_mday != day) // the 31st of February
            continue;
        return at > time(NULL) || malformed(ask, "expires_at (it is over)");
    }
    return malformed(ask, "expires_at (YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ, of UTC)");
}

static bool take_proof(struct ask *ask, struct proof *proof)
{
    *proof = (struct proof){.token = -1, .waives = -1};
    if (!hands_token(ask, &proof->token) || !field_bool(ask, &proof->waives, "waive", OPTIONAL))
        return false;
    if (proof->token < 0) {
        ask_refuse_field(ask, REJECT_MISSING_FIELD, "token");
        return false;
    }
    if (!take_reference(ask, proof) || !take_hash(ask, proof) || !take_quantity(ask, proof) ||
        !take_expiry(ask, proof))
        return false;
    if (proof->waives != 1)
        return json_object_get(ask->body, "reason") == NULL || malformed(ask, "reason (of a waiver)");
    return (proof->quantity == NULL || malformed(ask, "quantity (a waiver has none)")) &&
           field_reason(ask, &proof->reason);
}

// The same, of the same person, while nobody has decided: that is this one.
#define OF_PROOF                                                                                   \
    "token = $1 AND recorded_by = $7 AND (custodian_reference, proof_hash, quantity::numeric, "    \
    "expires_at, reason) IS NOT DISTINCT FROM ($2, $3, $4::text::numeric, "                        \
    "$5::text::timestamptz, $6) AND open"

void proof_handle(struct ask *ask)
{
    static const char *const names[] = {"token",      "custodian_reference", "proof_hash", "quantity",
                                        "expires_at", "waive",               "reason",     NULL};
    struct proof proof;
    bool failed;
    if (!fields_known(ask, names) || !take_proof(ask, &proof))
        return;
    const struct pg_param params[] = {pg_i64(proof.token),
                                      pg_text(proof.reference),
                                      pg_text(proof.hash[0] != '\0' ? proof.hash : NULL),
                                      pg_text(proof.quantity),
                                      pg_text(proof.expires_at),
                                      pg_text(proof.reason),
                                      pg_text(ask->who->name)};
    struct pg_rows *rows =
        hands_row(ask, &failed, "SELECT proof FROM chain.custody_proof_list WHERE " OF_PROOF " LIMIT 1",
                  params, 7);
    bool repeated = rows != NULL;
    if (rows == NULL && !failed)
        rows = hands_row(ask, &failed,
                         "INSERT INTO chain.custody_proof (token_asset, custodian_reference, "
                         "proof_hash, quantity, expires_at, reason, recorded_by) VALUES ($1, $2, $3, "
                         "$4::text::numeric, $5::text::timestamptz, $6, $7) RETURNING proof_id",
                         params, 7);
    if (rows == NULL)
        return;
    hands_tell(ask, "proof", pg_number(rows, 0, 0), "recorded", repeated);
    pg_rows_free(rows);
}

void proof_verify_handle(struct ask *ask)
{
    static const char *const names[] = {NULL};
    if (fields_known(ask, names) &&
        hands_is_another(ask, "SELECT FROM chain.custody_proof_list WHERE proof = $1 AND "
                              "lower(recorded_by) = lower($2) AND open"))
        hands_decide(ask, "proof", "valid", REJECT_PROOF,
                     "INSERT INTO chain.custody_proof_decision (proof_id, decision, decided_by) "
                     "SELECT proof, 'verified', $2 FROM chain.custody_proof_list WHERE proof = $1 AND "
                     "open RETURNING proof_id",
                     "SELECT proof_id FROM chain.custody_proof_decision WHERE proof_id = $1 AND "
                     "decision = 'verified' AND decided_by = $2 AND NOT EXISTS (SELECT FROM "
                     "chain.custody_proof_decision r WHERE r.proof_id = $1 AND r.decision = "
                     "'revoked')",
                     NULL);
}

// Of whatever state: what is only recorded is taken back by it.
void proof_revoke_handle(struct ask *ask)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    if (fields_known(ask, names) && field_reason(ask, &reason))
        hands_decide(ask, "proof", "revoked", REJECT_PROOF,
                     "INSERT INTO chain.custody_proof_decision (proof_id, decision, decided_by, "
                     "reason) SELECT proof, 'revoked', $2, $3 FROM chain.custody_proof_list WHERE "
                     "proof = $1 AND revoked_at IS NULL RETURNING proof_id",
                     "SELECT proof_id FROM chain.custody_proof_decision WHERE proof_id = $1 AND "
                     "decision = 'revoked' AND decided_by = $2",
                     reason);
}
