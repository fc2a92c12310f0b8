#include "settlement/reconcile_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "core/follower.h"
#include "core/tape_reader.h"
#include "risk/postings.h"

enum { EVENTS_AT_ONCE = 256 };

struct reconcile_ledger {
    const struct boot *boot;
    char folder[NUMBERED_PATH_BYTES];
    struct map totals; // account << 32 | asset -> int64_t, as bits
    struct map terms;  // instrument -> place in all_terms, from 1
    struct posting_terms *all_terms;
    size_t terms_count;
    uint64_t sequence;
    bool begun;
    bool within; // a command of which not all events were there
};

static uint64_t key_of(uint32_t account, uint32_t asset)
{
    return (uint64_t)account << 32 | asset;
}

static void add(struct reconcile_ledger *ledger, uint32_t account, uint32_t asset, int64_t change)
{
    uint64_t now = 0;
    (void)map_get(&ledger->totals, key_of(account, asset), &now);
    map_put(&ledger->totals, key_of(account, asset), now + (uint64_t)change);
}

static void set_terms(struct reconcile_ledger *ledger, uint32_t instrument,
                      struct posting_terms terms)
{
    uint64_t place;
    if (!map_get(&ledger->terms, instrument, &place)) {
        size_t bytes = (ledger->terms_count + 1) * sizeof(terms);
        ledger->all_terms = realloc(ledger->all_terms, bytes);
        ASSERT(ledger->all_terms != NULL);
        place = ++ledger->terms_count;
        map_put(&ledger->terms, instrument, place);
    }
    ledger->all_terms[place - 1] = terms;
}

// The bodies of record and event are the same fields under two names.
#define TERMS_OF(body)                                                                             \
    (struct posting_terms)                                                                         \
    {                                                                                              \
        .token_asset = (body).token_asset, .cash_asset = (body).cash_asset,                        \
        .token_scale = (body).token_scale                                                          \
    }

static bool load(void *context, const struct snapshot_record *record)
{
    struct reconcile_ledger *ledger = context;
    if (record->header.type == REC_instrument) {
        set_terms(ledger, record->body.instrument.instrument, TERMS_OF(record->body.instrument));
    } else if (record->header.type == REC_balance) {
        const struct balance_rec *balance = &record->body.balance;
        add(ledger, balance->account, balance->asset,
            balance->available + balance->held - balance->deficit);
    }
    return true;
}

// Holds move units between available and held of one account, and what is unsettled is a counter
// over both: neither changes a total.
static void apply(struct reconcile_ledger *ledger, const struct event *event)
{
    struct posting postings[POSTINGS_MAX];
    uint64_t place = 0;
    uint32_t instrument = 0;
    uint8_t type = event->header.type;
    if (type == EVT_instrument_changed)
        set_terms(ledger, event->body.instrument_changed.instrument,
                  TERMS_OF(event->body.instrument_changed));
    if (type != EVT_trade && type != EVT_trade_corrected && type != EVT_ledger_posted &&
        type != EVT_deficit_changed && type != EVT_xvp_posted)
        return;
    if (type == EVT_trade)
        instrument = event->body.trade.instrument;
    else if (type == EVT_trade_corrected)
        instrument = event->body.trade_corrected.instrument;
    ASSERT(instrument == 0 || map_get(&ledger->terms, instrument, &place));
    int count = postings_of(event, place == 0 ? NULL : &ledger->all_terms[place - 1], postings);
    for (int i = 0; i < count; i++)
        add(ledger, postings[i].account, postings[i].asset,
            postings[i].available + postings[i].held - postings[i].deficit);
}

static bool read_tape(struct reconcile_ledger *ledger, uint64_t sequence)
{
    static struct event events[EVENTS_AT_ONCE];
    struct tape_reader reader;
    size_t count = 0;
    if (ledger->sequence == sequence)
        return true;
    tape_reader_init(&reader, ledger->folder);
    bool on = tape_reader_seek(&reader, ledger->sequence + 1, 0);
    while (on && ledger->sequence < sequence &&
           (count = tape_reader_read(&reader, events, EVENTS_AT_ONCE)) > 0)
        for (size_t i = 0; i < count && on; i++) {
            on = events[i].header.sequence <= sequence;
            if (on)
                apply(ledger, &events[i]);
            if (!on)
                break;
            ledger->within = events[i].header.last == 0;
            if (!ledger->within)
                ledger->sequence = events[i].header.sequence;
        }
    tape_reader_fini(&reader);
    return ledger->sequence == sequence;
}

static void begin(struct reconcile_ledger *ledger)
{
    map_clear(&ledger->totals);
    map_clear(&ledger->terms);
    ledger->terms_count = 0;
    ledger->sequence = follower_load_snapshot(ledger->boot, load, ledger);
    ledger->begun = true;
    ledger->within = false;
}

bool reconcile_ledger_advance(struct reconcile_ledger *ledger, uint64_t sequence)
{
    if (!ledger->begun || sequence < ledger->sequence)
        begin(ledger);
    bool there = ledger->sequence <= sequence && read_tape(ledger, sequence);
    // Some events of such a command are in the totals already: begin anew.
    ledger->begun = ledger->sequence <= sequence && !ledger->within;
    return there;
}

int64_t reconcile_ledger_total(const struct reconcile_ledger *ledger, uint32_t account,
                               uint32_t asset)
{
    uint64_t total = 0;
    (void)map_get(&ledger->totals, key_of(account, asset), &total);
    return (int64_t)total;
}

struct reconcile_ledger *reconcile_ledger_open(const struct boot *boot)
{
    struct reconcile_ledger *ledger = calloc(1, sizeof(*ledger));
    ASSERT(ledger != NULL);
    ledger->boot = boot;
    state_folder(ledger->folder, &boot->config, "tape");
    map_init(&ledger->totals);
    map_init(&ledger->terms);
    return ledger;
}

void reconcile_ledger_close(struct reconcile_ledger *ledger)
{
    map_fini(&ledger->totals);
    map_fini(&ledger->terms);
    free(ledger->all_terms);
    free(ledger);
}
