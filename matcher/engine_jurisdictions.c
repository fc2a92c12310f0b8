// Where the buyers of an instrument may come from (docs/risk.md 4). The command replaces the whole
// list; one that is refused changes nothing.
#include "matcher/engine_state.h"

enum {
    MODE_FIELD = 2,    // of the command
    CODES_FIELD = 100, // and the index of a code
};

bool engine_jurisdiction_add(struct jurisdictions *list, uint16_t code)
{
    ASSERT(list->count < JURISDICTIONS_MAX && list->last <= JURISDICTION_MAX);
    if (code <= list->last || code > JURISDICTION_MAX)
        return false;
    list->listed[code / 64] |= UINT64_C(1) << code % 64;
    list->last = code;
    list->count++;
    return true;
}

// The first code that is listed above this one; there is one.
static uint16_t code_after(const struct jurisdictions *list, uint16_t code)
{
    ASSERT(code < list->last);
    do
        code++;
    while (!jurisdiction_is_listed(list, code));
    return code;
}

bool engine_jurisdiction_next(const struct instrument *instrument, struct jurisdiction_rec *record)
{
    const struct jurisdictions *list = &instrument->jurisdictions;
    bool first = record->instrument == 0;
    uint8_t index = first ? 0 : record->index + 1;
    if (index >= list->count && !first)
        return false;
    *record =
        (struct jurisdiction_rec){.instrument = instrument->terms.instrument,
                                  .code = list->count != 0 ? code_after(list, record->code) : 0,
                                  .mode = list->mode,
                                  .index = index,
                                  .count = list->count};
    return true;
}

static bool list_read(const struct turn *turn, struct jurisdictions *list, struct refusal *refusal)
{
    const struct jurisdictions_set_cmd *body = &turn->command->body.jurisdictions_set;
    const char *tail = command_tail(turn->command);
    if (body->mode > JURISDICTIONS_EXCEPT)
        return refuse(refusal, REJECT_MALFORMED, 0, body->mode, MODE_FIELD);
    list->mode = body->mode;
    for (uint32_t i = 0; i < body->code_count; i++) {
        uint16_t code = 0;
        memcpy(&code, tail + i * sizeof(code), sizeof(code));
        if (!engine_jurisdiction_add(list, code))
            return refuse(refusal, REJECT_CONTROLS, 0, code, CODES_FIELD + i);
    }
    return true;
}

void engine_jurisdictions_set(struct turn *turn)
{
    uint32_t id = turn->command->body.jurisdictions_set.instrument;
    struct instrument *instrument = engine_instrument_or_reject(turn, id);
    struct jurisdictions list = {0};
    struct refusal refusal;
    if (instrument == NULL)
        return;
    if (!list_read(turn, &list, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    instrument->jurisdictions = list;
    struct jurisdiction_rec record = {0};
    while (engine_jurisdiction_next(instrument, &record))
        memcpy(&turn_emit(turn, EVT_jurisdiction_listed)->body, &record, sizeof(record));
}
