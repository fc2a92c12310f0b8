// libFuzzer: bytes are a configuration file. It is refused with a line for each fault, or every
// value of it is within its bounds.
//
//   config_fuzz [-max_total_time=10] [-close_fd_mask=3] [FOLDER]     FILE does one input again
#include "supervisor/config_file.h"
#include "tests/fuzz/edits.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static char folder[64], path[128];

#define CHECK_INT(group, key, def, min, max, doc)                                                  \
    ASSERT(config->group##_##key >= (min) && config->group##_##key <= (max));
#define CHECK_TEXT(group, key, def, doc)                                                           \
    ASSERT(memchr(config->group##_##key, 0, sizeof config->group##_##key) != NULL);

static void check(const struct config *config)
{
    CONFIG_KEYS(CHECK_INT, CHECK_TEXT)
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct config config;
    char *said = NULL;
    size_t said_bytes = 0;
    if (folder[0] == '\0') {
        edits_folder(folder);
        snprintf(path, sizeof path, "%s/lonja.conf", folder);
    }
    edits_write(path, bytes, count);
    FILE *complaints = open_memstream(&said, &said_bytes);
    ASSERT(complaints != NULL);
    int faults = config_file_read(&config, path, complaints);
    ASSERT(fclose(complaints) == 0);
    ASSERT((faults > 0) == (said_bytes > 0));
    if (faults == 0)
        check(&config);
    free(said);
    return 0;
}
