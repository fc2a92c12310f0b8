// Why the chain's service refuses a request, and fields of a JSON body read with such an answer.
//
// A refusal is a stable word with an HTTP status, the field it is about, a text in plain words,
// and, where there are, the limit and the value seen. Words are never renamed. Any thread; the
// caller owns everything.
#ifndef LONJA_SETTLEMENT_REFUSAL_H
#define LONJA_SETTLEMENT_REFUSAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "chain/address.h"

// R(NAME, word, HTTP status, text that stands where the place gives none)
#define REFUSALS(R)                                                                                \
    R(MALFORMED, "malformed", 400, "the body is no JSON object")                                   \
    R(MISSING_FIELD, "missing_field", 400, "the field is needed")                                  \
    R(UNKNOWN_FIELD, "unknown_field", 400, "no such field here")                                   \
    R(FIELD_MALFORMED, "field_malformed", 400, "the field is malformed")                           \
    R(KEY_MISSING, "key_missing", 400,                                                             \
      "an idempotency key is needed: the header Idempotency-Key, or the field idempotency_key")    \
    R(KEY_CONFLICT, "key_conflict", 409, "this key came before with another content")              \
    R(NOT_AUTHORISED, "not_authorised", 401, "no bearer token, or one that is not known")          \
    R(NOT_ALLOWED, "not_allowed", 403, "this caller may not do that")                              \
    R(NOT_FOUND, "not_found", 404, "there is no such thing")                                       \
    R(LENGTH_REQUIRED, "length_required", 411, "Content-Length is needed, and no chunks")          \
    R(TOO_LARGE, "too_large", 413, "the body is too long")                                         \
    R(TOO_MANY_REQUESTS, "too_many_requests", 429, "too many requests in a second")                \
    R(ADDRESS_MALFORMED, "address_malformed", 422, "no address of 20 bytes")                       \
    R(ADDRESS_NOT_CHECKSUMMED, "address_not_checksummed", 422,                                     \
      "the address does not carry the checksum of EIP-55")                                         \
    R(ADDRESS_ZERO, "address_zero", 422, "the zero address")                                       \
    R(WRONG_CHAIN, "wrong_chain", 422, "of another chain than this service's")                     \
    R(UNKNOWN_TOKEN, "unknown_token", 422, "the venue has no token at this address")               \
    R(NO_CONTRACT, "no_contract", 422, "there is no contract at this address")                     \
    R(AMOUNT_MALFORMED, "amount_malformed", 422, "no decimal number, as text")                     \
    R(AMOUNT_NOT_POSITIVE, "amount_not_positive", 422, "the amount is not above zero")             \
    R(AMOUNT_NOT_REPRESENTABLE, "amount_not_representable", 422,                                   \
      "more digits behind the point than the token has decimals")                                  \
    R(AMOUNT_TOO_LARGE, "amount_too_large", 422,                                                   \
      "amount × 10^decimals is above 128 bits, which the venue keeps amounts in")                  \
    R(SUPPLY_EXCEEDED, "supply_exceeded", 422, "the token would have more than its total supply")  \
    R(PROOF_MISSING, "custody_proof_missing", 422,                                                 \
      "no custody proof of the token is valid; value: how many tokens there would be")             \
    R(PROOF_EXPIRED, "custody_proof_expired", 422, "the token's custody proof has expired")        \
    R(PROOF_EXCEEDED, "custody_proof_exceeded", 422,                                               \
      "there would be more tokens than its custody proof covers")                                  \
    R(FLOW_NOT_ALLOWED, "flow_not_allowed", 422, "this operation is not for such a flow")          \
    R(FLOW_UNKNOWN, "flow_unknown", 404, "there is no such flow")                                  \
    R(FLOW_DIFFERS, "flow_differs", 409, "the flow names something else")                          \
    R(APPROVALS_MISSING, "approvals_missing", 422, "an exception needs two persons")               \
    R(REGISTERED_DIFFERENTLY, "registered_differently", 409,                                       \
      "the wallet is registered with another identity or country")                                 \
    R(TOKEN_NOT_DRAFT, "token_not_draft", 409, "only a draft is deployed")                         \
    R(DEPLOYMENT_EXISTS, "deployment_exists", 409, "the asset has a deployment already")           \
    R(TERMS_DIFFER, "terms_differ", 409, "the terms are not those of the draft")                   \
    R(ARTIFACT_UNUSABLE, "artifact_unusable", 422, "the compiled contract cannot be used")         \
    R(STATE_CONFLICT, "state_conflict", 409, "its state does not allow that")                      \
    R(STEP_OPEN, "step_open", 409, "the fate of a transaction is not known yet")                   \
    R(OVERLOADED, "overloaded", 503, "too many requests wait")                                     \
    R(DATABASE_UNAVAILABLE, "database_unavailable", 503, "the database cannot be used now")        \
    R(NODE_UNAVAILABLE, "node_unavailable", 503, "no node of the chain answers now")               \
    R(SIGNER_UNKNOWN, "signer_unknown", 503, "the worker has not heard of a signer yet")           \
    R(SHUTTING_DOWN, "shutting_down", 503, "the service is stopping")

