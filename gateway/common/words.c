#include "gateway/common/words.h"

#include <stddef.h>

#include "schema/records.h"

static const char *word(const char *const *words, size_t count, uint8_t value)
{
    return value < count && words[value] != NULL ? words[value] : "unknown";
}
#define WORD(words, value) word(words, sizeof(words) / sizeof *(words), value)

const char *word_of_phase(uint8_t phase)
{
    static const char *const words[] = {
        [PHASE_CLOSED] = "closed",
        [PHASE_PRE_OPEN] = "pre_open",
        [PHASE_OPENING_AUCTION] = "opening_auction",
        [PHASE_CONTINUOUS] = "continuous",
        [PHASE_VOLATILITY_AUCTION] = "volatility_auction",
        [PHASE_HALTED] = "halted",
        [PHASE_CLOSING_AUCTION] = "closing_auction",
    };
    return WORD(words, phase);
}

const char *word_of_kyc(uint8_t kyc)
{
    static const char *const words[] = {
        [KYC_NONE] = "none",         [KYC_PENDING] = "pending",   [KYC_IN_REVIEW] = "in_review",
        [KYC_APPROVED] = "approved", [KYC_REJECTED] = "rejected",
    };
    return WORD(words, kyc);
}

const char *word_of_fatca(uint8_t fatca)
{
    static const char *const words[] = {[FATCA_CLEAR] = "clear", [FATCA_BLOCKED] = "blocked"};
    return WORD(words, fatca);
}
