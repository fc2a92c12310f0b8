// Controls of an instrument: bands, stale NAV, who may buy and how much (docs/risk.md 4). The
// command replaces them all; one that is refused changes nothing.
#include "matcher/engine_state.h"

#define FIELD_CONTROLS(type, name, doc) CONTROLS_FIELD_##name,
enum controls_field { CONTROLS_FIELD_none, INSTRUMENT_CONTROLS_BODY(FIELD_CONTROLS) };

static bool controls_refused(struct refusal *refusal, int64_t value, int field)
{
    return refuse(refusal, REJECT_CONTROLS, 0, value, field);
}

bool engine_controls_fit(const struct instrument_controls_rec *controls, struct refusal *refusal)
{
    const uint8_t types_all = 1u << ACCREDITATION_INSTITUTIONAL; // bit accreditation - 1
    if (controls->nav_stale_action > NAV_STALE_REFUSE)
        return controls_refused(refusal, controls->nav_stale_action,
                                CONTROLS_FIELD_nav_stale_action);
    if (controls->investor_types >= types_all)
        return controls_refused(refusal, controls->investor_types, CONTROLS_FIELD_investor_types);
    if (controls->concentration_bps > MONEY_BPS_ONE ||
        (controls->concentration_bps != 0 && controls->supply == 0))
        return controls_refused(refusal, controls->concentration_bps,
                                CONTROLS_FIELD_concentration_bps);
    if (controls->position_max < 0)
        return controls_refused(refusal, controls->position_max, CONTROLS_FIELD_position_max);
    if (controls->supply < 0)
        return controls_refused(refusal, controls->supply, CONTROLS_FIELD_supply);
    return true;
}

void engine_instrument_controls_set(struct turn *turn)
{
    struct instrument_controls_rec controls;
    struct refusal refusal;
    memcpy(&controls, &turn->command->body.instrument_controls_set, sizeof(controls));
    struct instrument *instrument = engine_instrument_or_reject(turn, controls.instrument);
    if (instrument == NULL)
        return;
    if (!engine_controls_fit(&controls, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    instrument->controls = controls;
    memcpy(&turn_emit(turn, EVT_instrument_controls_changed)->body, &controls, sizeof(controls));
}
