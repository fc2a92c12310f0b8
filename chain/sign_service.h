/* One request to the signer, from packet to packet: wire format, policy, log, signature. No socket
 * and no clock of its own, so that a test drives it directly. One thread.
 */
#ifndef LONJA_CHAIN_SIGN_SERVICE_H
#define LONJA_CHAIN_SIGN_SERVICE_H

#include "base/clock.h"
#include "chain/sign_keys.h"
#include "chain/sign_log.h"
#include "chain/sign_policy.h"
#include "chain/sign_window.h"
#include "chain/signer_wire.h"

struct sign_service {
    const struct clock *clock;
    struct sign_policy_file *policy;
    struct sign_log *log;
    const struct sign_keys *keys;
    struct sign_windows windows;
    uint32_t turned_away; /* above the rate, since the last record of the log */
    uint64_t signed_count;
    uint64_t refused_count;
    uint8_t scratch[SIGNER_RAW_MAX];
};

/* Who asks, as the kernel says. */
struct sign_peer {
    uint32_t uid;
    uint32_t pid;
};

/* Answers the request packet `in` into `out` (SIGNER_WIRE_ANSWER_MAX bytes) and returns the
 * answer's length. *hang_up is set when the peer does not speak our language. One record per
 * request, except for the active key's address, which is no secret; and a log line per refusal. */
size_t sign_service_answer(struct sign_service *service, uint8_t *out, bool *hang_up,
                           const uint8_t *in, size_t in_len, const struct sign_peer *peer);

/* The answer to a request above the rate `limit`, which is not looked at: counted, not recorded,
 * for a flood must not fill the disk. */
size_t sign_service_turn_away(struct sign_service *service, uint8_t *out, const uint8_t *in,
                              size_t in_len, uint64_t limit);

/* Reads the policy again, whether or not it looks changed, and logs what came of it. */
void sign_service_reload(struct sign_service *service);

#endif