#define REFUSAL_ENUM(name, word, status, text) REFUSAL_##name,
enum refusal_name { REFUSALS(REFUSAL_ENUM) REFUSAL_COUNT };
#undef REFUSAL_ENUM

enum { REFUSAL_FIELD_MAX = 64, REFUSAL_TEXT_MAX = 320, REFUSAL_VALUE_MAX = 80 };

struct refusal {
    enum refusal_name name;
    char field[REFUSAL_FIELD_MAX]; // "" = of none
    char text[REFUSAL_TEXT_MAX];
    char limit[REFUSAL_VALUE_MAX]; // "" = none
    char value[REFUSAL_VALUE_MAX];
};

unsigned refusal_status(const struct refusal *refusal);
const char *refusal_word(enum refusal_name name);
// {"error": {"name", "text", "field", "limit", "value"}}; a new reference.
json_t *refusal_json(const struct refusal *refusal);

// Each fills *out and returns false, for `return refuse(…)`. `field` may be NULL.
bool refuse(struct refusal *out, enum refusal_name name, const char *field);
bool refuse_text(struct refusal *out, enum refusal_name name, const char *field, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));
bool refuse_limit(struct refusal *out, enum refusal_name name, const char *field, const char *limit,
                  const char *value);

// ---- fields: each returns false after refusing. An OPTIONAL field that is absent or null leaves
// *out as it is.

enum fields_need { FIELDS_OPTIONAL, FIELDS_REQUIRED };

struct fields {
    json_t *object;
    struct refusal *refusal;
};

// Refuses names that are not in the list (ended by NULL): a misspelt field must not be ignored.
CHECKED bool fields_known(const struct fields *fields, const char *const *names);
// Without control characters and NUL, of `min` to `max` bytes.
CHECKED bool fields_text(const struct fields *fields, const char **out, const char *name,
                         size_t min, size_t max, enum fields_need need);
CHECKED bool fields_number(const struct fields *fields, int64_t *out, const char *name, int64_t min,
                           int64_t max, enum fields_need need);
CHECKED bool fields_bool(const struct fields *fields, bool *out, const char *name,
                         enum fields_need need);
// EIP-55: the checksum is needed. Never the zero address.
CHECKED bool fields_address(const struct fields *fields, struct chain_address *out,
                            const char *name, enum fields_need need);
CHECKED bool fields_object(const struct fields *fields, json_t **out, const char *name,
                           enum fields_need need);
CHECKED bool fields_list(const struct fields *fields, json_t **out, const char *name, size_t max,
                         enum fields_need need);
// One element of a list; `name` is the list's.
CHECKED bool fields_element_address(const struct fields *fields, struct chain_address *out,
                                    const json_t *element, const char *name);

#endif
