// Pages: the files of one folder, read into memory once at start. What was not there then does not
// exist: no path of a request ever reaches the file system. Every file goes out with a content
// security policy that allows files of the same origin and nothing else.
//
// The loop's thread only.
#ifndef LONJA_GATEWAY_COMMON_PAGES_H
#define LONJA_GATEWAY_COMMON_PAGES_H

#include "gateway/common/http.h"

struct pages;

// Reads `folder`; if that is "", the one called `name` beside the folder of the executable, which
// the build fills. NULL: it cannot be read (the log has the reason).
CHECKED struct pages *pages_load(const char *folder, const char *name);
void pages_free(struct pages *pages); // NULL is allowed
// Answers with a file; false if there is none of that name. "/" is index.html.
bool pages_answer(const struct pages *pages, struct http_server *http, uint64_t id,
                  const char *path);

#endif
