// A trade that waits for settlement, as whoever settles or corrects it has to name it.
#ifndef LONJA_TESTS_MODEL_OPEN_TRADE_H
#define LONJA_TESTS_MODEL_OPEN_TRADE_H

#include <stdbool.h>

#include "schema/records.h"

struct open_trade {
    struct settlement_result_cmd result; // as it would be settled
    int64_t notional, buyer_fee, seller_fee;
    bool failed;
};

// Of a trade event.
struct open_trade open_trade_of(const struct event *event, uint8_t token_scale);
// As it stands after a correction.
void open_trade_change(struct open_trade *trade, const struct trade_corrected_evt *by);
// A correction that changes nothing: for the caller to put in what is new.
struct trade_correct_cmd open_trade_correction(const struct open_trade *trade);
// Another price: fees go up or down with the notional.
void open_trade_reprice(struct trade_correct_cmd *correction, int64_t new_notional);

#endif
