/* What lonja-sign may sign: one chain, caps on gas and fees, and a list of {contract, method}.
 * Value is always zero: a request cannot even say another.
 *
 * The file is JSON, every member needed and none else allowed:
 *
 *   { "chain_id": 31337, "gas_limit_max": 16777216, "max_fee_wei_max": 500000000000,
 *     "allow": [ { "contract": "0x…", "methods": ["forcedTransfer", "batchForcedTransfer"] } ] }
 *
 * It is read again when it changes (looked at before each request) or on demand. While it cannot be
 * read, everything is refused: a custodian's signer fails closed. Write it anew and rename it into
 * place, so that it is never seen half written. One thread.
 */
#ifndef LONJA_CHAIN_SIGN_POLICY_H
#define LONJA_CHAIN_SIGN_POLICY_H

#include "base/assert.h"
#include "chain/signer.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#define SIGN_POLICY_RULES_MAX 4096
#define SIGN_POLICY_ERROR_MAX 160

struct sign_rule {
    struct chain_address contract;
    uint32_t selector;
};

struct sign_policy {
    uint64_t chain_id;
    uint64_t gas_limit_max;
    uint64_t max_fee_wei_max;
    size_t rule_count;
    struct sign_rule rules[SIGN_POLICY_RULES_MAX];
};

/* False, with what is wrong in `error`, when the text is no policy; `out` is then unspecified. */
CHECKED bool sign_policy_parse(struct sign_policy *out, const char *json, size_t len,
                               char error[SIGN_POLICY_ERROR_MAX]);

/* SIGNER_OK or why not. Decodes the calldata: its shape must be its method's, batches included. */
CHECKED enum signer_result sign_policy_check(const struct sign_policy *policy,
                                             const struct signer_request *request);

struct sign_policy_file {
    const char *path;
    bool readable;
    bool looked_at;
    struct stat seen;
    char error[SIGN_POLICY_ERROR_MAX]; /* when not readable */
    struct sign_policy policy;
};

void sign_policy_file_init(struct sign_policy_file *file, const char *path);
/* Reads the file when it is another than the one last seen, or if `forced`. Returns true when it
 * was read or could not be, so that the caller logs it once. */
bool sign_policy_file_refresh(struct sign_policy_file *file, bool forced);

#endif
