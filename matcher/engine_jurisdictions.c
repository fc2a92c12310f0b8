// Where the buyers of an instrument may come from (docs/risk.md 4). The command replaces the whole
// list; one that is refused changes nothing.
#include "matcher/engine_state.h"

enum {
    COUNTRY_MAX = 999, // ISO 3166 numeric
    MODE_FIELD = 2,    // of the command
    CODES_FIELD = 100, // and the index of a code
};

bool engine_jurisdiction_fits(const struct jurisdictions *list, uint16_t code)
{
    ASSERT(list->count < JURISDICTIONS_MAX);
    uint16_t before = list->count != 0 ? list->codes[list->count - 1] : 0;
    return code > before && code <= COUNTRY_MAX;
}

struct jurisdiction_rec engine_jurisdiction(const struct instrument *instrument, uint32_t index)
{
    const struct jurisdictions *list = &instrument->jurisdictions;
    ASSERT(index < list->count || (index == 0 && list->count == 0));
    return (struct jurisdiction_rec){.instrument = instrument->terms.instrument,
                                     .code = list->count != 0 ? list->codes[index] : 0,
                                     .mode = list->mode,
                                     .index = (uint8_t)index,
                                     .count = list->count};
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
        if (!engine_jurisdiction_fits(list, code))
            return refuse(refusal, REJECT_CONTROLS, 0, code, CODES_FIELD + i);
        list->codes[list->count++] = code;
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
    uint32_t records = list.count != 0 ? list.count : 1;
    for (uint32_t i = 0; i < records; i++) {
        struct jurisdiction_rec record = engine_jurisdiction(instrument, i);
        memcpy(&turn_emit(turn, EVT_jurisdiction_listed)->body, &record, sizeof(record));
    }
}
