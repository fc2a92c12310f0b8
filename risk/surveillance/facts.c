// Facts, happy path: an order is accepted, is matched, and comes to show when its command ends or
// another order's turn comes; what an event takes from it goes from what shows. As in a gateway's
// view, but with sums instead of levels: of each side of a book, and of each member's part of it.
#include <string.h>

#include "risk/surveillance/surveillance_state.h"

// ---- tables

static uint32_t hash(uint64_t key, uint32_t size)
{
    ASSERT(size != 0 && (size & (size - 1)) == 0);
    key = (key ^ key >> 33) * 0xff51afd7ed558ccdULL;
    return (uint32_t)((key ^ key >> 33) & (size - 1));
}

static uint32_t *order_chain(const struct surveillance *s, uint64_t order)
{
    return &s->order_chains[hash(order, s->orders_max)];
}

struct surveillance_order *facts_order_find(const struct surveillance *s, uint64_t order)
{
    ASSERT(order != 0);
    uint32_t place = *order_chain(s, order);
    while (place != 0 && s->orders[place - 1].order != order)
        place = s->orders[place - 1].next;
    return place != 0 ? &s->orders[place - 1] : NULL;
}

static struct surveillance_order *order_make(struct surveillance *s, uint64_t id)
{
    uint32_t place = s->order_free;
    if (place != 0)
        s->order_free = s->orders[place - 1].next;
    else if (s->orders_used < s->orders_max)
        place = ++s->orders_used;
    else
        return NULL;
    struct surveillance_order *order = &s->orders[place - 1];
    uint32_t *chain = order_chain(s, id);
    *order = (struct surveillance_order){.order = id, .next = *chain};
    *chain = place;
    return order;
}

static void order_free(struct surveillance *s, struct surveillance_order *order)
{
    uint32_t *link = order_chain(s, order->order);
    uint32_t place = (uint32_t)(order - s->orders) + 1;
    while (*link != place) {
        ASSERT(*link != 0);
        link = &s->orders[*link - 1].next;
    }
    *link = order->next;
    *order = (struct surveillance_order){.next = s->order_free};
    s->order_free = place;
}

static uint32_t *pair_chain(const struct surveillance *s, uint32_t member, uint32_t instrument)
{
    return &s->pair_chains[hash((uint64_t)member << 32 | instrument, s->pairs_max)];
}

struct surveillance_pair *facts_pair_find(const struct surveillance *s, uint32_t member,
                                          uint32_t instrument)
{
    uint32_t place = *pair_chain(s, member, instrument);
    while (place != 0 &&
           (s->pairs[place - 1].member != member || s->pairs[place - 1].instrument != instrument))
        place = s->pairs[place - 1].next;
    return place != 0 ? &s->pairs[place - 1] : NULL;
}

struct surveillance_pair *facts_pair_make(struct surveillance *s, uint32_t member,
                                          uint32_t instrument)
{
    struct surveillance_pair *pair = facts_pair_find(s, member, instrument);
    if (pair != NULL || member == 0)
        return pair;
    uint32_t place = s->pair_free;
    if (place != 0) {
        s->pair_free = s->pairs[place - 1].next;
    } else if (s->pairs_used < s->pairs_max) {
        place = ++s->pairs_used;
    } else {
        s->untracked++;
        return NULL;
    }
    uint32_t *chain = pair_chain(s, member, instrument);
    s->pairs[place - 1] =
        (struct surveillance_pair){.member = member, .instrument = instrument, .next = *chain};
    *chain = place;
    return &s->pairs[place - 1];
}

uint32_t facts_member(const struct surveillance *s, uint32_t account)
{
    return account <= s->accounts_max ? s->member_of[account] : 0;
}

// ---- what shows

int64_t facts_slice(const struct surveillance_order *order, int64_t leaves)
{
    return order->display != 0 && order->display < leaves ? order->display : leaves;
}

static void show(struct surveillance *s, struct surveillance_order *order, int64_t shown)
{
    ASSERT(shown >= 0);
    money_sum change = (money_sum)shown - order->shown;
    s->instruments[order->instrument].shown[order->side - 1] += change;
    if (order->tracked)
        facts_pair_find(s, order->member, order->instrument)->shown[order->side - 1] += change;
    order->shown = shown;
}

