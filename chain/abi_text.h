/* The contract ABI by signature: calldata and constructor arguments whose shape is data, with JSON
 * values, for what is called rarely (the set-up of contracts). What settlement sends by the
 * thousand has encoders of its own (erc3643.h).
 *
 * Types: address, bool, string, bytes, bytes1…bytes32, uint8…uint256, int8…int256 under their
 * canonical names, arrays "T[]" and "T[3]", tuples "(T,U)", nested up to ABI_TEXT_DEPTH_MAX.
 * Values: a JSON array per list, tuple or array; addresses as text (EIP-55: mixed case carries its
 * checksum); numbers as text of decimal digits or as JSON integers; bytes as "0x…".
 *
 * No allocation, no state: any thread. `error` says in words what was refused.
 */
#ifndef LONJA_CHAIN_ABI_TEXT_H
#define LONJA_CHAIN_ABI_TEXT_H

#include "chain/abi.h"

#include <jansson.h>

#define ABI_TEXT_ERROR_MAX 160
#define ABI_TEXT_DEPTH_MAX 16

/* Writes the encoding of `values`, a JSON array, as the list `types`: "(address,uint8)". Returns
 * the length, or -1 with `error` written. */
__attribute__((warn_unused_result)) ssize_t abi_text_arguments(uint8_t *out, size_t max,
                                                               const char *types,
                                                               const json_t *values,
                                                               char error[ABI_TEXT_ERROR_MAX]);

/* The same behind the selector of "addModule(address)". */
__attribute__((warn_unused_result)) ssize_t abi_text_call(uint8_t *out, size_t max,
                                                          const char *signature,
                                                          const json_t *values,
                                                          char error[ABI_TEXT_ERROR_MAX]);

#endif
