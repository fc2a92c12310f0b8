#include "chain/sign_policy.h"

#include "chain/abi.h"
#include "chain/erc3643.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool complain(char error[SIGN_POLICY_ERROR_MAX], const char *what, const char *where)
{
    snprintf(error, SIGN_POLICY_ERROR_MAX, "%.60s%s%.90s", what, where[0] == '\0' ? "" : ": ",
             where);
    return false;
}

/* An object with all of the `needed` members, perhaps some of the `optional` ones, and no other. */
static bool has_only(const json_t *object, const char *const *needed, const char *const *optional,
                     char *error)
{
    size_t known = 0;
    if (!json_is_object(object))
        return complain(error, "an object is expected", "");
    for (; *needed != NULL; needed++, known++)
        if (json_object_get(object, *needed) == NULL)
            return complain(error, "member missing", *needed);
    for (; *optional != NULL; optional++)
        known += json_object_get(object, *optional) != NULL;
    if (json_object_size(object) != known)
        return complain(error, "a member is unknown in the object that has", needed[-1]);
    return true;
}

static const char *const no_names[] = {NULL};

static bool read_positive(uint64_t *out, const json_t *root, const char *name, char *error)
{
    const json_t *value = json_object_get(root, name);
    if (!json_is_integer(value) || json_integer_value(value) <= 0)
        return complain(error, "a whole number above zero is expected", name);
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool add_rule(struct sign_policy *out, const struct chain_address *contract,
                     const char *method, char *error)
{
    uint32_t selector = method == NULL ? 0 : erc3643_selector(method);
    if (!sign_call_is_known(selector))
        return complain(error, "unknown method", method == NULL ? "not a text" : method);
    if (out->rule_count == SIGN_POLICY_RULES_MAX)
        return complain(error, "too many rules", method);
    out->rules[out->rule_count++] = (struct sign_rule){.contract = *contract, .selector = selector};
    return true;
}

static bool read_contract(struct chain_address *out, const json_t *entry, char *error)
{
    const char *text = json_string_value(json_object_get(entry, "contract"));
    return (text != NULL && address_parse(out, text)) ||
           complain(error, "no address (or its checksum is wrong)", text == NULL ? "" : text);
}

static bool read_entry(struct sign_policy *out, const json_t *entry, char *error)
{
    static const char *const names[] = {"contract", "methods", NULL};
    if (!has_only(entry, names, no_names, error))
        return false;
    struct chain_address contract;
    if (!read_contract(&contract, entry, error))
        return false;
    const json_t *methods = json_object_get(entry, "methods");
    if (!json_is_array(methods))
        return complain(error, "a list is expected", "methods");
    size_t index;
    json_t *method;
    json_array_foreach(methods, index, method)
    {
        if (!add_rule(out, &contract, json_string_value(method), error))
            return false;
    }
    return true;
}

static bool read_creation(struct sign_policy *out, const json_t *entry, char *error)
{
    static const char *const names[] = {"name", "code_hash", "code_length", NULL};
    struct sign_creation creation;
    uint64_t length;
    if (!has_only(entry, names, no_names, error))
        return false;
    const char *name = json_string_value(json_object_get(entry, "name"));
    const char *hash = json_string_value(json_object_get(entry, "code_hash"));
    if (name == NULL)
        return complain(error, "a text is expected", "name");
    if (hash == NULL || !hex_decode_exact(creation.code_hash.bytes, KECCAK_BYTES, hash))
        return complain(error, "32 bytes in hexadecimal are expected: code_hash of", name);
    if (!read_positive(&length, entry, "code_length", error))
        return false;
    if (length > SIGNER_INIT_CODE_MAX)
        return complain(error, "longer than init code may be: code_length of", name);
    if (out->create_count == SIGN_POLICY_CREATES_MAX)
        return complain(error, "too many contracts to create", name);
    creation.code_length = (uint32_t)length;
    out->creates[out->create_count++] = creation;
    return true;
}

/* Decimal digits, above zero and at most 128 bits. */
static bool read_units(chain_uint128 *out, const char *text)
{
    *out = 0;
    if (text == NULL || *text == '\0')
        return false;
    for (; *text != '\0'; text++)
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (unsigned)(*text - '0'), out))
            return false;
    return *out > 0;
}

