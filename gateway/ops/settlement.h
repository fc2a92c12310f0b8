// Settlement's figures, as Postgres gives them (the JSON objects of settle.status and settle.watch), in
// Prometheus' text format. Pure; numbers that are not there are left out of the page.
#ifndef LONJA_GATEWAY_OPS_SETTLEMENT_H
#define LONJA_GATEWAY_OPS_SETTLEMENT_H

#include <jansson.h>
#include <stdio.h>

// `status` may be NULL: not known.
void settlement_metrics(FILE *out, json_t *status);
// What only alert rules look at (alerts.yaml); likewise.
void settlement_watch_metrics(FILE *out, json_t *watch);

#endif
