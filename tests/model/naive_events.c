// Events of the naive venue, and the answer to what is refused.
#include "tests/model/naive_parts.h"

uint32_t naive_room(const struct naive_venue *venue)
{
    ASSERT(venue->event_count <= venue->limits.events);
    return venue->limits.events - venue->event_count;
}

struct event *naive_emit(struct naive_venue *venue, uint8_t type)
{
    const struct command_header *from = &venue->command->header;
    ASSERT(naive_room(venue) > 0);
    struct event *event = &venue->events[venue->event_count];
    memset(event, 0, sizeof(*event));
    event->header = (struct event_header){.sequence = from->sequence,
                                          .time_ns = from->time_ns,
                                          .index = venue->event_count,
                                          .type = type,
                                          .gateway = from->gateway,
                                          .version = SCHEMA_VERSION,
                                          .session = from->session,
                                          .session_seq = venue->session_seq,
                                          .gateway_seq = from->gateway_seq};
    venue->event_count++;
    return event;
}

// What the command was about, as far as the answer says.
static void reject_names(const struct command *command, struct rejected_evt *out)
{
    switch (command->header.type) {
    case CMD_order_new:
    case CMD_order_new_terms:
        out->account = command->body.order_new.account;
        out->instrument = command->body.order_new.instrument;
        out->client_id_bytes = command->body.order_new.client_id_bytes;
        break;
    case CMD_order_cancel:
        out->account = command->body.order_cancel.account;
        out->order = command->body.order_cancel.order;
        out->client_id_bytes = command->body.order_cancel.client_id_bytes;
        break;
    case CMD_order_amend:
        out->account = command->body.order_amend.account;
        out->order = command->body.order_amend.order;
        out->client_id_bytes = command->body.order_amend.client_id_bytes;
        break;
    case CMD_order_mass_cancel:
        out->account = command->body.order_mass_cancel.account;
        out->instrument = command->body.order_mass_cancel.instrument;
        out->client_id_bytes = command->body.order_mass_cancel.client_id_bytes;
        break;
    case CMD_order_status:
        out->account = command->body.order_status.account;
        out->instrument = command->body.order_status.instrument;
        out->order = command->body.order_status.order;
        out->client_id_bytes = command->body.order_status.client_id_bytes;
        break;
    case CMD_ledger_post:
        out->account = command->body.ledger_post.account;
        break;
    case CMD_xvp_act:
        out->account = command->body.xvp_act.account;
        break;
    case CMD_settlement_result:
        out->instrument = command->body.settlement_result.instrument;
        break;
    default:
        break;
    }
}

static uint8_t client_id_bytes(const struct command *command)
{
    struct rejected_evt names = {0};
    reject_names(command, &names);
    return names.client_id_bytes;
}

bool naive_client_id_is_plain(const struct command *command)
{
    const char *text = command_tail(command);
    for (uint32_t i = 0; i < client_id_bytes(command); i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return true;
}

void naive_reject(struct naive_venue *venue, uint16_t code, int64_t limit, int64_t value,
                  int64_t argument)
{
    struct rejected_evt *out = &naive_emit(venue, EVT_rejected)->body.rejected;
    *out = (struct rejected_evt){.code = code,
                                 .command = venue->command->header.type,
                                 .limit = limit,
                                 .value = value,
                                 .argument = argument};
    reject_names(venue->command, out);
    if (!naive_client_id_is_plain(venue->command))
        out->client_id_bytes = 0;
    memcpy(out->client_id, command_tail(venue->command), out->client_id_bytes);
}

void naive_done(struct naive_venue *venue, uint8_t repeated, uint32_t count)
{
    naive_emit(venue, EVT_done)->body.done = (struct done_evt){
        .command = venue->command->header.type,
        .repeated = repeated,
        .more = venue->pending.work != NAIVE_NOTHING,
        .count = count};
}

void naive_state_changed(struct naive_venue *venue, uint32_t instrument)
{
    memcpy(&naive_emit(venue, EVT_instrument_state)->body, &venue->instruments[instrument].state,
           sizeof(venue->instruments[instrument].state));
}
