#include "schema/words.h"

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

const char *word_of_order_type(uint8_t type)
{
    static const char *const words[] = {
        [ORDER_MARKET] = "market",
        [ORDER_LIMIT] = "limit",
        [ORDER_STOP] = "stop",
        [ORDER_STOP_LIMIT] = "stop_limit",
        [ORDER_TRAILING_STOP] = "trailing_stop",
    };
    return WORD(words, type);
}

const char *word_of_time_in_force(uint8_t tif)
{
    static const char *const words[] = {
        [TIF_DAY] = "day", [TIF_GTC] = "gtc", [TIF_AT_OPEN] = "at_open",   [TIF_IOC] = "ioc",
        [TIF_FOK] = "fok", [TIF_GTD] = "gtd", [TIF_AT_CLOSE] = "at_close",
    };
    return WORD(words, tif);
}

const char *word_of_mass_scope(uint8_t scope)
{
    static const char *const words[] = {
        [SCOPE_SESSION] = "session", [SCOPE_MEMBER] = "member", [SCOPE_VENUE] = "venue"};
    return WORD(words, scope);
}

const char *word_of_amend_field(uint8_t field)
{
    static const char *const words[] = {
        [2] = "price", [3] = "stop price", [4] = "display quantity"};
    return WORD(words, field);
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

const char *word_of_limit_scope(uint8_t scope)
{
    static const char *const words[] = {
        [LIMIT_MEMBER] = "member", [LIMIT_ACCOUNT] = "account", [LIMIT_SESSION] = "session"};
    return WORD(words, scope);
}

const char *word_of_kill_scope(uint8_t scope)
{
    static const char *const words[] = {[KILL_ACCOUNT] = "account",
                                        [KILL_MEMBER] = "member",
                                        [KILL_SESSION] = "session",
                                        [KILL_VENUE] = "venue"};
    return WORD(words, scope);
}

const char *word_of_accreditation(uint8_t accreditation)
{
    static const char *const words[] = {[ACCREDITATION_RETAIL] = "retail",
                                        [ACCREDITATION_PROFESSIONAL] = "professional",
                                        [ACCREDITATION_INSTITUTIONAL] = "institutional"};
    return WORD(words, accreditation);
}

const char *word_of_xvp_state(uint8_t state)
{
    static const char *const words[] = {
        [XVP_CREATED] = "created",   [XVP_APPROVING] = "approving", [XVP_APPROVED] = "approved",
        [XVP_EXECUTED] = "executed", [XVP_CANCELLED] = "cancelled", [XVP_EXPIRED] = "expired",
        [XVP_SETTLING] = "settling", [XVP_ARMED] = "armed"};
    return WORD(words, state);
}

const char *word_of_xvp_step(uint8_t step)
{
    static const char *const words[] = {
        [XVP_STEP_CREATED] = "created",     [XVP_STEP_APPROVED] = "approved",
        [XVP_STEP_REVOKED] = "revoked",     [XVP_STEP_EXECUTED] = "executed",
        [XVP_STEP_CANCELLED] = "cancelled", [XVP_STEP_EXPIRED] = "expired",
        [XVP_STEP_REFUSED] = "refused",     [XVP_STEP_UNCOVERED] = "uncovered",
        [XVP_STEP_SETTLING] = "settling",   [XVP_STEP_RETURNED] = "returned",
        [XVP_STEP_REVEALED] = "revealed",   [XVP_STEP_VOTED] = "voted"};
    return WORD(words, step);
}
