// Gateways and sessions of the naive venue, and its members and accounts.
#include "tests/model/naive_parts.h"

static struct naive_order *order_of_session(struct naive_venue *venue, uint32_t session)
{
    struct naive_order *first = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++)
        if (venue->orders[i].id != 0 && venue->orders[i].session == session &&
            (first == NULL || venue->orders[i].id < first->id))
            first = &venue->orders[i];
    return first;
}

// False: the events have run out.
static bool leave(struct naive_venue *venue, uint32_t id, uint8_t reason)
{
    struct naive_session *session = &venue->sessions[id];
    struct naive_order *order = NULL;
    if ((session->terms.flags & SESSION_CANCEL_ON_DISCONNECT) != 0)
        while ((order = order_of_session(venue, id)) != NULL) {
            if (naive_room(venue) < 2)
                return false;
            naive_cancel(venue, order, reason);
        }
    if (naive_room(venue) < 1)
        return false;
    naive_emit(venue, EVT_session_closed)->body.session_closed =
        (struct session_closed_evt){.closed_session = id, .reason = reason};
    session->open = false;
    return true;
}

static void leave_all(struct naive_venue *venue, uint8_t gateway)
{
    for (uint32_t id = 1; id < NAIVE_SESSIONS; id++) {
        const struct naive_session *session = &venue->sessions[id];
        bool cancels = (session->terms.flags & SESSION_CANCEL_ON_DISCONNECT) != 0;
        if (session->terms.session == 0 || session->terms.gateway != gateway)
            continue;
        if (!session->open && !(cancels && order_of_session(venue, id) != NULL))
            continue;
        if (!leave(venue, id, CANCEL_DISCONNECT)) {
            venue->pending.work = NAIVE_LEAVE;
            return;
        }
    }
}

void naive_gateway_attach(struct naive_venue *venue)
{
    const struct command_header *header = &venue->command->header;
    uint8_t id = header->gateway;
    naive_emit(venue, EVT_gateway_attached)->body.gateway_attached =
        (struct gateway_attached_evt){.gateway_id = id,
                                      .incarnation = header->incarnation,
                                      .last_gateway_seq = venue->gateways[id].last_seq};
    bool same = venue->gateways[id].incarnation == header->incarnation;
    venue->gateways[id].attached = true;
    venue->gateways[id].incarnation = header->incarnation;
    venue->gateways[id].last_seq = header->gateway_seq;
    if (!same)
        leave_all(venue, id);
}

void naive_gateway_detach(struct naive_venue *venue, bool resumes)
{
    const struct gateway_detach_cmd *body = &venue->command->body.gateway_detach;
    bool current = venue->gateways[body->gateway_id].incarnation == body->old_incarnation;
    naive_emit(venue, EVT_gateway_detached)->body.gateway_detached = (struct gateway_detached_evt){
        .gateway_id = body->gateway_id, .incarnation = body->old_incarnation};
    if (current)
        venue->gateways[body->gateway_id].attached = false;
    if (current || resumes)
        leave_all(venue, (uint8_t)body->gateway_id);
}

static bool other_session_refused(struct naive_venue *venue, uint32_t id)
{
    uint8_t gateway = venue->command->header.gateway;
    REFUSE_IF(id == 0 || id >= NAIVE_SESSIONS || venue->sessions[id].terms.session == 0,
              UNKNOWN_SESSION, 0, id, 0)
    REFUSE_IF(gateway != GATEWAY_CORE && venue->sessions[id].terms.gateway != gateway,
              SESSION_WRONG_GATEWAY, venue->sessions[id].terms.gateway, id, gateway)
    return false;
}

void naive_session_open(struct naive_venue *venue)
{
    uint32_t id = venue->command->body.session_open.opened_session;
    if (other_session_refused(venue, id))
        return;
    struct naive_session *session = &venue->sessions[id];
    naive_emit(venue, EVT_session_opened)->body.session_opened = (struct session_opened_evt){
        .opened_session = id, .last_session_seq = session->last_session_seq};
    session->open = true;
    if (venue->command->header.session == id && venue->command->header.session_seq != 0)
        session->last_session_seq = venue->command->header.session_seq;
}

void naive_session_close(struct naive_venue *venue)
{
    const struct session_close_cmd *body = &venue->command->body.session_close;
    if (other_session_refused(venue, body->closed_session))
        return;
    bool believed =
        venue->command->header.gateway == GATEWAY_CORE || body->reason == CANCEL_BY_OWNER;
    if (!leave(venue, body->closed_session, believed ? (uint8_t)body->reason : CANCEL_DISCONNECT))
        venue->pending.work = NAIVE_LEAVE;
}

void naive_session_set(struct naive_venue *venue)
{
    struct session_rec terms;
    memcpy(&terms, &venue->command->body, sizeof(terms));
    if (naive_session_terms_refused(venue, &terms))
        return;
    struct naive_session *session = &venue->sessions[terms.session];
    session->terms = terms;
    memcpy(&naive_emit(venue, EVT_session_changed)->body, &session->terms, sizeof(session->terms));
    session->accounts = 0;
    for (uint32_t i = 0; i < session->terms.account_count; i++) {
        struct naive_named named = naive_named_account(venue->command, i);
        session->accounts |= 1u << named.account;
        session->rights[named.account] = (uint8_t)(named.rights != 0 ? named.rights : RIGHTS_ALL);
    }
    for (uint32_t account = 0; account < NAIVE_ACCOUNTS; account++)
        if ((session->accounts >> account & 1) != 0)
            naive_emit(venue, EVT_session_account)->body.session_account =
                (struct session_account_evt){.session = session->terms.session,
                                             .account = account,
                                             .rights = session->rights[account]};
}

// An account that may not trade any more has its orders cancelled by the next command.
static void bar(struct naive_venue *venue)
{
    if (naive_any_barred(venue))
        venue->pending.work = NAIVE_BARRED;
}

void naive_member_set(struct naive_venue *venue)
{
    struct member_rec member;
    memcpy(&member, &venue->command->body, sizeof(member));
    if (naive_member_refused(venue, &member))
        return;
    venue->members[member.member] = member;
    memcpy(&naive_emit(venue, EVT_member_changed)->body, &member, sizeof(member));
    bar(venue);
}

void naive_account_set(struct naive_venue *venue)
{
    struct account_rec account;
    memcpy(&account, &venue->command->body, sizeof(account));
    if (naive_account_terms_refused(venue, &account))
        return;
    venue->accounts[account.account] = account;
    memcpy(&naive_emit(venue, EVT_account_changed)->body, &account, sizeof(account));
    bar(venue);
}

// True if the command's gateway may speak.
bool naive_attached(struct naive_venue *venue)
{
    const struct command_header *header = &venue->command->header;
    if (header->gateway == GATEWAY_CORE || header->type == CMD_gateway_attach)
        return true;
    if (!venue->gateways[header->gateway].attached ||
        venue->gateways[header->gateway].incarnation != header->incarnation) {
        naive_reject(venue, REJECT_NOT_ATTACHED, venue->gateways[header->gateway].incarnation,
                     header->incarnation, 0);
        return false;
    }
    venue->gateways[header->gateway].last_seq = header->gateway_seq;
    if (header->session < NAIVE_SESSIONS && header->session_seq != 0 &&
        venue->sessions[header->session].terms.gateway == header->gateway &&
        header->type != CMD_session_open)
        venue->sessions[header->session].last_session_seq = header->session_seq;
    return true;
}
