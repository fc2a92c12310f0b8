// Configuration file: a libconfig file becomes a `struct config`, or a list of what is wrong with it.
//
// Every key of base/config.def is known here with its type, default and range. What is refused: a file that
// cannot be read or parsed, an unknown group or key, a wrong type, a value out of range, a text that does
// not fit, and relations between keys (powers of two, sizes that depend on each other, two listeners on one
// port). Each refusal is one line that names file, line, key, the value seen and the bound; all of them
// are reported, not only the first. Relative paths come back absolute, resolved against the file's folder.
//
// Called by the launcher only, in one thread, before anything is started. The processes read the boot record.
#ifndef LONJA_SUPERVISOR_CONFIG_FILE_H
#define LONJA_SUPERVISOR_CONFIG_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/config.h"

// Every key at its default; paths are relative still.
void config_file_defaults(struct config *config);

// Reads `path` into *config. Returns the number of faults, each written as a line to `complaints`; with
// any, *config must not be used.
CHECKED int config_file_read(struct config *config, const char *path, FILE *complaints);

// Writes the value of the key called `name` ("web.port") as one line; returns false if there is no such key.
CHECKED bool config_file_print(struct config *config, const char *name, FILE *out);

// Writes the reference of all keys as Markdown (docs/configuration.md).
void config_file_document(FILE *out);

#endif
