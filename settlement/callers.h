// Who may ask the chain's service for what: a file of bearer tokens (settle.callers_file), one
// caller a line:
//
//   NAME TOKEN OPERATIONS        # operator 5f3c…9a *
//                                # platform 07e1…44 register_identity,mint,read
//
// NAME: letters, digits, '.', '_', '-', at most 32. TOKEN: 32 to 120 letters and digits.
// OPERATIONS:
// "*", or words of CALLERS_OPERATIONS with commas. Empty lines and what follows a '#' mean nothing.
// The file is looked at before each use and read again when it has changed; one that is absent or
// malformed lets nobody in. The tokens themselves are not kept, only their hashes, and looking one
// up takes the same time whichever is right.
//
// One thread.
#ifndef LONJA_SETTLEMENT_CALLERS_H
#define LONJA_SETTLEMENT_CALLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "chain/keccak.h"

#define CALLERS_OPERATIONS(O)                                                                      \
    O(READ, "read")                                                                                \
    O(TRANSFER, "transfer")                                                                        \
    O(MINT, "mint")                                                                                \
    O(BURN, "burn")                                                                                \
    O(FREEZE, "freeze")                                                                            \
    O(REGISTER_IDENTITY, "register_identity")                                                      \
    O(DEPLOY, "deploy")

#define CALLERS_ENUM(name, word) CALLER_##name,
enum caller_operation { CALLERS_OPERATIONS(CALLERS_ENUM) CALLER_OPERATION_COUNT };
#undef CALLERS_ENUM

enum { CALLERS_MAX = 32, CALLER_NAME_MAX = 33, CALLERS_ERROR_MAX = 160 };

struct caller {
    char name[CALLER_NAME_MAX];
    struct chain_hash token_hash;
    uint32_t operations; // bits of enum caller_operation
};

struct callers {
    const char *path;
    struct stat seen;
    bool looked_at;
    size_t count;
    struct caller list[CALLERS_MAX];
};

void callers_init(struct callers *callers, const char *path);
// The caller of this token, or -1.
CHECKED int callers_find(struct callers *callers, const char *token);
bool caller_may(const struct caller *caller, enum caller_operation operation);

// Reads the text of such a file. False, with what is wrong in `error` and nobody in the list.
CHECKED bool callers_parse(struct callers *callers, char *text, char error[CALLERS_ERROR_MAX]);

#endif
