// The reject catalogue: the table, and its texts filled in.
#include "schema/rejects.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "schema/words.h"

#define REJECT_ENTRY(code, name, check, ord, cxl, business, http, text, hint)                      \
    [code] = {code, #name, check, ord, cxl, business, http, text, hint},
static const struct reject_entry entries[REJECT_CODE_MAX + 1] = {REJECTS(REJECT_ENTRY)};

const struct reject_entry *reject_entry(uint16_t code)
{
    const struct reject_entry *entry = &entries[code <= REJECT_CODE_MAX ? code : 0];
    return entry->name != NULL ? entry : &entries[REJECT_UNKNOWN_COMMAND];
}

// What a code's three numbers are, so that people read 12.5 and not 12500000, "gtd" and not 6.
enum unit {
    PLAIN,
    CASH,
    UNITS,
    MOMENT,
    ORDER,
    TYPE,
    TIF,
    PHASE,
    SCOPE,
    FIELD,
    KYC,
    FATCA,
    LIMIT_OF,
    KILL_OF,
    INVESTOR
};
struct units {
    uint8_t limit, value, argument;
};

static struct units units_of(uint16_t code)
{
    switch (code) {
    case REJECT_PRICE_NOT_POSITIVE:
    case REJECT_PRICE_ON_MARKET:
    case REJECT_OFF_TICK:
    case REJECT_NOTIONAL_MAX:
    case REJECT_INVESTMENT_LIMIT:
    case REJECT_NOTIONAL_MIN:
    case REJECT_POST_ONLY_CROSSES:
    case REJECT_TICK_TABLE:
        return (struct units){CASH, CASH, PLAIN};
    case REJECT_FAT_FINGER_BLOCK:
    case REJECT_FAT_FINGER_CONFIRM:
    case REJECT_NAV_CONFIRM:
        return (struct units){PLAIN, PLAIN, CASH};
    case REJECT_STOP_PRICE:
    case REJECT_TRAIL_OFFSET:
        return (struct units){CASH, CASH, TYPE};
    case REJECT_EXPIRE_TIME:
        return (struct units){MOMENT, MOMENT, TIF};
    case REJECT_XVP_MARGIN:
        return (struct units){MOMENT, MOMENT, PLAIN};
    case REJECT_XVP_CUTOFF:
        return (struct units){MOMENT, MOMENT, MOMENT};
    case REJECT_TIF_COMBINATION:
    case REJECT_POST_ONLY_COMBINATION:
    case REJECT_ORDER_TYPE:
        return (struct units){PLAIN, TYPE, TIF};
    case REJECT_PHASE:
        return (struct units){PHASE, PHASE, TIF};
    case REJECT_UNKNOWN_ORDER:
        return (struct units){PLAIN, ORDER, PLAIN};
    case REJECT_MASS_SCOPE:
        return (struct units){PLAIN, SCOPE, PLAIN};
    case REJECT_AMEND_FIELD:
        return (struct units){PLAIN, PLAIN, FIELD};
    case REJECT_KYC:
        return (struct units){PLAIN, KYC, PLAIN};
    case REJECT_ORDER_VALUE_MAX:
    case REJECT_DAILY_VALUE_MAX:
        return (struct units){CASH, CASH, LIMIT_OF};
    case REJECT_OPEN_ORDERS_MAX:
        return (struct units){PLAIN, PLAIN, LIMIT_OF};
    case REJECT_KILLED:
        return (struct units){PLAIN, PLAIN, KILL_OF};
    case REJECT_INVESTOR_TYPE:
        return (struct units){PLAIN, INVESTOR, PLAIN};
    case REJECT_POSITION_MAX:
        return (struct units){UNITS, UNITS, UNITS};
    case REJECT_CONCENTRATION:
        return (struct units){PLAIN, UNITS, UNITS};
    case REJECT_FATCA:
        return (struct units){PLAIN, FATCA, PLAIN};
    case REJECT_QUANTITY_NOT_POSITIVE:
    case REJECT_OFF_LOT:
    case REJECT_QUANTITY_MAX:
    case REJECT_QUANTITY_MIN:
    case REJECT_DISPLAY_QUANTITY:
    case REJECT_MINIMUM_QUANTITY:
        return (struct units){UNITS, UNITS, UNITS};
    default:
        return (struct units){PLAIN, PLAIN, PLAIN};
    }
}

static int number_print(char *out, size_t size, int64_t number, unsigned decimals)
{
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint64_t power = 1;
    for (unsigned i = 0; i < decimals; i++)
        power *= 10;
    uint64_t fraction = magnitude % power;
    while (decimals > 0 && fraction % 10 == 0) {
        fraction /= 10;
        decimals--;
    }
    const char *sign = number < 0 ? "-" : "";
    if (decimals == 0)
        return snprintf(out, size, "%s%" PRIu64, sign, magnitude / power);
    return snprintf(out, size, "%s%" PRIu64 ".%0*" PRIu64, sign, magnitude / power, (int)decimals,
                    fraction);
}

static unsigned decimals_of(uint8_t unit, unsigned token_scale)
{
    return unit == CASH ? 6 : unit == UNITS ? token_scale : 0;
}

// NULL: the number itself is shown.
static const char *word_of(uint8_t unit, int64_t number)
{
    if (number < 0 || number > UINT8_MAX)
        return NULL;
    uint8_t value = (uint8_t)number;
    const char *word = unit == TYPE                  ? word_of_order_type(value)
                       : unit == TIF                 ? word_of_time_in_force(value)
                       : unit == PHASE               ? word_of_phase(value)
                       : unit == SCOPE               ? word_of_mass_scope(value)
                       : unit == FIELD               ? word_of_amend_field(value)
                       : unit == KYC                 ? word_of_kyc(value)
                       : unit == FATCA               ? word_of_fatca(value)
                       : unit == LIMIT_OF            ? word_of_limit_scope(value)
                       : unit == KILL_OF             ? word_of_kill_scope(value)
                       : unit == INVESTOR            ? word_of_accreditation(value)
                       : unit == ORDER && value == 0 ? "of that client order id"
                                                     : "unknown";
    return strcmp(word, "unknown") != 0 ? word : NULL;
}

static int moment_print(char *out, size_t size, int64_t ns)
{
    time_t seconds = (time_t)(ns / 1000000000);
    struct tm utc;
    char text[64];
    if (gmtime_r(&seconds, &utc) == NULL || strftime(text, sizeof text, "%FT%TZ", &utc) == 0)
        return number_print(out, size, ns, 0);
    return snprintf(out, size, "%s", text);
}

static int placeholder_print(char *out, size_t size, int64_t number, uint8_t unit,
                             unsigned token_scale)
{
    const char *word = word_of(unit, number);
    if (word != NULL)
        return snprintf(out, size, "%s", word);
    if (unit == MOMENT)
        return moment_print(out, size, number);
    if (unit == TYPE && number > ' ' && number <= '~') // as FIX has it, where it is none of ours
        return snprintf(out, size, "%c", (char)number);
    return number_print(out, size, number, decimals_of(unit, token_scale));
}

struct placeholder {
    const char *name;
    int64_t number;
    uint8_t unit;
};

static const struct placeholder *placeholder_at(const char *at, const struct placeholder *all)
{
    for (int i = 0; i < 3; i++)
        if (strncmp(at, all[i].name, strlen(all[i].name)) == 0)
            return &all[i];
    return NULL;
}

unsigned reject_decimals(uint16_t code, enum reject_number number, unsigned token_scale)
{
    struct units units = units_of(code);
    uint8_t unit = number == REJECT_LIMIT   ? units.limit
                   : number == REJECT_VALUE ? units.value
                                            : units.argument;
    return decimals_of(unit, token_scale);
}

static int text_of(uint16_t code, struct units units, int64_t limit, int64_t value,
                   int64_t argument, unsigned token_scale, char *out, size_t size)
{
    const struct placeholder all[3] = {{"{limit}", limit, units.limit},
                                       {"{value}", value, units.value},
                                       {"{argument}", argument, units.argument}};
    size_t length = 0;
    for (const char *at = reject_entry(code)->text; *at != 0;) {
        size_t room = length < size ? size - length : 0;
        char *to = room > 0 ? out + length : NULL;
        const struct placeholder *found = *at == '{' ? placeholder_at(at, all) : NULL;
        if (found != NULL) {
            length += (size_t)placeholder_print(to, room, found->number, found->unit, token_scale);
            at += strlen(found->name);
        } else {
            length += (size_t)snprintf(to, room, "%c", *at++);
        }
    }
    return (int)length;
}

int reject_text(uint16_t code, int64_t limit, int64_t value, int64_t argument, unsigned token_scale,
                char *out, size_t size)
{
    return text_of(code, units_of(code), limit, value, argument, token_scale, out, size);
}

bool reject_is_of_holding(uint16_t code)
{
    return code == REJECT_INSUFFICIENT_BALANCE || code == REJECT_DEFICIT;
}

int reject_text_of_holding(uint16_t code, int64_t limit, int64_t value, int64_t argument,
                           unsigned decimals, char *out, size_t size)
{
    const struct units units = {UNITS, UNITS, PLAIN};
    return text_of(code, units, limit, value, argument, decimals, out, size);
}
