#include "settlement/reconcile_custody.h"

#include <stdio.h>

#include "base/assert.h"

static void say(struct reconcile_judgement *out, enum reconcile_cause cause,
                reconcile_amount difference, const char *words)
{
    out->cause = cause;
    out->difference = difference;
    snprintf(out->words, sizeof(out->words), "%s", words);
}

// What of the ledger is in the wallet, and told: bookings that are under way are claimed already,
// purchases that wait are not.
static reconcile_amount expected_claim(const struct reconcile_custody *c,
                                       const struct reconcile_figures *f)
{
    reconcile_amount units =
        (reconcile_amount)f->total_units - f->deficit_units + f->in_flight_units + f->booking_units;
    return units * f->unit - c->bought;
}

void reconcile_custody_judge(struct reconcile_judgement *out, const struct reconcile_custody *c,
                             const struct reconcile_figures *f)
{
    ASSERT(f->unit > 0);
    reconcile_amount claim = c->claimed - expected_claim(c, f);
    reconcile_amount cover = c->frozen - c->spilled_now - c->claimed;
    *out = (struct reconcile_judgement){.cause = RECONCILE_EQUAL};
    if (c->chain != c->indexed)
        say(out, RECONCILE_UNINDEXED_FREEZE, c->chain - c->indexed,
            "what is frozen is not the sum of the freezes that were read: lonja index verify");
    else if (c->frozen - c->later != c->own)
        say(out, RECONCILE_CUSTODY, c->frozen - c->later - c->own,
            "the venue's freezes as its rows have them are not those of the chain");
    else if (claim != 0)
        say(out, RECONCILE_CLAIM, claim,
            "the ledger has other units than were told to be tradable: an entry by hand?");
    else if (cover < 0 && c->spilled_now > 0)
        say(out, RECONCILE_UNFROZEN, cover,
            "another agent has unfrozen what is tradable here: it can leave the wallet");
    else if (cover < 0)
        say(out, RECONCILE_NOT_FROZEN, cover, "what is tradable is not frozen yet");
    else if (!c->under_way && cover - c->waiting >= f->unit)
        say(out, RECONCILE_SURPLUS, cover - c->waiting,
            "more is frozen than is tradable, and is not given back");
}
