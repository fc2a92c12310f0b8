/* A compiled contract as Hardhat and Foundry write it: its creation code and what its constructor
 * takes. The file is given by path and read at run time; none is part of this repository (the
 * licence of T-REX is the GPL).
 *
 * Hardhat: {"contractName", "abi", "bytecode": "0x…", "linkReferences"}; Foundry: {"abi",
 * "bytecode": {"object": "0x…", "linkReferences"}}, named by its file. Code that is empty (an
 * interface), needs a library linked into it, or is above EIP-3860's limit is refused.
 *
 * No state: any thread.
 */
#ifndef LONJA_CHAIN_ARTIFACT_H
#define LONJA_CHAIN_ARTIFACT_H

#include "chain/abi_text.h"
#include "chain/keccak.h"

#define ARTIFACT_ERROR_MAX      256
#define ARTIFACT_NAME_MAX       64
#define ARTIFACT_FILE_BYTES_MAX (8 * 1024 * 1024)
#define ARTIFACT_INIT_CODE_MAX  49152 /* EIP-3860, arguments included */

struct artifact {
    char name[ARTIFACT_NAME_MAX];
    char constructor[512];       /* its types: "(address,string,uint8)"; "()" without one */
    struct chain_hash code_hash; /* Keccak-256 of `code`: what the signer's policy names */
    size_t code_len;
    uint8_t code[ARTIFACT_INIT_CODE_MAX];
};

/* False, with what is wrong in `error` and `out` unspecified, when the file cannot be used. */
__attribute__((warn_unused_result)) bool artifact_load(struct artifact *out, const char *path,
                                                       char error[ARTIFACT_ERROR_MAX]);

/* The constructor's arguments by its own types; see abi_text_arguments. */
__attribute__((warn_unused_result)) ssize_t artifact_arguments(uint8_t *out, size_t max,
                                                               const struct artifact *artifact,
                                                               const json_t *values,
                                                               char error[ABI_TEXT_ERROR_MAX]);

/* What a transaction without a receiver carries: the code, then the encoded arguments. Returns the
 * length, or -1 when it is longer than `max` or ARTIFACT_INIT_CODE_MAX. */
__attribute__((warn_unused_result)) ssize_t artifact_init_code(uint8_t *out, size_t max,
                                                               const struct artifact *artifact,
                                                               const uint8_t *arguments,
                                                               size_t arguments_len);

#endif
