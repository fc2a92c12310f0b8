// Figures of settlement instructions, as Postgres gives them (the JSON object of record.xvp_watch),
// in Prometheus' text format. Pure.
#ifndef LONJA_GATEWAY_OPS_XVP_H
#define LONJA_GATEWAY_OPS_XVP_H

#include <jansson.h>
#include <stdio.h>

// `xvp` may be NULL: not known.
void xvp_metrics(FILE *out, json_t *xvp);

#endif
