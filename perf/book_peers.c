#include "perf/book_peers.h"

#include <dlfcn.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/assert.h"

extern char **environ;

static const struct {
    const char *name, *folder;
} peers_known[BOOK_PEERS_MAX] = {{"geseq", "cpp-orderbook"}, {"cpptrader", "CppTrader"}};

// Runs perf/peers/build; it says itself what it lacks.
CHECKED static int build(const char *name, char *folder, char *object)
{
    char script[] = LONJA_ROOT "/perf/peers/build";
    char peer[32];
    char *words[] = {script, peer, folder, object, NULL};
    pid_t child = 0;
    int status = 0;
    snprintf(peer, sizeof peer, "%s", name);
    int result = posix_spawn(&child, script, NULL, NULL, words, environ);
    if (result != 0)
        return -result;
    if (waitpid(child, &status, 0) != child)
        return -errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

static const struct book_contestant *load(const char *object)
{
    void *library = dlopen(object, RTLD_NOW | RTLD_LOCAL);
    const struct book_contestant *peer =
        library != NULL ? dlsym(library, BOOK_CONTESTANT_SYMBOL) : NULL;
    if (peer == NULL)
        fprintf(stderr, "book_bench: %s\n", dlerror());
    return peer; // the library stays for good
}

int book_peers_load(const struct book_contestant *peers[BOOK_PEERS_MAX])
{
    const char *root = getenv("LONJA_PEERS");
    int count = 0;
    if (root == NULL) {
        fprintf(stderr, "book_bench: no peers: LONJA_PEERS names no folder\n");
        return 0;
    }
    for (int i = 0; i < BOOK_PEERS_MAX; i++) {
        char folder[1024];
        char object[1024];
        snprintf(folder, sizeof folder, "%s/%s", root, peers_known[i].folder);
        snprintf(object, sizeof object, "%s/%s.so", LONJA_BENCH_FOLDER, peers_known[i].name);
        const struct book_contestant *peer = NULL;
        if (build(peers_known[i].name, folder, object) == 0)
            peer = load(object);
        if (peer != NULL)
            peers[count++] = peer;
        else
            fprintf(stderr, "book_bench: skipped %s: see above\n", peers_known[i].name);
    }
    return count;
}
