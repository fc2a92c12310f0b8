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

/* An object with exactly these members. */
static bool has_only(const json_t *object, const char *const *names, size_t count, char *error)
{
    if (!json_is_object(object))
        return complain(error, "an object is expected", "");
    for (size_t i = 0; i < count; i++)
        if (json_object_get(object, names[i]) == NULL)
            return complain(error, "member missing", names[i]);
    if (json_object_size(object) != count)
        return complain(error, "unknown members beside those known, the last of which is",
                        names[count - 1]);
    return true;
}

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
    if (selector == 0)
        return complain(error, "unknown method", method == NULL ? "not a text" : method);
    if (out->rule_count == SIGN_POLICY_RULES_MAX)
        return complain(error, "too many rules", method);
    out->rules[out->rule_count++] = (struct sign_rule){.contract = *contract, .selector = selector};
    return true;
}

static bool read_entry(struct sign_policy *out, const json_t *entry, char *error)
{
    static const char *const names[] = {"contract", "methods"};
    if (!has_only(entry, names, 2, error))
        return false;
    struct chain_address contract;
    const char *text = json_string_value(json_object_get(entry, "contract"));
    if (text == NULL || !address_parse(&contract, text))
        return complain(error, "no address (or its checksum is wrong)", text == NULL ? "" : text);
    const json_t *methods = json_object_get(entry, "methods");
    if (!json_is_array(methods))
        return complain(error, "a list is expected", "methods");
    size_t index;
    json_t *method;
    json_array_foreach(
        methods, index,
        method) if (!add_rule(out, &contract, json_string_value(method), error)) return false;
    return true;
}

static bool read_root(struct sign_policy *out, const json_t *root, char *error)
{
    static const char *const names[] = {"chain_id", "gas_limit_max", "max_fee_wei_max", "allow"};
    if (!has_only(root, names, 4, error) || !read_positive(&out->chain_id, root, names[0], error) ||
        !read_positive(&out->gas_limit_max, root, names[1], error) ||
        !read_positive(&out->max_fee_wei_max, root, names[2], error))
        return false;
    const json_t *allow = json_object_get(root, "allow");
    if (!json_is_array(allow))
        return complain(error, "a list is expected", "allow");
    size_t index;
    json_t *entry;
    json_array_foreach(allow, index, entry) if (!read_entry(out, entry, error)) return false;
    return true;
}

bool sign_policy_parse(struct sign_policy *out, const char *json, size_t len,
                       char error[SIGN_POLICY_ERROR_MAX])
{
    json_error_t json_error;
    out->rule_count = 0;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &json_error);
    if (root == NULL)
        return complain(error, "not JSON", json_error.text);
    bool read = read_root(out, root, error);
    json_decref(root);
    return read;
}

/* ---- calldata ----------------------------------------------------------------------------------
 */

struct arguments {
    const uint8_t *bytes; /* behind the selector */
    size_t words;
};

static struct abi_word word_at(const struct arguments *arguments, size_t index)
{
    ASSERT(index < arguments->words);
    struct abi_word word;
    memcpy(word.bytes, arguments->bytes + index * ABI_WORD_BYTES, ABI_WORD_BYTES);
    return word;
}

static bool is_wallet(const struct arguments *arguments, size_t index)
{
    struct abi_word word = word_at(arguments, index);
    struct chain_address address;
    return abi_word_address(&address, &word) && !address_is_zero(&address);
}

static bool is_amount(const struct arguments *arguments, size_t index)
{
    struct abi_word word = word_at(arguments, index);
    chain_uint128 amount;
    return abi_word_u128(&amount, &word) && amount > 0;
}

static bool is_number(const struct arguments *arguments, size_t index, size_t wanted)
{
    struct abi_word word = word_at(arguments, index);
    chain_uint128 number;
    return abi_word_u128(&number, &word) && number == wanted;
}

/* One word behind the arguments is allowed: the caller's batch id, which the contract ignores. */
static bool has_words(const struct arguments *arguments, size_t wanted)
{
    return arguments->words == wanted || arguments->words == wanted + 1;
}

static bool is_forced_transfer(const struct arguments *arguments)
{
    return has_words(arguments, 3) && is_wallet(arguments, 0) && is_wallet(arguments, 1) &&
           is_amount(arguments, 2);
}

/* Three arrays of n in the one layout that our encoder writes: offsets, then length and items each.
 */
static bool is_batch(const struct arguments *arguments)
{
    struct abi_word word;
    chain_uint128 count;
    if (arguments->words < 4)
        return false;
    word = word_at(arguments, 3);
    if (!abi_word_u128(&count, &word) || count == 0 || count > ERC3643_BATCH_MAX)
        return false;
    size_t n = (size_t)count;
    if (!has_words(arguments, 3 + 3 * (n + 1)))
        return false;
    for (size_t array = 0; array < 3; array++) {
        size_t at = 3 + array * (n + 1);
        if (!is_number(arguments, array, at * ABI_WORD_BYTES) || !is_number(arguments, at, n))
            return false;
        for (size_t i = at + 1; i <= at + n; i++)
            if (array < 2 ? !is_wallet(arguments, i) : !is_amount(arguments, i))
                return false;
    }
    return true;
}

