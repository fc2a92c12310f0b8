// The reject catalogue (rejects.def) as an enum and a table; every gateway words its answers from it.
#ifndef LONJA_SCHEMA_REJECTS_H
#define LONJA_SCHEMA_REJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schema/rejects.def"

#define REJECT_ENUM(code, name, check, ord, cxl, business, http, text, hint) REJECT_##name = code,
enum reject_code { REJECT_NONE = 0, REJECTS(REJECT_ENUM) REJECT_CODE_MAX = 159 };

struct reject_entry {
    uint16_t code;
    const char *name;         // "FAT_FINGER_BLOCK"
    const char *check;        // which check
    uint16_t ord_rej_reason;  // FIX tag 103
    uint16_t cxl_rej_reason;  // FIX tag 102
    uint16_t business_reason; // FIX tag 380
    uint16_t http_status;
    const char *text;         // with {limit}, {value}, {argument}
    const char *hint;         // what to do about it
};

// The entry of a code; an unknown code returns the entry of UNKNOWN_COMMAND.
const struct reject_entry *reject_entry(uint16_t code);

// How the three numbers of a code are rendered: as they are, as price or cash (1e-6), or in token units.
// Writes the text with its numbers filled in; returns the length (as snprintf). Numbers of price, cash
// and notional codes are printed with six decimals trimmed, quantities with `token_scale` decimals.
int reject_text(uint16_t code, int64_t limit, int64_t value, int64_t argument, unsigned token_scale,
                char *out, size_t size);

// Of these codes `limit` and `value` are of what would be held or is owed: cash of a buyer, tokens of a
// seller. The catalogue cannot know which; who does says with how many decimals (else base units are told).
bool reject_is_of_holding(uint16_t code);
int reject_text_of_holding(uint16_t code, int64_t limit, int64_t value, int64_t argument,
                           unsigned decimals, char *out, size_t size);

// How many decimals a code's number is rendered with: 6 for prices and cash, token_scale for quantities, else 0.
enum reject_number { REJECT_LIMIT, REJECT_VALUE, REJECT_ARGUMENT };
unsigned reject_decimals(uint16_t code, enum reject_number number, unsigned token_scale);

#endif
