#include "gateway/common/pages.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { FILES_MAX = 256, FILE_BYTES_MAX = 4 << 20, PATH_BYTES = 512 };

struct page {
    char *path; // "/app.js"
    const char *type;
    char *text;
    size_t bytes;
};

struct pages {
    struct page files[FILES_MAX];
    size_t count;
};

static const char security_headers[] =
    "Cache-Control: no-cache\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action "
    "'none'; "
    "frame-ancestors 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n";

static const char *type_of(const char *path)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof *types; i++)
        if (strcmp(dot, types[i].ending) == 0)
            return types[i].type;
    return NULL;
}

static bool read_whole(struct page *page, const char *file, size_t bytes)
{
    FILE *stream = fopen(file, "rb");
    if (stream == NULL)
        return false;
    page->text = malloc(bytes + 1);
    page->bytes = page->text != NULL ? fread(page->text, 1, bytes, stream) : 0;
    fclose(stream);
    return page->text != NULL && page->bytes == bytes;
}

static bool load_file(struct pages *pages, const char *file, const char *path, size_t bytes)
{
    const char *type = type_of(path);
    if (type == NULL || bytes > FILE_BYTES_MAX)
        return true; // not for the browser
    if (pages->count == FILES_MAX)
        return false;
    struct page *page = &pages->files[pages->count++];
    page->type = type;
    page->path = strdup(path);
    return page->path != NULL && read_whole(page, file, bytes);
}

static bool load_folder(struct pages *pages, const char *folder, const char *prefix);

static bool load_entry(struct pages *pages, const char *folder, const char *prefix,
                       const char *name)
{
    char file[PATH_BYTES], path[PATH_BYTES];
    struct stat status;
    if (name[0] == '.')
        return true;
    if (snprintf(file, sizeof file, "%s/%s", folder, name) >= (int)sizeof file ||
        snprintf(path, sizeof path, "%s/%s", prefix, name) >= (int)sizeof path ||
        stat(file, &status) != 0)
        return false;
    if (S_ISDIR(status.st_mode))
        return load_folder(pages, file, path);
    return load_file(pages, file, path, (size_t)status.st_size);
}

static bool load_folder(struct pages *pages, const char *folder, const char *prefix)
{
    DIR *entries = opendir(folder);
    bool good = entries != NULL;
    for (struct dirent *entry; good && (entry = readdir(entries)) != NULL;)
        good = load_entry(pages, folder, prefix, entry->d_name);
    if (entries != NULL)
        closedir(entries);
    return good;
}

static bool folder_of_build(char path[PATH_BYTES], const char *name)
{
    ssize_t bytes = readlink("/proc/self/exe", path, PATH_BYTES - 1);
    if (bytes <= 0)
        return false;
    path[bytes] = '\0';
    char *end = strrchr(path, '/');
    size_t room = PATH_BYTES - (size_t)(end - path);
    return snprintf(end, room, "/../%s", name) < (int)room;
}

struct pages *pages_load(const char *folder, const char *name)
{
    char beside[PATH_BYTES];
    struct pages *pages = calloc(1, sizeof *pages);
    if (pages == NULL)
        return NULL;
    if (folder[0] == '\0')
        folder = folder_of_build(beside, name) ? beside : name;
    if (!load_folder(pages, folder, "")) {
        log_error("pages: cannot be read folder=%s reason=%s", folder, strerror(errno));
        pages_free(pages);
        return NULL;
    }
    log_info("pages files=%zu folder=%s", pages->count, folder);
    return pages;
}

void pages_free(struct pages *pages)
{
    if (pages == NULL)
        return;
    for (size_t i = 0; i < pages->count; i++) {
        free(pages->files[i].path);
        free(pages->files[i].text);
    }
    free(pages);
}

bool pages_answer(const struct pages *pages, struct http_server *http, uint64_t id,
                  const char *path)
{
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (size_t i = 0; i < pages->count; i++) {
        const struct page *page = &pages->files[i];
        if (strcmp(page->path, path) != 0)
            continue;
        http_answer(http, id, 200, page->type, security_headers, page->text, page->bytes);
        return true;
    }
    return false;
}
