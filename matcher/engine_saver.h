// Doors between engine_snapshot.c and engine_save_risk.c, and between engine_load.c and
// engine_load_risk.c: limits, controls and counters of the records of a snapshot.
#ifndef LONJA_MATCHER_ENGINE_SAVER_H
#define LONJA_MATCHER_ENGINE_SAVER_H

#include "matcher/engine_state.h"

struct saver {
    engine_save_sink *sink;
    void *context;
};

// 0, or what the sink returned.
CHECKED int save_record(const struct saver *saver, uint8_t type, const void *body, size_t bytes);

// Saves the record `body` as type REC_name; returns from the caller if the sink does not go on.
#define SAVE(saver, name, body)                                                                    \
    do {                                                                                           \
        int save_result = save_record((saver), REC_##name, &(body), sizeof(struct name##_rec));    \
        if (save_result != 0)                                                                      \
            return save_result;                                                                    \
    } while (0)

// What stands behind an instrument's controls, a member's, an account's and a session's terms.
CHECKED int save_jurisdictions(const struct saver *saver, const struct instrument *instrument);
CHECKED int save_member_risk(const struct saver *saver, const struct member *member);
CHECKED int save_account_risk(const struct saver *saver, const struct account *account);
CHECKED int save_session_risk(const struct saver *saver, const struct session *session);
CHECKED int save_confirms(const struct saver *saver, const struct confirms *confirms);

// The number of a window of this length; 0 if it counts nothing.
uint64_t save_window(const struct window *window, uint32_t length_ms);
// The other way; false if that cannot be.
CHECKED bool load_window(struct window *window, uint64_t number, uint32_t count, uint32_t max,
                         uint32_t length_ms, uint64_t time_ns);

CHECKED bool load_jurisdiction(struct engine *engine, const struct jurisdiction_rec *record);
CHECKED bool load_limits(struct engine *engine, const struct limits_rec *record);
CHECKED bool load_member_state(struct engine *engine, const struct member_state_rec *record);
CHECKED bool load_account_state(struct engine *engine, const struct account_state_rec *record);
CHECKED bool load_investment(struct engine *engine, const struct investment_rec *record);
CHECKED bool load_confirm(struct engine *engine, const struct confirm_rec *record);

#endif
