// Configuration: one struct, parsed from a libconfig file by the launcher (supervisor/config_file.c), every
// key checked (unknown, wrong type, out of range: refuse to start, naming file, line, key), then handed to
// every process in the boot record. Each key stands once, in config.def, with default, range and meaning;
// struct, parser, `--check-config` and docs/configuration.md are generated from it.
#ifndef LONJA_BASE_CONFIG_H
#define LONJA_BASE_CONFIG_H

#include <stdint.h>

#include "base/config.def"

#define CONFIG_TEXT_BYTES_MAX 256
#define CONFIG_MEMBER_INT(group, key, def, min, max, doc)  int64_t group##_##key;
#define CONFIG_MEMBER_TEXT(group, key, def, doc)           char group##_##key[CONFIG_TEXT_BYTES_MAX];
struct config {
    CONFIG_KEYS(CONFIG_MEMBER_INT, CONFIG_MEMBER_TEXT)
};

#endif
