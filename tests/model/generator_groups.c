#include "tests/model/generator_groups.h"

#include "schema/records.h"
#include "schema/rejects.h"

const bool generator_sends[GROUP_COUNT] = {
    [GROUP_ALWAYS] = true,          [GROUP_FEES] = true,         [GROUP_POSTINGS] = true,
    [GROUP_FAILED_SALES] = true,   [GROUP_CORRECTIONS] = true,  [GROUP_PROPOSALS] = true,
    [GROUP_PROPOSE_LIMITS] = true, [GROUP_PROPOSE_KILL] = true,
};

enum generator_group generator_group_of_command(uint8_t type)
{
    switch (type) {
    case CMD_fees_set:
        return GROUP_FEES;
    case CMD_trade_correct:
        return GROUP_CORRECTIONS;
    case CMD_venue_rules_set:
    case CMD_propose:
    case CMD_approve:
        return GROUP_PROPOSALS;
    default:
        return GROUP_ALWAYS;
    }
}

enum generator_group generator_group_of_event(uint8_t type)
{
    switch (type) {
    case EVT_fees_changed:
        return GROUP_FEES;
    case EVT_deficit_changed:
        return GROUP_POSTINGS;
    case EVT_trade_corrected:
        return GROUP_CORRECTIONS;
    case EVT_venue_rules_changed:
    case EVT_proposal_changed:
        return GROUP_PROPOSALS;
    default:
        return GROUP_ALWAYS;
    }
}

enum generator_group generator_group_of_reject(uint16_t code)
{
    switch (code) {
    case REJECT_FEES:
    case REJECT_FEES_MAX:
        return GROUP_FEES;
    case REJECT_DEFICIT:
        return GROUP_POSTINGS;
    case REJECT_CORRECTION:
        return GROUP_CORRECTIONS;
    case REJECT_TWO_PERSONS:
    case REJECT_NEEDS_APPROVAL:
    case REJECT_PROPOSAL:
    case REJECT_PROPOSALS_MAX:
        return GROUP_PROPOSALS;
    default:
        return GROUP_ALWAYS;
    }
}
