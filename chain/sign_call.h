/* What a request asks for, decoded: a call of a method that the venue knows, in the one layout that
 * our encoders write; the creation of a contract; or the empty transfer of a key to itself, which
 * gives up a nonce. What is none of these is never signed, whatever the policy says.
 *
 * Allocates nothing; any thread.
 */
#ifndef LONJA_CHAIN_SIGN_CALL_H
#define LONJA_CHAIN_SIGN_CALL_H

#include "base/assert.h"
#include "chain/signer.h"

#include <stdbool.h>
#include <stdint.h>

enum sign_call_kind {
    SIGN_CALL_METHOD,
    SIGN_CALL_CREATE,
    SIGN_CALL_CANCEL,
};

struct sign_call {
    enum sign_call_kind kind;
    uint32_t selector;   /* of a METHOD */
    uint32_t transfers;  /* how many times units change hands, or are made or destroyed */
    chain_uint128 units; /* how many in all, in the token's smallest units; the largest number when
                            they do not fit */
};

/* `signer` is the key that shall sign. False when it is none of the above. The init code of a
 * CREATE is not looked at, and whether a METHOD is allowed is not asked. */
CHECKED bool sign_call_read(struct sign_call *out, const struct signer_request *request,
                            const struct chain_address *signer);

/* Whether the method changes the chain's state, and so may stand in a policy. */
bool sign_call_is_known(uint32_t selector);

#endif