// The order whose turn it was comes to rest.
static void rest(struct surveillance *s, const struct event *event)
{
    if (s->active == 0)
        return;
    struct surveillance_order *order = &s->orders[s->active - 1];
    s->active = 0;
    show(s, order, facts_slice(order, order->leaves));
    order->since = event->header.sequence;
    order->since_ns = event->header.time_ns;
    order->today = true;
    spoof_entered(s, order);
}

static void activate(struct surveillance *s, const struct event *event,
                     struct surveillance_order *order)
{
    rest(s, event);
    show(s, order, 0);
    s->active = (uint32_t)(order - s->orders) + 1;
}

static void track(struct surveillance *s, struct surveillance_order *order)
{
    struct surveillance_pair *pair = facts_pair_make(s, order->member, order->instrument);
    order->tracked = pair != NULL;
    if (pair != NULL)
        pair->orders++;
}

static void gone(struct surveillance *s, struct surveillance_order *order)
{
    show(s, order, 0);
    if (order->tracked)
        facts_pair_find(s, order->member, order->instrument)->orders--;
    if (s->active == (uint32_t)(order - s->orders) + 1)
        s->active = 0;
    order_free(s, order);
}

// ---- events

static void accepted(struct surveillance *s, const struct event *event)
{
    const struct order_accepted_evt *e = &event->body.order_accepted;
    ASSERT(e->instrument <= s->instruments_max);
    struct surveillance_order *order = order_make(s, e->order);
    if (order == NULL) {
        s->untracked++;
        return;
    }
    order->account = e->account;
    order->member = facts_member(s, e->account);
    order->instrument = e->instrument;
    order->side = e->side;
    order->type = e->type;
    order->tif = e->tif;
    order->state = e->state;
    order->price = e->price;
    order->leaves = e->quantity;
    track(s, order);
    if (order->state == ORDER_STATE_OPEN)
        activate(s, event, order);
}

static void terms(struct surveillance *s, const struct order_terms_evt *e)
{
    struct surveillance_order *order = facts_order_find(s, e->order);
    if (order == NULL)
        return;
    order->display = e->display_quantity;
    int64_t slice = facts_slice(order, order->leaves);
    if (order->shown > slice)
        show(s, order, slice);
}

static void amended(struct surveillance *s, const struct event *event)
{
    const struct order_amended_evt *e = &event->body.order_amended;
    struct surveillance_order *order = facts_order_find(s, e->order);
    if (order == NULL)
        return;
    bool showed = order->shown > 0;
    order->price = e->price;
    order->leaves = e->leaves;
    if (showed && !e->priority_kept)
        activate(s, event, order);
    else if (order->shown > e->leaves)
        show(s, order, e->leaves);
}

static void triggered(struct surveillance *s, const struct event *event)
{
    const struct order_triggered_evt *e = &event->body.order_triggered;
    struct surveillance_order *order = facts_order_find(s, e->order);
    if (order == NULL)
        return;
    order->price = e->price;
    order->leaves = e->leaves;
    order->state = ORDER_STATE_OPEN;
    activate(s, event, order);
}

static void reduced(struct surveillance *s, const struct order_reduced_evt *e)
{
    struct surveillance_order *order = facts_order_find(s, e->order);
    if (order == NULL)
        return;
    order->leaves = e->leaves;
    if (order->shown > e->leaves)
        show(s, order, e->leaves);
}

static void refreshed(struct surveillance *s, const struct order_refreshed_evt *e)
{
    struct surveillance_order *order = facts_order_find(s, e->order);
    if (order != NULL)
        show(s, order, e->displayed);
}

static void filled(struct surveillance *s, const struct trade_evt *e, uint64_t id, int64_t leaves)
{
    struct surveillance_order *order = facts_order_find(s, id);
    if (order == NULL)
        return;
    order->traded = true;
    order->leaves = leaves;
    if (leaves == 0) {
        gone(s, order);
        return;
    }
    if (order->shown == 0)
        return;                                 // it is being matched
    int64_t shown = order->shown - e->quantity; // an uncross shows the next slice at once
    bool slice = e->kind == TRADE_AUCTION || shown < 0;
    show(s, order, slice ? facts_slice(order, leaves) : shown);
}

