// Letters of exhaustive_test that are about money: fees, deficits, failed settlements, corrections.
// Sessions 1 and 2 are of member 1, session 3 is of member 2; the account in question is the first
// of session 1.
#ifndef LONJA_TESTS_MODEL_EXHAUSTIVE_MONEY_H
#define LONJA_TESTS_MODEL_EXHAUSTIVE_MONEY_H

#include "tests/model/beside.h"
#include "tests/model/open_trade.h"

enum money_letter {
    FEES_BOTH,       // of the account in the instrument
    FEES_ACCOUNT,    // of the account
    FEES_INSTRUMENT, // in the instrument
    FEES_REMOVED,    // the first of these
    TOKENS_LEAVE,    // on the chain: all that is available, half of what is held, and 3 more
    CASH_LEAVES,     // likewise
    CASH_DEPOSITED,  // 500
    CASH_COVERED,    // as much of the deficit as there is
    TRANSFERRED,     // 7 tokens to the account, from one that has enough
    TRADE_FAILS,     // the last one
    TRADE_RETRIED,
    TRADE_BUSTED,
    TRADE_DEARER, // by a tenth
    TRADE_FEWER,  // by one, and cheaper by a fifth
};

struct money_walk {          // what letters are made from, beside the venue
    struct open_trade trade; // the last one; quantity 0 = there is none
};

// beside.h: follows the events for the last trade; the follower is a struct money_walk.
void money_walk_follow(void *follower, const struct event *event);
void money_letter_make(const struct money_walk *walk, struct beside *beside,
                       enum money_letter letter, uint32_t instrument);

#endif
