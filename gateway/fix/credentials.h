// Credentials: is this the peer it says it is? Looks the CompID up in people.login (Postgres,
// asynchronous) and compares the password with its argon2id hash in a worker thread. Takes as long
// for an unknown CompID as for a wrong password.
//
// Threads: the loop's thread. Ownership: texts are copied and wiped after use.
#ifndef LONJA_GATEWAY_FIX_CREDENTIALS_H
#define LONJA_GATEWAY_FIX_CREDENTIALS_H

#include <stdint.h>

#include "base/assert.h"
#include "base/boot.h"
#include "gateway/common/loop.h"
#include "gateway/fix/shim.h"

enum verdict {
    VERDICT_GOOD,
    VERDICT_WRONG,       // unknown, disabled, or wrong user name or password: not told which
    VERDICT_NO_DATABASE, // nobody can be checked now
    VERDICT_BUSY,        // too many are being checked
};

struct credentials;
struct check;

// Exactly one call for each check, never from inside credentials_check. session_id is 0 if the
// CompID is not known; it is set for VERDICT_WRONG, too, if it is.
typedef void credentials_verdict(void *context, enum verdict verdict, uint32_t session_id);

CHECKED struct credentials *credentials_open(struct loop *loop, const struct config *config);
void credentials_close(struct credentials *credentials);
// NULL: VERDICT_BUSY, at once; the callback will not come.
struct check *credentials_check(struct credentials *credentials, const struct fix_text *comp_id,
                                const struct fix_text *user_name, const struct fix_text *password,
                                credentials_verdict *verdict, void *context);
// The callback will not be called: its client has left.
void credentials_forget(struct check *check);

#endif