static void traded(struct surveillance *s, const struct trade_evt *e)
{
    ASSERT(e->instrument <= s->instruments_max && e->quantity > 0);
    filled(s, e, e->maker_order, e->maker_leaves);
    filled(s, e, e->taker_order, e->taker_leaves);
    s->instruments[e->instrument].last_price = e->price;
}

static void instrument_changed(struct surveillance *s, const struct instrument_rec *e)
{
    ASSERT(e->instrument <= s->instruments_max);
    struct surveillance_instrument *instrument = &s->instruments[e->instrument];
    instrument->exists = true;
    instrument->token_scale = e->token_scale;
    memcpy(instrument->symbol, e->symbol, sizeof instrument->symbol);
}

static void instrument_state(struct surveillance *s, const struct instrument_state_rec *e)
{
    ASSERT(e->instrument <= s->instruments_max);
    s->instruments[e->instrument].phase = e->phase;
    s->instruments[e->instrument].last_price = e->last_price;
}

static void account_changed(struct surveillance *s, const struct account_rec *e)
{
    ASSERT(e->account <= s->accounts_max && e->member <= s->members_max);
    s->member_of[e->account] = e->member;
}

void facts_apply(struct surveillance *s, const struct event *event)
{
    struct surveillance_order *order;
    switch (event->header.type) {
    case EVT_order_accepted:
        accepted(s, event);
        break;
    case EVT_order_terms:
        terms(s, &event->body.order_terms);
        break;
    case EVT_order_amended:
        amended(s, event);
        break;
    case EVT_order_triggered:
        triggered(s, event);
        break;
    case EVT_order_reduced:
        reduced(s, &event->body.order_reduced);
        break;
    case EVT_order_refreshed:
        refreshed(s, &event->body.order_refreshed);
        break;
    case EVT_order_cancelled:
        order = facts_order_find(s, event->body.order_cancelled.order);
        if (order != NULL)
            gone(s, order);
        break;
    case EVT_trade:
        traded(s, &event->body.trade);
        break;
    case EVT_instrument_changed:
        instrument_changed(s, (const struct instrument_rec *)&event->body.instrument_changed);
        break;
    case EVT_instrument_state:
        instrument_state(s, (const struct instrument_state_rec *)&event->body.instrument_state);
        break;
    case EVT_account_changed:
        account_changed(s, (const struct account_rec *)&event->body.account_changed);
        break;
    default:
        break;
    }
    if (event->header.last)
        rest(s, event);
}

// ---- days

// A pair lives on by its open orders only, and remembers nothing of the day before.
static void pairs_new_day(struct surveillance *s)
{
    for (uint32_t chain = 0; chain < s->pairs_max; chain++) {
        uint32_t *link = &s->pair_chains[chain];
        while (*link != 0) {
            uint32_t place = *link;
            struct surveillance_pair *pair = &s->pairs[place - 1], old = *pair;
            if (old.orders > 0) {
                *pair = (struct surveillance_pair){.member = old.member,
                                                   .instrument = old.instrument,
                                                   .next = old.next,
                                                   .orders = old.orders,
                                                   .shown = {old.shown[0], old.shown[1]}};
                link = &pair->next;
                continue;
            }
            *link = old.next;
            *pair = (struct surveillance_pair){.next = s->pair_free};
            s->pair_free = place;
        }
    }
}

void facts_new_day(struct surveillance *s)
{
    ASSERT(s->active == 0); // a day begins between commands
    for (uint32_t i = 0; i < s->orders_used; i++)
        s->orders[i].today = false;
    for (uint32_t i = 1; i <= s->instruments_max; i++) {
        struct surveillance_instrument *instrument = &s->instruments[i];
        instrument->orders = 0;
        instrument->quantities = 0;
        instrument->price_before = instrument->last_price;
        instrument->last_trade = 0;
        instrument->uncross_ns = 0;
    }
    pairs_new_day(s);
    s->trade_count = 0;
    memset(s->circle_chains, 0, s->trades_max * sizeof *s->circle_chains);
}

