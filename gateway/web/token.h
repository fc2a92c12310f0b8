// Tokens: what a login gives and every later request shows. 256 random bits as 64 hexadecimal
// digits; only the SHA-256 of it is kept, so that a look at this process's memory or a dump gives
// nobody a login. They live in this process: after its restart people log in again.
//
// One thread. At most TOKENS_MAX at a time, TOKENS_PER_SESSION_MAX of one session (the oldest
// goes).
#ifndef LONJA_GATEWAY_WEB_TOKEN_H
#define LONJA_GATEWAY_WEB_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

enum { TOKEN_TEXT_BYTES = 64, TOKENS_MAX = 65536, TOKENS_PER_SESSION_MAX = 16 };

struct tokens;

struct token {
    uint64_t number; // names this login without revealing it
    uint32_t session;
    uint32_t login;        // row of people.login
    int64_t login_version; // of that row when the password was checked
    uint64_t expires_ns;   // wall clock
};

CHECKED struct tokens *tokens_create(void);
void tokens_destroy(struct tokens *tokens);
// `of` says everything but the number. Returns false if there is no room (all TOKENS_MAX are
// alive).
CHECKED bool tokens_issue(struct tokens *tokens, char text[TOKEN_TEXT_BYTES + 1],
                          const struct token *of, uint64_t now_ns);
// False: unknown or expired.
bool tokens_find(const struct tokens *tokens, struct token *out, const char *text, size_t bytes,
                 uint64_t now_ns);
void tokens_revoke(struct tokens *tokens, uint64_t number);
// A token of this login that was issued for another version of its row; 0 = none.
uint64_t tokens_stale(const struct tokens *tokens, uint32_t login, int64_t login_version);

#endif
