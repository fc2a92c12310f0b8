/* What lonja-sign may sign: one chain, caps on gas and fees, a list of {contract, method}, and the
 * contracts that may be created. Value is always zero: a request cannot even say another.
 *
 * The file is JSON, every member needed but those said to be optional, and none else allowed:
 *
 *   { "chain_id": 31337, "gas_limit_max": 16777216, "max_fee_wei_max": 500000000000,
 *     "allow": [ { "contract": "0x…", "methods": ["forcedTransfer", "batchForcedTransfer"] } ],
 *     "create": [ { "name": "IdentityRegistry", "code_hash": "0x…", "code_length": 12345 } ],
 *     "caps": [ { "contract": "0x…", "window_s": 3600, "units_max": "1000000", "transfers_max": 500
 * } ]
 *   }
 *
 * create (optional; nothing may be created without it): init code that begins with code_length
 * bytes of that Keccak-256; what follows are the constructor's arguments, whole words of 32 bytes.
 * caps (optional): what may be signed for a token within any window_s seconds, transfers, mints and
 * burns together: units, a decimal number as text, and how many, each leg of a batch counting. One
 * of the two may be missing; a token may have several caps, an hour's and a day's.
 * Where `transfer` is allowed, which pays out of the key's own wallet, a cap with units_max must
 * stand for that contract.
 * Always allowed, within the caps, is the empty transfer of the key to itself: it moves nothing and
 * gives up a nonce; its fee may be twice max_fee_wei_max, to be above what stands there at the cap.
 *
 * It is read again when it changes (looked at before each request) or on demand. While it cannot be
 * read, everything is refused: a custodian's signer fails closed. Write it anew and rename it into
 * place, so that it is never seen half written. One thread.
 */
#ifndef LONJA_CHAIN_SIGN_POLICY_H
#define LONJA_CHAIN_SIGN_POLICY_H

#include "base/assert.h"
#include "chain/sign_call.h"
#include "chain/signer.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

#define SIGN_POLICY_RULES_MAX   4096
#define SIGN_POLICY_CREATES_MAX 32
#define SIGN_POLICY_CAPS_MAX    1024
#define SIGN_POLICY_WINDOW_MAX  (366 * 86400) /* seconds */
#define SIGN_POLICY_ERROR_MAX   160

struct sign_rule {
    struct chain_address contract;
    uint32_t selector;
};

struct sign_creation {
    struct chain_hash code_hash;
    uint32_t code_length;
};

struct sign_cap {
    struct chain_address contract;
    uint32_t window_s;
    chain_uint128 units_max;
    uint64_t transfers_max;
};

struct sign_policy {
    uint64_t chain_id;
    uint64_t gas_limit_max;
    uint64_t max_fee_wei_max;
    size_t rule_count;
    struct sign_rule rules[SIGN_POLICY_RULES_MAX]; /* sorted */
    size_t create_count;
    struct sign_creation creates[SIGN_POLICY_CREATES_MAX];
    size_t cap_count;
    struct sign_cap caps[SIGN_POLICY_CAPS_MAX];
};

/* False, with what is wrong in `error`, when the text is no policy; `out` is then unspecified. */
CHECKED bool sign_policy_parse(struct sign_policy *out, const char *json, size_t len,
                               char error[SIGN_POLICY_ERROR_MAX]);

/* SIGNER_OK, and what the request asks for in `call`; or why not, and by which limit in `bound`
 * (zero where it is no limit's). `signer` is the key that shall sign. */
CHECKED enum signer_result sign_policy_check(const struct sign_policy *policy,
                                             struct sign_call *call, struct signer_bound *bound,
                                             const struct signer_request *request,
                                             const struct chain_address *signer);

struct sign_policy_file {
    const char *path;
    bool readable;
    bool looked_at;
    bool there;
    struct stat seen;
    char error[SIGN_POLICY_ERROR_MAX]; /* when not readable */
    struct sign_policy policy;
};

void sign_policy_file_init(struct sign_policy_file *file, const char *path);
/* Reads the file when it is another than the one last seen, or if `forced`. Returns true when it
 * was read or could not be, so that the caller logs it once. */
bool sign_policy_file_refresh(struct sign_policy_file *file, bool forced);

#endif