// ---- saving and loading

enum { FLAG_TRACKED = 1, FLAG_TRADED = 2 };

static int put(surveillance_sink *sink, void *context, struct snapshot_record *record, uint8_t type)
{
    record->header = (struct snapshot_header){.type = type, .version = SCHEMA_VERSION};
    return sink(context, record);
}

static int save_instrument(const struct surveillance *s, uint32_t id, surveillance_sink *sink,
                           void *context)
{
    const struct surveillance_instrument *instrument = &s->instruments[id];
    if (!instrument->exists)
        return 0;
    struct snapshot_record record = {0};
    record.body.instrument.instrument = id;
    record.body.instrument.token_scale = instrument->token_scale;
    memcpy(record.body.instrument.symbol, instrument->symbol, sizeof instrument->symbol);
    int result = put(sink, context, &record, REC_instrument);
    if (result != 0)
        return result;
    record = (struct snapshot_record){
        .body.instrument_state = {
            .instrument = id, .phase = instrument->phase, .last_price = instrument->last_price}};
    return put(sink, context, &record, REC_instrument_state);
}

static int save_order(const struct surveillance_order *order, surveillance_sink *sink,
                      void *context)
{
    struct snapshot_record record = {
        .body.order = {.order = order->order,
                       .account = order->account,
                       .session = order->member,
                       .instrument = order->instrument,
                       .price = order->price,
                       .leaves = order->leaves,
                       .side = order->side,
                       .type = order->type,
                       .tif = order->tif,
                       .state = order->state,
                       .flags = (uint8_t)((order->tracked ? FLAG_TRACKED : 0) |
                                          (order->traded ? FLAG_TRADED : 0))}};
    int result = put(sink, context, &record, REC_order);
    if (result != 0)
        return result;
    record = (struct snapshot_record){.body.order_terms = {.order = order->order,
                                                           .display_quantity = order->display,
                                                           .hidden = order->leaves - order->shown}};
    return put(sink, context, &record, REC_order_terms);
}

int surveillance_save(const struct surveillance *s, surveillance_sink *sink, void *context)
{
    ASSERT(s->active == 0);
    int result = 0;
    for (uint32_t id = 1; id <= s->instruments_max && result == 0; id++)
        result = save_instrument(s, id, sink, context);
    for (uint32_t id = 1; id <= s->accounts_max && result == 0; id++) {
        struct snapshot_record record = {
            .body.account = {.account = id, .member = s->member_of[id]}};
        if (s->member_of[id] != 0)
            result = put(sink, context, &record, REC_account);
    }
    for (uint32_t i = 0; i < s->orders_used && result == 0; i++)
        if (s->orders[i].order != 0)
            result = save_order(&s->orders[i], sink, context);
    return result;
}

static void load_order(struct surveillance *s, const struct order_rec *record)
{
    struct surveillance_order *order = order_make(s, record->order);
    ASSERT(order != NULL && record->instrument <= s->instruments_max);
    order->account = record->account;
    order->member = record->session;
    order->instrument = record->instrument;
    order->price = record->price;
    order->leaves = record->leaves;
    order->side = record->side;
    order->type = record->type;
    order->tif = record->tif;
    order->state = record->state;
    order->traded = (record->flags & FLAG_TRADED) != 0;
    if ((record->flags & FLAG_TRACKED) != 0)
        track(s, order);
}

void surveillance_load(struct surveillance *s, const struct snapshot_record *record)
{
    struct surveillance_order *order;
    ASSERT(s->day == UINT64_MAX);
    switch (record->header.type) {
    case REC_instrument:
        instrument_changed(s, &record->body.instrument);
        break;
    case REC_instrument_state:
        instrument_state(s, &record->body.instrument_state);
        break;
    case REC_account:
        account_changed(s, &record->body.account);
        break;
    case REC_order:
        load_order(s, &record->body.order);
        break;
    case REC_order_terms:
        order = facts_order_find(s, record->body.order_terms.order);
        ASSERT(order != NULL);
        order->display = record->body.order_terms.display_quantity;
        show(s, order, order->leaves - record->body.order_terms.hidden);
        break;
    default:
        break;
    }
}
