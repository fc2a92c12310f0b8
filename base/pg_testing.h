// The scratch Postgres of a test, named by LONJA_TEST_PG_HOST, _PORT, _DATABASE and _SECRETS (a folder with
// pg-lonja_owner, as schema/sql/setup makes it). For tests only.
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"

// Sets the postgres_* settings that name a server. False, and `config` as it was: no server is named.
static inline bool pg_testing_server(struct config *config)
{
    const char *host = getenv("LONJA_TEST_PG_HOST"), *port = getenv("LONJA_TEST_PG_PORT");
    const char *database = getenv("LONJA_TEST_PG_DATABASE"),
               *secrets = getenv("LONJA_TEST_PG_SECRETS");
    if (!host || !port || !database || !secrets)
        return false;
    config->postgres_port = atoi(port);
    snprintf(config->postgres_host, sizeof config->postgres_host, "%s", host);
    snprintf(config->postgres_database, sizeof config->postgres_database, "%s", database);
    snprintf(config->postgres_secrets_folder, sizeof config->postgres_secrets_folder, "%s", secrets);
    return true;
}
