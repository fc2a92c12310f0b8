#include "settlement/settle_setup.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/erc3643.h"

__attribute__((format(printf, 2, 3))) static ssize_t refuse(char error[SETTLE_SETUP_ERROR_MAX],
                                                            const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, SETTLE_SETUP_ERROR_MAX, format, arguments);
    va_end(arguments);
    return -1;
}

static const char *text_of(const json_t *arguments, const char *name)
{
    return json_string_value(json_object_get(arguments, name));
}

// ---- deploy

static bool is_expected_code(const struct artifact *artifact, const json_t *arguments,
                             char error[SETTLE_SETUP_ERROR_MAX])
{
    char found[HEX_TEXT_SIZE(KECCAK_BYTES)];
    const char *wanted = text_of(arguments, "code_hash");

    hex_encode(found, artifact->code_hash.bytes, KECCAK_BYTES);
    if (wanted != NULL && strcmp(found, wanted) == 0)
        return true;
    refuse(error, "artifact_changed: the code of %s is %s, %.66s was asked for", artifact->name,
           found, wanted != NULL ? wanted : "none");
    return false;
}

static ssize_t build_init_code(uint8_t *out, size_t max, const struct artifact *artifact,
                               const json_t *arguments, char error[SETTLE_SETUP_ERROR_MAX])
{
    static const char none[] = "0x";
    const char *text = text_of(arguments, "arguments");
    uint8_t *encoded = malloc(ARTIFACT_INIT_CODE_MAX);
    ssize_t len;

    ASSERT(encoded != NULL);
    len = hex_decode(encoded, ARTIFACT_INIT_CODE_MAX, text != NULL ? text : none);
    if (len < 0)
        len = refuse(error, "arguments_malformed: the constructor's arguments are not hexadecimal");
    else
        len = artifact_init_code(out, max, artifact, encoded, (size_t)len);
    if (len < 0 && error[0] == '\0')
        len = refuse(error, "code_too_long: more than %d bytes with the arguments",
                     ARTIFACT_INIT_CODE_MAX);
    free(encoded);
    return len;
}

static ssize_t build_deploy(uint8_t *out, size_t max, const json_t *arguments,
                            char error[SETTLE_SETUP_ERROR_MAX])
{
    const char *path = text_of(arguments, "path");
    char why[ARTIFACT_ERROR_MAX];
    ssize_t len = -1;

    if (path == NULL)
        return refuse(error, "arguments_malformed: no \"path\"");
    struct artifact *artifact = malloc(sizeof(*artifact));
    ASSERT(artifact != NULL);
    if (!artifact_load(artifact, path, why))
        refuse(error, "artifact_unreadable: %.60s: %s", path, why);
    else if (is_expected_code(artifact, arguments, error))
        len = build_init_code(out, max, artifact, arguments, error);
    free(artifact);
    return len;
}

// ---- configure, add_agent

static bool is_method(const char *signature)
{
    static const uint32_t methods[] = {
#define SELECTOR(name) ERC3643_##name,
        SETTLE_SETUP_METHODS(SELECTOR)
#undef SELECTOR
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(erc3643_signature(methods[i]), signature) == 0)
            return true;
    return false;
}

static ssize_t build_configure(uint8_t *out, size_t max, const json_t *arguments,
                               char error[SETTLE_SETUP_ERROR_MAX])
{
    const char *method = text_of(arguments, "method");
    char why[ABI_TEXT_ERROR_MAX];

    if (method == NULL || !is_method(method))
        return refuse(error, "method_unknown: %.100s is no set-up call",
                      method != NULL ? method : "none");
    ssize_t len = abi_text_call(out, max, method, json_object_get(arguments, "arguments"), why);
    return len > 0 ? len : refuse(error, "arguments_malformed: %s", why);
}

static ssize_t build_add_agent(uint8_t *out, size_t max, const json_t *arguments,
                               char error[SETTLE_SETUP_ERROR_MAX])
{
    const char *text = text_of(arguments, "agent");
    struct chain_address agent;

    if (text == NULL || !address_parse(&agent, text) || address_is_zero(&agent))
        return refuse(error, "arguments_malformed: \"agent\" is no address");
    ssize_t len = erc3643_add_agent(out, max, &agent);
    return len > 0 ? len : refuse(error, "arguments_malformed: no room");
}

typedef ssize_t build_fn(uint8_t *out, size_t max, const json_t *arguments,
                         char error[SETTLE_SETUP_ERROR_MAX]);

static build_fn *builder_of(const char *operation)
{
    static const struct {
        const char *operation;
        build_fn *build;
    } builders[] = {
        {"deploy", build_deploy}, {"configure", build_configure}, {"add_agent", build_add_agent}};

    for (size_t i = 0; i < sizeof(builders) / sizeof(builders[0]); i++)
        if (strcmp(builders[i].operation, operation) == 0)
            return builders[i].build;
    return NULL;
}

bool settle_setup_is_of(const char *operation)
{
    return builder_of(operation) != NULL;
}

ssize_t settle_setup_build(uint8_t *out, size_t max, const char *operation,
                           const char *arguments_json, char error[SETTLE_SETUP_ERROR_MAX])
{
    build_fn *build = builder_of(operation);
    json_error_t json_error;

    error[0] = '\0';
    if (build == NULL)
        return refuse(error, "operation_unknown: %.40s", operation);
    json_t *arguments = json_loads(arguments_json, JSON_REJECT_DUPLICATES, &json_error);
    if (!json_is_object(arguments)) {
        json_decref(arguments);
        return refuse(error, "arguments_malformed: no JSON object");
    }
    ssize_t len = build(out, max, arguments, error);
    json_decref(arguments);
    ASSERT((len > 0) == (error[0] == '\0'));
    return len;
}
