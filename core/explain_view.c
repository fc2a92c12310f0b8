#include "core/explain_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int collect(void *context, const struct snapshot_record *record)
{
    struct explain_view *view = context;
    if (view->count == view->room) {
        view->room = view->room == 0 ? 1024 : view->room * 2;
        view->records = realloc(view->records, view->room * sizeof *view->records);
        ASSERT(view->records != NULL);
    }
    view->records[view->count++] = *record;
    return 0;
}

static void include(struct explain_range *range, size_t index)
{
    if (range->end == 0)
        range->first = index;
    range->end = index + 1;
}

// Without it a question about each of many instruments would walk all accounts each time.
static void make_index(struct explain_view *view)
{
    view->books = calloc((size_t)view->limits.instruments_max + 1, sizeof *view->books);
    ASSERT(view->books != NULL);
    for (size_t i = 0; i < view->count; i++) {
        const struct snapshot_record *record = &view->records[i];
        ASSERT(record->header.type < REC_COUNT);
        include(&view->types[record->header.type], i);
        if (record->header.type == REC_order)
            include(&view->books[record->body.order.instrument], i);
    }
}

void explain_view_take(struct explain_view *view, const struct engine *engine,
                       const struct engine_limits *limits)
{
    ASSERT(engine != NULL && limits != NULL);
    explain_view_free(view);
    int result = engine_save(engine, collect, view);
    ASSERT(result == 0 && view->count > 0 && view->records[0].header.type == REC_meta);
    view->sequence = engine_sequence(engine);
    view->time_ns = engine_time_ns(engine);
    view->venue_state = engine_venue_state(engine);
    view->limits = *limits;
    make_index(view);
}

void explain_view_free(struct explain_view *view)
{
    free(view->records);
    free(view->books);
    memset(view, 0, sizeof *view);
}

// ---- finding

const struct snapshot_record *explain_view_find(const struct explain_view *view, uint8_t type,
                                                uint32_t id)
{
    ASSERT(type < REC_COUNT);
    for (size_t i = view->types[type].first; i < view->types[type].end; i++) {
        uint32_t found;
        memcpy(&found, view->records[i].body.bytes, sizeof found);
        if (view->records[i].header.type == type && found == id)
            return &view->records[i];
    }
    return NULL;
}

const struct asset_rec *explain_view_asset(const struct explain_view *view, uint32_t asset)
{
    const struct snapshot_record *record = explain_view_find(view, REC_asset, asset);
    return record != NULL ? &record->body.asset : NULL;
}

const struct instrument_rec *explain_view_instrument(const struct explain_view *view,
                                                     uint32_t instrument)
{
    const struct snapshot_record *record = explain_view_find(view, REC_instrument, instrument);
    return record != NULL ? &record->body.instrument : NULL;
}

const struct account_rec *explain_view_account(const struct explain_view *view, uint32_t account)
{
    const struct snapshot_record *record = explain_view_find(view, REC_account, account);
    return record != NULL ? &record->body.account : NULL;
}

const struct order_rec *explain_view_order_at(const struct explain_view *view, size_t index,
                                              const struct order_terms_rec **terms)
{
    ASSERT(index < view->count);
    if (view->records[index].header.type != REC_order)
        return NULL;
    bool has_terms =
        index + 1 < view->count && view->records[index + 1].header.type == REC_order_terms;
    if (terms != NULL)
        *terms = has_terms ? &view->records[index + 1].body.order_terms : NULL;
    return &view->records[index].body.order;
}

const struct order_rec *explain_view_order(const struct explain_view *view, uint64_t order,
                                           const struct order_terms_rec **terms)
{
    for (size_t i = view->types[REC_order].first; i < view->types[REC_order].end; i++) {
        const struct order_rec *found = explain_view_order_at(view, i, terms);
        if (found != NULL && found->order == order)
            return found;
    }
    return NULL;
}

unsigned explain_view_scale(const struct explain_view *view, uint32_t asset)
{
    const struct asset_rec *found = explain_view_asset(view, asset);
    return found != NULL ? found->scale : 0;
}

unsigned explain_view_token_scale(const struct explain_view *view, uint32_t instrument)
{
    const struct instrument_rec *found = explain_view_instrument(view, instrument);
    return found != NULL ? found->token_scale : 0;
}

static struct explain_name name(const char *symbol, const char *kind, uint32_t id)
{
    struct explain_name name;
    if (symbol != NULL && symbol[0] != 0)
        snprintf(name.text, sizeof name.text, "%.*s", SYMBOL_BYTES_MAX, symbol);
    else
        snprintf(name.text, sizeof name.text, "%s %u", kind, id);
    return name;
}