static bool is_wallet_and_amount(const struct arguments *arguments)
{
    return has_words(arguments, 2) && is_wallet(arguments, 0) && is_amount(arguments, 1);
}

static bool is_wallet_and_flag(const struct arguments *arguments)
{
    return has_words(arguments, 2) && is_wallet(arguments, 0) &&
           (is_number(arguments, 1, 0) || is_number(arguments, 1, 1));
}

static bool is_registration(const struct arguments *arguments)
{
    return has_words(arguments, 3) && is_wallet(arguments, 0) && is_wallet(arguments, 1) &&
           is_amount(arguments, 2);
}

static bool is_wallet_alone(const struct arguments *arguments)
{
    return has_words(arguments, 1) && is_wallet(arguments, 0);
}

static bool is_empty(const struct arguments *arguments)
{
    return has_words(arguments, 0);
}

/* Methods that change state, with the shape of their arguments; nothing else is ever signed. */
static bool has_its_methods_shape(uint32_t selector, const struct arguments *arguments)
{
    const struct {
        uint32_t selector;
        bool (*is_shaped)(const struct arguments *arguments);
    } shapes[] = {
        {ERC3643_FORCED_TRANSFER, is_forced_transfer},
        {ERC3643_BATCH_FORCED_TRANSFER, is_batch},
        {ERC3643_MINT, is_wallet_and_amount},
        {ERC3643_BURN, is_wallet_and_amount},
        {ERC3643_TRANSFER, is_wallet_and_amount},
        {ERC3643_FREEZE_PARTIAL_TOKENS, is_wallet_and_amount},
        {ERC3643_UNFREEZE_PARTIAL_TOKENS, is_wallet_and_amount},
        {ERC3643_SET_ADDRESS_FROZEN, is_wallet_and_flag},
        {ERC3643_REGISTER_IDENTITY, is_registration},
        {ERC3643_DELETE_IDENTITY, is_wallet_alone},
        {ERC3643_PAUSE, is_empty},
        {ERC3643_UNPAUSE, is_empty},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (shapes[i].selector == selector)
            return shapes[i].is_shaped(arguments);
    return false;
}

static enum signer_result check_rules(const struct sign_policy *policy,
                                      const struct chain_address *contract, uint32_t selector)
{
    bool contract_known = false;
    for (size_t i = 0; i < policy->rule_count; i++) {
        if (!address_equal(&policy->rules[i].contract, contract))
            continue;
        contract_known = true;
        if (policy->rules[i].selector == selector)
            return SIGNER_OK;
    }
    return contract_known ? SIGNER_METHOD_REFUSED : SIGNER_CONTRACT_REFUSED;
}

static uint32_t selector_of(const uint8_t *calldata)
{
    return (uint32_t)calldata[0] << 24 | (uint32_t)calldata[1] << 16 | (uint32_t)calldata[2] << 8 |
           calldata[3];
}

enum signer_result sign_policy_check(const struct sign_policy *policy,
                                     const struct signer_request *request)
{
    if (request->chain_id != policy->chain_id)
        return SIGNER_CHAIN_REFUSED;
    if (request->calldata_len < ABI_SELECTOR_BYTES || request->calldata_len > SIGNER_CALLDATA_MAX ||
        request->calldata_len % ABI_WORD_BYTES != ABI_SELECTOR_BYTES)
        return SIGNER_CALLDATA_REFUSED;
    uint32_t selector = selector_of(request->calldata);
    enum signer_result result = check_rules(policy, &request->to, selector);
    if (result != SIGNER_OK)
        return result;
    const struct arguments arguments = {
        .bytes = request->calldata + ABI_SELECTOR_BYTES,
        .words = (request->calldata_len - ABI_SELECTOR_BYTES) / ABI_WORD_BYTES,
    };
    if (!has_its_methods_shape(selector, &arguments))
        return SIGNER_CALLDATA_REFUSED;
    if (request->gas_limit > policy->gas_limit_max)
        return SIGNER_GAS_REFUSED;
    if (request->max_fee_wei > policy->max_fee_wei_max ||
        request->priority_fee_wei > request->max_fee_wei)
        return SIGNER_FEE_REFUSED;
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

bool sign_policy_file_refresh(struct sign_policy_file *file, bool forced)
{
    struct stat now = {0};
    FILE *stream = fopen(file->path, "re");
    int error = errno;
    if (stream != NULL && fstat(fileno(stream), &now) != 0)
        error = errno;
    bool changed = forced || !file->looked_at || !is_same_file(&now, &file->seen);
    if (changed) {
        file->seen = now;
        file->looked_at = true;
        file->readable = stream != NULL && parse_file(file, stream);
        if (stream == NULL)
            complain(file->error, strerror(error), file->path);
    }
    if (stream != NULL)
        fclose(stream);
    return changed;
}