static bool read_cap(struct sign_policy *out, const json_t *entry, char *error)
{
    static const char *const names[] = {"contract", "window_s", NULL};
    static const char *const optional[] = {"units_max", "transfers_max", NULL};
    struct sign_cap cap = {.units_max = ~(chain_uint128)0, .transfers_max = UINT64_MAX};
    uint64_t window_s;
    const json_t *units = json_object_get(entry, "units_max");
    const json_t *transfers = json_object_get(entry, "transfers_max");
    if (!has_only(entry, names, optional, error) || !read_contract(&cap.contract, entry, error) ||
        !read_positive(&window_s, entry, "window_s", error))
        return false;
    if (window_s > SIGN_POLICY_WINDOW_MAX)
        return complain(error, "more than a year", "window_s");
    if (units == NULL && transfers == NULL)
        return complain(error, "a cap needs units_max or transfers_max", "");
    if (units != NULL && !read_units(&cap.units_max, json_string_value(units)))
        return complain(error, "a text of digits above zero is expected", "units_max");
    if (transfers != NULL && !read_positive(&cap.transfers_max, entry, "transfers_max", error))
        return false;
    if (out->cap_count == SIGN_POLICY_CAPS_MAX)
        return complain(error, "too many", "caps");
    cap.window_s = (uint32_t)window_s;
    out->caps[out->cap_count++] = cap;
    return true;
}

static bool read_list(struct sign_policy *out, const json_t *root, const char *name,
                      bool (*read)(struct sign_policy *out, const json_t *entry, char *error),
                      char *error)
{
    const json_t *list = json_object_get(root, name);
    if (list == NULL)
        return true; /* an optional one */
    if (!json_is_array(list))
        return complain(error, "a list is expected", name);
    size_t index;
    json_t *entry;
    json_array_foreach(list, index, entry)
    {
        if (!read(out, entry, error))
            return false;
    }
    return true;
}

static bool read_root(struct sign_policy *out, const json_t *root, char *error)
{
    static const char *const names[] = {"chain_id", "gas_limit_max", "max_fee_wei_max", "allow",
                                        NULL};
    static const char *const optional[] = {"create", "caps", NULL};
    return has_only(root, names, optional, error) &&
           read_positive(&out->chain_id, root, names[0], error) &&
           read_positive(&out->gas_limit_max, root, names[1], error) &&
           read_positive(&out->max_fee_wei_max, root, names[2], error) &&
           read_list(out, root, "allow", read_entry, error) &&
           read_list(out, root, "create", read_creation, error) &&
           read_list(out, root, "caps", read_cap, error);
}

/* By contract, then by method. */
static int compare_rules(const void *a, const void *b)
{
    const struct sign_rule *first = a;
    const struct sign_rule *second = b;
    int order = memcmp(&first->contract, &second->contract, sizeof(first->contract));
    return order != 0 ? order
                      : (first->selector > second->selector) - (first->selector < second->selector);
}

/* A plain transfer pays out of the key's own wallet: how much must be said. */
static bool transfers_are_capped(const struct sign_policy *policy, char *error)
{
    for (size_t i = 0; i < policy->rule_count; i++) {
        bool capped = policy->rules[i].selector != ERC3643_TRANSFER;
        for (size_t k = 0; k < policy->cap_count && !capped; k++)
            capped = policy->caps[k].units_max != ~(chain_uint128)0 &&
                     address_equal(&policy->caps[k].contract, &policy->rules[i].contract);
        if (!capped)
            return complain(error, "transfer is allowed without a cap with units_max", "caps");
    }
    return true;
}

bool sign_policy_parse(struct sign_policy *out, const char *json, size_t len,
                       char error[SIGN_POLICY_ERROR_MAX])
{
    json_error_t json_error;
    out->rule_count = 0;
    out->create_count = 0;
    out->cap_count = 0;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &json_error);
    if (root == NULL)
        return complain(error, "not JSON", json_error.text);
    bool read = read_root(out, root, error) && transfers_are_capped(out, error);
    json_decref(root);
    if (read)
        qsort(out->rules, out->rule_count, sizeof(out->rules[0]), compare_rules);
    return read;
}

/* ---- a request ---------------------------------------------------------------------------------
 */

static int compare_contract(const void *contract, const void *rule)
{
    return memcmp(contract, &((const struct sign_rule *)rule)->contract,
                  sizeof(struct chain_address));
}

static enum signer_result check_rules(const struct sign_policy *policy,
                                      const struct chain_address *contract, uint32_t selector)
{
    const struct sign_rule wanted = {.contract = *contract, .selector = selector};
    if (bsearch(&wanted, policy->rules, policy->rule_count, sizeof(wanted), compare_rules) != NULL)
        return SIGNER_OK;
    bool is_known = bsearch(contract, policy->rules, policy->rule_count, sizeof(wanted),
                            compare_contract) != NULL;
    return is_known ? SIGNER_METHOD_REFUSED : SIGNER_CONTRACT_REFUSED;
}

