// What the generator sends of chapters 6 to 9 of docs/risk.md, group by group: a group that is off
// is not sent, and coverage does not ask for it.
#ifndef LONJA_TESTS_MODEL_GENERATOR_GROUPS_H
#define LONJA_TESTS_MODEL_GENERATOR_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

enum generator_group {
    GROUP_ALWAYS,         // what is in no other group
    GROUP_FEES,           // fees_set
    GROUP_POSTINGS,       // transfers, chain facts, covers; deficits, and what they uncover
    GROUP_FAILED_SALES,   // settlements that fail while the buyer has those tokens on sale: uncover
    GROUP_CORRECTIONS,    // trade_correct
    GROUP_PROPOSALS,      // venue_rules_set, propose, approve
    GROUP_PROPOSE_LIMITS, // proposals of limits_set
    GROUP_PROPOSE_KILL,   // proposals of kill_set
    GROUP_COUNT
};

extern const bool generator_sends[GROUP_COUNT];

enum generator_group generator_group_of_command(uint8_t type);
enum generator_group generator_group_of_event(uint8_t type);
enum generator_group generator_group_of_reject(uint16_t code);

#endif
