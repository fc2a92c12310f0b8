#include "gateway/fix/kept_requests.h"

#include <stdlib.h>
#include <string.h>

void kept_requests_fini(struct kept_requests *kept)
{
    free(kept->entries);
    *kept = (struct kept_requests){0};
}

void kept_request_append(struct store *store, const struct request *request)
{
    ASSERT(request->kind == REQUEST_MASS_CANCEL);
    struct kept_request state = {.session = request->session,
                                 .session_seq = request->session_seq,
                                 .account = request->account,
                                 .instrument = request->instrument,
                                 .side = request->side,
                                 .scope = request->scope,
                                 .token_scale = request->token_scale,
                                 .all_or_one = request->all_or_one,
                                 .client_id_bytes = request->client_id.bytes};
    memcpy(state.client_id, request->client_id.text, sizeof state.client_id);
    memcpy(state.symbol, request->symbol, sizeof state.symbol);
    store_append(store, &(struct store_record){.state = &state, .state_bytes = sizeof state});
}

static void entry_add(struct kept_requests *kept, const struct kept_request *state)
{
    if (kept->count == kept->capacity) {
        kept->capacity = kept->capacity == 0 ? 16 : kept->capacity * 2;
        kept->entries = realloc(kept->entries, kept->capacity * sizeof *kept->entries);
        ASSERT(kept->entries != NULL);
    }
    kept->entries[kept->count++] = *state;
}

bool kept_requests_load(struct kept_requests *kept, const struct store_record *record)
{
    struct kept_request state;
    if (record->state_bytes != sizeof state)
        return false;
    memcpy(&state, record->state, sizeof state);
    entry_add(kept, &state);
    return true;
}

static void request_of(struct request *out, const struct kept_request *state)
{
    *out = (struct request){.session = state->session,
                            .session_seq = state->session_seq,
                            .account = state->account,
                            .instrument = state->instrument,
                            .kind = REQUEST_MASS_CANCEL,
                            .side = state->side,
                            .tif = TIF_NOT_GIVEN,
                            .scope = state->scope,
                            .all_or_one = state->all_or_one,
                            .token_scale = state->token_scale,
                            .client_id = {.bytes = state->client_id_bytes}};
    memcpy(out->client_id.text, state->client_id, sizeof out->client_id.text);
    memcpy(out->symbol, state->symbol, sizeof out->symbol);
}

bool kept_requests_find(const struct kept_requests *kept, struct request *out, uint32_t session,
                        uint32_t session_seq)
{
    for (size_t i = kept->count; i > 0; i--) {
        const struct kept_request *state = &kept->entries[i - 1];
        if (state->session != session || state->session_seq != session_seq)
            continue;
        request_of(out, state);
        return true;
    }
    return false;
}
