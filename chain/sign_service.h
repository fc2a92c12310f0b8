/* One request to the signer, from packet to packet: wire format, policy, log, signature. No socket
 * and no clock of its own, so that a test drives it directly. One thread.
 */
#ifndef LONJA_CHAIN_SIGN_SERVICE_H
#define LONJA_CHAIN_SIGN_SERVICE_H

#include "base/clock.h"
#include "chain/sign_log.h"
#include "chain/sign_policy.h"
#include "chain/signer_wire.h"

struct sign_service {
    const struct clock *clock;
    struct sign_policy_file *policy;
    struct sign_log *log;
    struct chain_address address;
    const uint8_t *key; /* TRANSACTION_KEY_BYTES, in memory that is locked and not dumped */
    uint64_t signed_count;
    uint64_t refused_count;
};

/* Answers the request packet `in` into `out` (SIGNER_WIRE_ANSWER_MAX bytes) and returns the
 * answer's length. *hang_up is set when the peer does not speak our language. One log line per
 * request. */
size_t sign_service_answer(struct sign_service *service, uint8_t *out, bool *hang_up,
                           const uint8_t *in, size_t in_len);

/* Reads the policy again, whether or not it looks changed, and logs what came of it. */
void sign_service_reload(struct sign_service *service);

#endif
