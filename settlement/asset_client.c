#include "settlement/asset_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_BYTES_MAX = 8 << 20, TIMEOUT_S = 60 };

bool asset_client_token(struct asset_client *client, const char *callers_file, const char *name,
                        char *error)
{
    char line[512];
    char caller[64];
    bool found = false;
    FILE *file = fopen(callers_file, "re");

    if (file == NULL) {
        snprintf(error, ASSET_CLIENT_ERROR_MAX, "%s: %s", callers_file, strerror(errno));
        return false;
    }
    while (!found && fgets(line, sizeof(line), file) != NULL)
        found = sscanf(line, "%63s %127s", caller, client->token) == 2 && strcmp(caller, name) == 0;
    fclose(file);
    explicit_bzero(line, sizeof(line));
    if (!found)
        snprintf(error, ASSET_CLIENT_ERROR_MAX, "%s names no caller %s", callers_file, name);
    return found;
}

struct body {
    char *text;
    size_t len;
};

static size_t take(char *data, size_t size, size_t count, void *context)
{
    struct body *body = context;
    size_t len = size * count;

    if (len > ANSWER_BYTES_MAX - body->len)
        return 0;
    body->text = realloc(body->text, body->len + len + 1);
    ASSERT(body->text != NULL);
    memcpy(body->text + body->len, data, len);
    body->len += len;
    body->text[body->len] = '\0';
    return len;
}

static struct curl_slist *headers_of(const struct asset_client *client, const char *key)
{
    char line[256];
    struct curl_slist *headers = NULL;

    snprintf(line, sizeof(line), "Authorization: Bearer %s", client->token);
    headers = curl_slist_append(headers, line);
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    if (key != NULL) {
        snprintf(line, sizeof(line), "Idempotency-Key: %s", key);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

static CURLcode perform(CURL *curl, const struct asset_client *client, struct body *answer,
                        const char *path, const char *text, const char *key)
{
    char url[512];
    struct curl_slist *headers = headers_of(client, key);

    snprintf(url, sizeof(url), "%s%s", client->url, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    if (text != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
    CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    return code;
}

unsigned asset_client_call(struct asset_client *client, json_t **answer, const char *path,
                           const json_t *body, const char *key, char *error)
{
    struct body text = {0};
    long status = 0;
    char *sent = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    CURL *curl = curl_easy_init();

    *answer = NULL;
    ASSERT(curl != NULL && (body == NULL || sent != NULL));
    CURLcode code = perform(curl, client, &text, path, sent, key);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    free(sent);
    if (code == CURLE_OK)
        *answer = json_loads(text.text != NULL ? text.text : "", 0, NULL);
    free(text.text);
    if (*answer != NULL)
        return (unsigned)status;
    snprintf(error, ASSET_CLIENT_ERROR_MAX, "%s: %s", client->url,
             code != CURLE_OK ? curl_easy_strerror(code) : "the answer is no JSON");
    return 0;
}
