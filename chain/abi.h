/* The contract ABI, as far as the venue needs it: calls with static words and dynamic arrays of
 * words, answers of single words, and the reason of a revert.
 *
 * A call is written head first: abi_call_begin with the number of arguments, then one abi_* per
 * argument in order; arrays go to the tail by themselves, in that order. A writer that overflows or
 * is given more arguments than announced fails at abi_call_end.
 *
 * Amounts are 128 bits wide; a word above that is refused by abi_word_u128, never cut.
 * No allocation: any thread.
 */
#ifndef LONJA_CHAIN_ABI_H
#define LONJA_CHAIN_ABI_H

#include "chain/address.h"
#include "chain/hex.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ABI_WORD_BYTES     32
#define ABI_SELECTOR_BYTES 4

struct abi_word {
    uint8_t bytes[ABI_WORD_BYTES];
};

struct abi_word abi_from_u128(chain_uint128 value);
struct abi_word abi_from_address(const struct chain_address *address);

/* False when the upper bits that the type does not have are set. */
__attribute__((warn_unused_result)) bool abi_word_u128(chain_uint128 *out,
                                                       const struct abi_word *word);
__attribute__((warn_unused_result)) bool abi_word_address(struct chain_address *out,
                                                          const struct abi_word *word);
__attribute__((warn_unused_result)) bool abi_word_bool(bool *out, const struct abi_word *word);
/* Word number `index` of an answer of `len` bytes; false when the answer is shorter. */
__attribute__((warn_unused_result)) bool
abi_answer_word(struct abi_word *out, const uint8_t *answer, size_t len, size_t index);

struct abi_call {
    uint8_t *out;
    size_t max;
    size_t head; /* where the next argument's word goes */
    size_t head_end;
    size_t tail; /* where the next array goes, and the length so far */
    bool failed;
};

void abi_call_begin(struct abi_call *call, uint8_t *out, size_t max, uint32_t selector,
                    size_t arguments);
void abi_address(struct abi_call *call, const struct chain_address *address);
void abi_u128(struct abi_call *call, chain_uint128 value);
void abi_address_array(struct abi_call *call, const struct chain_address *addresses, size_t count);
void abi_u128_array(struct abi_call *call, const chain_uint128 *values, size_t count);
/* The length of the calldata, or -1 when the buffer was too small or the number of arguments is not
 * the announced one. */
__attribute__((warn_unused_result)) ssize_t abi_call_end(struct abi_call *call);

/* The text of Error(string), or "panic 0x11" of Panic(uint256), or "error 0x12345678" of any other
 * custom error, cut to `max` - 1 characters with control characters replaced. False, `out` empty,
 * when the data is none of these: a revert without a reason. */
bool abi_revert_reason(char *out, size_t max, const uint8_t *data, size_t len);

#endif
