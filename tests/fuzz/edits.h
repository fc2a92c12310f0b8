// Edits: how the coverage-guided fuzzers make a broken file of a good one. The input is a list of
// edits: where (three bytes), how many bytes (one), and the bytes. What has a checksum is sealed
// again by the fuzzer where the input asks for it, else no input would come past the first one.
#ifndef LONJA_TESTS_FUZZ_EDITS_H
#define LONJA_TESTS_FUZZ_EDITS_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

enum { EDIT_BYTES_MAX = 64 };

static inline void edits_apply(uint8_t *file, size_t size, const uint8_t *input, size_t count)
{
    while (count >= 5) {
        size_t at = ((size_t)input[0] | (size_t)input[1] << 8 | (size_t)input[2] << 16) % size;
        size_t bytes = 1 + input[3] % EDIT_BYTES_MAX;
        input += 4;
        count -= 4;
        bytes = bytes < count ? bytes : count;
        size_t fits = bytes < size - at ? bytes : size - at;
        memcpy(file + at, input, fits);
        input += bytes;
        count -= bytes;
    }
}

// A folder in memory: a fuzzer opens files by the thousand a second.
static inline void edits_folder(char out[64])
{
    strcpy(out, "/dev/shm/lonja-fuzz-XXXXXX");
    ASSERT(mkdtemp(out) != NULL);
}

static inline void edits_write(const char *path, const void *bytes, size_t count)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
    close(fd);
}

static inline size_t edits_read(const char *path, void *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ASSERT(fd >= 0);
    ssize_t n = read(fd, out, size);
    ASSERT(n > 0);
    close(fd);
    return (size_t)n;
}

#endif