struct explain_name explain_view_symbol(const struct explain_view *view, uint32_t instrument)
{
    const struct instrument_rec *found = explain_view_instrument(view, instrument);
    return name(found != NULL ? found->symbol : NULL, "instrument", instrument);
}

struct explain_name explain_view_asset_symbol(const struct explain_view *view, uint32_t asset)
{
    const struct asset_rec *found = explain_view_asset(view, asset);
    return name(found != NULL ? found->symbol : NULL, "asset", asset);
}

bool explain_kill_concerns(const struct kill_rec *kill, const struct explain_whose *whose)
{
    switch (kill->scope) {
    case KILL_ACCOUNT:
        return kill->id == whose->account;
    case KILL_MEMBER:
        return kill->id == whose->member;
    case KILL_SESSION:
        return kill->id == whose->session;
    default:
        return kill->scope == KILL_VENUE;
    }
}

struct explain_range explain_view_book(const struct explain_view *view, uint32_t instrument)
{
    return instrument <= view->limits.instruments_max ? view->books[instrument]
                                                      : (struct explain_range){0};
}

// ---- the book

int64_t explain_clamp(money_sum sum)
{
    if (sum > INT64_MAX)
        return INT64_MAX;
    return sum < INT64_MIN ? INT64_MIN : (int64_t)sum;
}

static void add(struct explain_depth *depth, const struct order_rec *order,
                const struct order_terms_rec *terms)
{
    depth->orders++;
    depth->open += order->leaves;
    depth->shown += order->leaves - (terms != NULL ? terms->hidden : 0);
}

static bool in_book(const struct order_rec *order, uint32_t instrument, uint8_t side)
{
    ASSERT(order == NULL || order->instrument == instrument); // they are of one book
    return order != NULL && order->side == side && order->state == ORDER_STATE_OPEN;
}

// A market order that rests in a call has the collar's price, and goes before all others.
static bool is_market(const struct order_rec *order)
{
    return order->type == ORDER_MARKET;
}

static bool is_better(uint8_t side, int64_t price, int64_t than)
{
    return side == SIDE_BUY ? price > than : price < than;
}

struct explain_side explain_view_side(const struct explain_view *view, uint32_t instrument,
                                      uint8_t side)
{
    struct explain_side found = {0};
    const struct explain_range book = explain_view_book(view, instrument);
    for (size_t i = book.first; i < book.end; i++) {
        const struct order_terms_rec *terms;
        const struct order_rec *order = explain_view_order_at(view, i, &terms);
        if (!in_book(order, instrument, side))
            continue;
        add(&found.all, order, terms);
        if (found.best == 0 && !is_market(order))
            found.best = order->price;
        if (!is_market(order) && order->price == found.best)
            add(&found.at_best, order, terms);
    }
    return found;
}

struct explain_ahead explain_view_ahead_at(const struct explain_view *view, uint32_t instrument,
                                           uint8_t side, int64_t price, bool market)
{
    struct explain_ahead ahead = {0};
    const struct explain_range book = explain_view_book(view, instrument);
    for (size_t i = book.first; i < book.end; i++) {
        const struct order_terms_rec *terms;
        const struct order_rec *order = explain_view_order_at(view, i, &terms);
        if (!in_book(order, instrument, side))
            continue;
        if (market ? is_market(order) : !is_market(order) && order->price == price)
            add(&ahead.level, order, terms);
        else if (!market && (is_market(order) || is_better(side, order->price, price)))
            add(&ahead.better, order, terms);
    }
    return ahead;
}

struct explain_ahead explain_view_ahead_of(const struct explain_view *view,
                                           const struct order_rec *ours)
{
    struct explain_ahead ahead = {0};
    ASSERT(ours->state == ORDER_STATE_OPEN);
    const struct explain_range book = explain_view_book(view, ours->instrument);
    for (size_t i = book.first;; i++) { // records are in priority
        const struct order_terms_rec *terms;
        ASSERT(i < book.end);
        const struct order_rec *order = explain_view_order_at(view, i, &terms);
        if (order == ours)
            break;
        if (!in_book(order, ours->instrument, ours->side))
            continue;
        bool level =
            is_market(order) == is_market(ours) && (is_market(ours) || order->price == ours->price);
        add(level ? &ahead.level : &ahead.better, order, terms);
    }
    return ahead;
}

struct explain_depth explain_view_reach(const struct explain_view *view, uint32_t instrument,
                                        uint8_t side, int64_t price)
{
    struct explain_depth reach = {0};
    uint8_t other = side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
    const struct explain_range book = explain_view_book(view, instrument);
    for (size_t i = book.first; i < book.end; i++) {
        const struct order_terms_rec *terms;
        const struct order_rec *order = explain_view_order_at(view, i, &terms);
        if (in_book(order, instrument, other) && !is_better(side, order->price, price))
            add(&reach, order, terms);
    }
    return reach;
}
