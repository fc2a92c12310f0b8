#include "settlement/reconcile.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

const char *reconcile_cause_word(enum reconcile_cause cause)
{
    static const char *const words[] = {
        [RECONCILE_EQUAL] = "equal",
        [RECONCILE_DATABASE_BEHIND] = "database_behind",
        [RECONCILE_RECORD_DIFFERS] = "record_differs",
        [RECONCILE_UNINDEXED] = "unindexed_transfer",
        [RECONCILE_BOOKING] = "booking_in_flight",
        [RECONCILE_REFUSED] = "booking_refused",
        [RECONCILE_OFF_CHAIN] = "settled_off_chain",
        [RECONCILE_BEFORE_ACCOUNT] = "transfer_before_account",
        [RECONCILE_UNPLANNED] = "unplanned_transfer",
        [RECONCILE_UNKNOWN] = "unknown",
        [RECONCILE_ESCROW] = "escrow_imbalance",
        [RECONCILE_UNINDEXED_FREEZE] = "unindexed_freeze",
        [RECONCILE_CUSTODY] = "custody_differs",
        [RECONCILE_CLAIM] = "claim_differs",
        [RECONCILE_UNFROZEN] = "unfrozen_by_others",
        [RECONCILE_NOT_FROZEN] = "not_frozen",
        [RECONCILE_SURPLUS] = "frozen_surplus",
    };
    return words[cause];
}

// ---- amounts

bool reconcile_parse(reconcile_amount *out, const char *text)
{
    const reconcile_amount max = (((reconcile_amount)1 << 120) - 1);
    bool negative = text[0] == '-';
    const char *at = text + negative;
    reconcile_amount value = 0;
    if (*at == '\0')
        return false;
    for (; *at >= '0' && *at <= '9'; at++) {
        value = 10 * value + (*at - '0');
        if (value > max)
            return false;
    }
    *out = negative ? -value : value;
    // numeric may write its zeros behind a point.
    return *at == '\0' || (*at == '.' && strspn(at + 1, "0") == strlen(at + 1));
}

void reconcile_format(char out[RECONCILE_AMOUNT_MAX], reconcile_amount amount)
{
    char digits[RECONCILE_AMOUNT_MAX];
    size_t count = 0;
    bool negative = amount < 0;
    if (negative)
        amount = -amount;
    do {
        digits[count++] = (char)('0' + (int)(amount % 10));
        amount /= 10;
    } while (amount != 0 && count < sizeof(digits) - 2);
    if (negative)
        digits[count++] = '-';
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    out[count] = '\0';
}

// ---- judgement

reconcile_amount reconcile_expected(const struct reconcile_figures *f)
{
    reconcile_amount units = (reconcile_amount)f->total_units - f->deficit_units +
                             f->in_flight_units + f->booking_units + f->arriving_units;
    return units * f->unit + f->moved + f->dust + f->released;
}

static void say(struct reconcile_judgement *out, enum reconcile_cause cause, const char *words)
{
    out->cause = cause;
    snprintf(out->words, sizeof(out->words), "%s", words);
}

// What alone, or together, makes up a difference. The order is that in which they are named.
static const struct {
    enum reconcile_cause cause;
    const char *words;
} PARTS[] = {
    {RECONCILE_REFUSED, "the ledger has refused to book an outside transfer"},
    {RECONCILE_OFF_CHAIN, "trades were settled off the chain, which has not moved them"},
    {RECONCILE_BEFORE_ACCOUNT, "tokens came or left while the wallet was nobody's here"},
};
enum { PARTS_COUNT = sizeof(PARTS) / sizeof(PARTS[0]) };

static bool explain_by_parts(struct reconcile_judgement *out, const struct reconcile_figures *f)
{
    const reconcile_amount parts[PARTS_COUNT] = {f->refused_units * f->unit,
                                                 -f->off_chain_units * f->unit, f->unbooked};
    for (unsigned set = 1; set < 1u << PARTS_COUNT; set++) {
        reconcile_amount sum = 0;
        bool all = true;
        size_t len = 0;
        struct reconcile_judgement said = {.difference = out->difference};
        for (unsigned i = 0; i < PARTS_COUNT; i++) {
            if ((set & 1u << i) == 0)
                continue;
            sum += parts[i];
            all = all && parts[i] != 0;
            if (said.cause == RECONCILE_EQUAL)
                said.cause = PARTS[i].cause;
            len += (size_t)snprintf(said.words + len, sizeof(said.words) - len, "%s%s",
                                    len == 0 ? "" : "; ", PARTS[i].words);
            ASSERT(len < sizeof(said.words));
        }
        if (all && sum == out->difference) {
            *out = said;
            return true;
        }
    }
    return false;
}

void reconcile_judge(struct reconcile_judgement *out, const struct reconcile_figures *f)
{
    ASSERT(f->unit > 0);
    *out = (struct reconcile_judgement){.difference = f->chain - reconcile_expected(f)};
    if (f->ledger_known && f->ledger_units != f->total_units - f->deficit_units)
        say(out, RECONCILE_RECORD_DIFFERS,
            "ledger and record differ at the same sequence: lonja record rebuild");
    else if (out->difference == 0)
        say(out, RECONCILE_EQUAL, "");
    else if (f->chain != f->indexed)
        say(out, RECONCILE_UNINDEXED,
            "the balance is not the sum of the transfers that were read: lonja index verify");
    else if (out->difference == -f->booking_units * f->unit)
        say(out, RECONCILE_BOOKING,
            "the ledger has booked it, and its answer is not written down yet");
    else if (explain_by_parts(out, f))
        return;
    else if (f->unplanned != 0)
        say(out, RECONCILE_UNPLANNED, "a transaction of ours has moved what no leg of it planned");
    else if (f->is_escrow)
        say(out, RECONCILE_ESCROW,
            out->difference < 0 ? "the escrow has less than the ledger owes and what is under way"
                                : "the escrow has more than the ledger owes and what is under way: "
                                  "opening balance?");
    else
        say(out, RECONCILE_UNKNOWN,
            "neither settlement nor an outside transfer explains it: opening balance, or an entry "
            "by hand?");
}