static enum signer_result above(enum signer_result refusal, struct signer_bound *bound,
                                uint64_t limit, uint64_t seen)
{
    *bound = (struct signer_bound){.limit = limit, .seen = seen};
    return refusal;
}

static enum signer_result check_creation(const struct sign_policy *policy,
                                         struct signer_bound *bound,
                                         const struct signer_request *request)
{
    if (request->calldata_len > SIGNER_INIT_CODE_MAX)
        return above(SIGNER_CALLDATA_REFUSED, bound, SIGNER_INIT_CODE_MAX, request->calldata_len);
    for (size_t i = 0; i < policy->create_count; i++) {
        const struct sign_creation *creation = &policy->creates[i];
        if (request->calldata_len < creation->code_length ||
            (request->calldata_len - creation->code_length) % ABI_WORD_BYTES != 0)
            continue;
        struct chain_hash hash = keccak256_hash(request->calldata, creation->code_length);
        if (memcmp(&hash, &creation->code_hash, sizeof(hash)) == 0)
            return SIGNER_OK;
    }
    return SIGNER_CREATE_REFUSED;
}

static enum signer_result check_call(const struct sign_policy *policy, struct sign_call *call,
                                     struct signer_bound *bound,
                                     const struct signer_request *request,
                                     const struct chain_address *signer)
{
    bool shaped = sign_call_read(call, request, signer);
    if (call->kind == SIGN_CALL_METHOD && call->selector != 0) {
        enum signer_result result = check_rules(policy, &request->to, call->selector);
        if (result != SIGNER_OK)
            return result;
    }
    if (!shaped)
        return SIGNER_CALLDATA_REFUSED;
    return call->kind == SIGN_CALL_CREATE ? check_creation(policy, bound, request) : SIGNER_OK;
}

enum signer_result sign_policy_check(const struct sign_policy *policy, struct sign_call *call,
                                     struct signer_bound *bound,
                                     const struct signer_request *request,
                                     const struct chain_address *signer)
{
    *call = (struct sign_call){0};
    *bound = (struct signer_bound){0};
    if (request->chain_id != policy->chain_id)
        return above(SIGNER_CHAIN_REFUSED, bound, policy->chain_id, request->chain_id);
    if (request->calldata_len > SIGNER_CALLDATA_MAX)
        return above(SIGNER_CALLDATA_REFUSED, bound, SIGNER_CALLDATA_MAX, request->calldata_len);
    enum signer_result result = check_call(policy, call, bound, request, signer);
    if (result != SIGNER_OK)
        return result;
    if (request->gas_limit > policy->gas_limit_max)
        return above(SIGNER_GAS_REFUSED, bound, policy->gas_limit_max, request->gas_limit);
    uint64_t fee_max = policy->max_fee_wei_max;
    if (request->calldata_len == 0 && __builtin_mul_overflow(fee_max, 2, &fee_max))
        fee_max = UINT64_MAX;
    if (request->max_fee_wei > fee_max)
        return above(SIGNER_FEE_REFUSED, bound, fee_max, request->max_fee_wei);
    if (request->priority_fee_wei > request->max_fee_wei)
        return above(SIGNER_FEE_REFUSED, bound, request->max_fee_wei, request->priority_fee_wei);
    return SIGNER_OK;
}

/* ---- the file ----------------------------------------------------------------------------------
 */

#define POLICY_BYTES_MAX (1024 * 1024)

void sign_policy_file_init(struct sign_policy_file *file, const char *path)
{
    memset(file, 0, sizeof(*file));
    file->path = path;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool parse_file(struct sign_policy_file *file, FILE *stream)
{
    if (file->seen.st_size > POLICY_BYTES_MAX)
        return complain(file->error, "the file is too long", file->path);
    char *text = malloc((size_t)file->seen.st_size + 1);
    ASSERT(text != NULL);
    size_t len = fread(text, 1, (size_t)file->seen.st_size + 1, stream);
    bool parsed = sign_policy_parse(&file->policy, text, len, file->error);
    free(text);
    return parsed;
}

static bool read_file(struct sign_policy_file *file)
{
    FILE *stream = fopen(file->path, "re");
    bool opened = stream != NULL && fstat(fileno(stream), &file->seen) == 0;
    bool read =
        opened ? parse_file(file, stream) : complain(file->error, strerror(errno), file->path);
    if (stream != NULL)
        fclose(stream);
    return read;
}

bool sign_policy_file_refresh(struct sign_policy_file *file, bool forced)
{
    struct stat now = {0};
    bool there = stat(file->path, &now) == 0;
    if (!forced && file->looked_at && there == file->there && is_same_file(&now, &file->seen))
        return false;
    file->looked_at = true;
    file->there = there;
    file->seen = now;
    file->readable = read_file(file);
    return true;
}
