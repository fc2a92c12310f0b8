#include "chain/artifact.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

__attribute__((format(printf, 2, 3))) static bool refuse(char error[ARTIFACT_ERROR_MAX],
                                                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, ARTIFACT_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static json_t *load(const char *path, char error[ARTIFACT_ERROR_MAX])
{
    struct stat stat_of;
    json_error_t json_error;
    json_t *root = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL || fstat(fileno(file), &stat_of) != 0) {
        (void)refuse(error, "%s", strerror(errno));
    } else if (!S_ISREG(stat_of.st_mode) || stat_of.st_size > ARTIFACT_FILE_BYTES_MAX) {
        (void)refuse(error, "no file of at most %d bytes", ARTIFACT_FILE_BYTES_MAX);
    } else {
        root = json_loadf(file, JSON_REJECT_DUPLICATES, &json_error);
        if (root == NULL)
            (void)refuse(error, "line %d: %.160s", json_error.line, json_error.text);
    }
    if (file != NULL)
        fclose(file);
    return root;
}

static bool read_code(struct artifact *out, const json_t *root, char error[ARTIFACT_ERROR_MAX])
{
    const json_t *bytecode = json_object_get(root, "bytecode");
    const json_t *holder = json_is_object(bytecode) ? bytecode : root;
    const char *text = json_string_value(
        json_is_object(bytecode) ? json_object_get(bytecode, "object") : bytecode);
    if (text == NULL)
        return refuse(error, "no \"bytecode\"");
    /* A placeholder "__$…$__" stands where the address of a library is missing. */
    if (json_object_size(json_object_get(holder, "linkReferences")) > 0 ||
        strchr(text, '_') != NULL)
        return refuse(error, "the code is not linked with its libraries");
    size_t digits = strlen(text) - (strncmp(text, "0x", 2) == 0 ? 2 : 0);
    if (digits == 0)
        return refuse(error, "no code: an interface or an abstract contract");
    if (digits > (size_t)2 * ARTIFACT_INIT_CODE_MAX)
        return refuse(error, "%zu bytes of code: at most %d (EIP-3860)", digits / 2,
                      ARTIFACT_INIT_CODE_MAX);
    ssize_t len = hex_decode(out->code, sizeof(out->code), text);
    if (len < 0)
        return refuse(error, "the bytecode is not hexadecimal");
    out->code_len = (size_t)len;
    out->code_hash = keccak256_hash(out->code, out->code_len);
    return true;
}

/* ---- the constructor's types -------------------------------------------------------------------
 */

struct text {
    char *out;
    size_t max;
    size_t len;
};

/* What does not fit shows as a length of `max`. */
static void append(struct text *text, const char *piece)
{
    size_t len = strlen(piece);
    if (text->max - text->len <= len) {
        text->len = text->max;
        return;
    }
    memcpy(text->out + text->len, piece, len + 1);
    text->len += len;
}

static void append_types(struct text *text, const json_t *inputs, unsigned depth)
{
    size_t index;
    const json_t *input;
    append(text, "(");
    json_array_foreach(inputs, index, input)
    {
        const char *type = json_string_value(json_object_get(input, "type"));
        if (index > 0)
            append(text, ",");
        if (type != NULL && strncmp(type, "tuple", 5) == 0 && depth < ABI_TEXT_DEPTH_MAX) {
            append_types(text, json_object_get(input, "components"), depth + 1);
            type += 5;
        }
        append(text, type != NULL ? type : "?"); /* no type: refused where it is used */
    }
    append(text, ")");
}

static bool read_constructor(struct artifact *out, const json_t *root,
                             char error[ARTIFACT_ERROR_MAX])
{
    const json_t *abi = json_object_get(root, "abi");
    const json_t *inputs = NULL;
    size_t index;
    const json_t *entry;
    struct text text = {.out = out->constructor, .max = sizeof(out->constructor)};
    if (!json_is_array(abi))
        return refuse(error, "no \"abi\"");
    json_array_foreach(abi, index, entry)
    {
        const char *kind = json_string_value(json_object_get(entry, "type"));
        if (kind != NULL && strcmp(kind, "constructor") == 0)
            inputs = json_object_get(entry, "inputs");
    }
    append_types(&text, inputs, 0);
    if (text.len == text.max)
        return refuse(error, "the constructor takes too much");
    return true;
}

/* Foundry's artifacts do not carry their name: out/Token.sol/Token.json. */
static void read_name(struct artifact *out, const json_t *root, const char *path)
{
    const char *name = json_string_value(json_object_get(root, "contractName"));
    const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    snprintf(out->name, sizeof(out->name), "%.*s",
             (int)(name != NULL ? strlen(name) : strcspn(base, ".")), name != NULL ? name : base);
}

bool artifact_load(struct artifact *out, const char *path, char error[ARTIFACT_ERROR_MAX])
{
    json_t *root = load(path, error);
    if (root == NULL)
        return false;
    read_name(out, root, path);
    bool read = json_is_object(root)
                    ? read_code(out, root, error) && read_constructor(out, root, error)
                    : refuse(error, "no JSON object");
    json_decref(root);
    return read;
}

ssize_t artifact_arguments(uint8_t *out, size_t max, const struct artifact *artifact,
                           const json_t *values, char error[ABI_TEXT_ERROR_MAX])
{
    return abi_text_arguments(out, max, artifact->constructor, values, error);
}

ssize_t artifact_init_code(uint8_t *out, size_t max, const struct artifact *artifact,
                           const uint8_t *arguments, size_t arguments_len)
{
    size_t limit = max < ARTIFACT_INIT_CODE_MAX ? max : ARTIFACT_INIT_CODE_MAX;
    if (artifact->code_len > limit || arguments_len > limit - artifact->code_len)
        return -1;
    memcpy(out, artifact->code, artifact->code_len);
    if (arguments_len > 0)
        memcpy(out + artifact->code_len, arguments, arguments_len);
    return (ssize_t)(artifact->code_len + arguments_len);
}
