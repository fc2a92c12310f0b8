#include "settlement/asset_policy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const token_methods[] = {"forcedTransfer",
                                            "batchForcedTransfer",
                                            "mint",
                                            "batchMint",
                                            "burn",
                                            "batchBurn",
                                            "freezePartialTokens",
                                            "batchFreezePartialTokens",
                                            "unfreezePartialTokens",
                                            "setAddressFrozen",
                                            "batchUnfreezePartialTokens"};
static const char *const registry_methods[] = {"registerIdentity", "batchRegisterIdentity",
                                               "deleteIdentity"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool is_deploy(const json_t *step)
{
    return strcmp(text_of(step, "operation"), "deploy") == 0;
}

static void add_method(json_t *methods, const char *name, size_t len)
{
    json_t *method = json_stringn(name, len);
    size_t index;
    json_t *known;

    json_array_foreach(methods, index, known)
    {
        if (json_equal(known, method)) {
            json_decref(method);
            return;
        }
    }
    json_array_append_new(methods, method);
}

static void add_methods(json_t *methods, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_method(methods, names[i], strlen(names[i]));
}

// What the steps call on the contract that the step `name` made.
static void add_set_up(json_t *methods, const json_t *steps, const char *name)
{
    size_t index;
    json_t *step;

    json_array_foreach(steps, index, step)
    {
        const char *contract = text_of(step, "contract");
        const char *method = text_of(step, "method");
        if (contract == NULL || strcmp(contract + 1, name) != 0)
            continue;
        if (method == NULL)
            add_method(methods, "addAgent", strlen("addAgent"));
        else
            add_method(methods, method, strcspn(method, "("));
    }
}

static json_t *methods_of(const json_t *steps, const char *name, enum asset_policy_phase phase)
{
    json_t *methods = json_array();

    if (strcmp(name, "token") == 0)
        add_methods(methods, token_methods, COUNT(token_methods));
    if (strcmp(name, "identity_registry") == 0)
        add_methods(methods, registry_methods, COUNT(registry_methods));
    if (phase == ASSET_POLICY_SET_UP)
        add_set_up(methods, steps, name);
    return methods;
}

static json_t *creation_of(const json_t *step)
{
    return json_pack("{s:O, s:O, s:O}", "name", json_object_get(step, "artifact"), "code_hash",
                     json_object_get(step, "code_hash"), "code_length",
                     json_object_get(step, "code_length"));
}

static json_t *find_by(const json_t *list, const char *member, const json_t *value)
{
    size_t index;
    json_t *entry;

    json_array_foreach(list, index, entry)
    {
        const char *found = text_of(entry, member);
        if (found != NULL && strcasecmp(found, json_string_value(value)) == 0)
            return entry;
    }
    return NULL;
}

json_t *asset_policy_rules(const json_t *steps, const json_t *addresses,
                           enum asset_policy_phase phase)
{
    json_t *allow = json_array();
    json_t *create = json_array();
    size_t index;
    json_t *step;

    json_array_foreach(steps, index, step)
    {
        json_t *address = json_object_get(addresses, text_of(step, "name"));
        if (!is_deploy(step))
            continue;
        if (phase == ASSET_POLICY_SET_UP &&
            find_by(create, "code_hash", json_object_get(step, "code_hash")) == NULL)
            json_array_append_new(create, creation_of(step));
        json_t *methods = methods_of(steps, text_of(step, "name"), phase);
        if (address != NULL && json_array_size(methods) > 0)
            json_array_append_new(allow,
                                  json_pack("{s:O, s:O}", "contract", address, "methods", methods));
        json_decref(methods);
    }
    return json_pack("{s:o, s:o}", "allow", allow, "create", create);
}

static void merge_list(json_t *policy, const json_t *rules, const char *list, const char *key)
{
    json_t *into = json_object_get(policy, list);
    size_t index;
    json_t *rule;

    if (into == NULL && json_array_size(json_object_get(rules, list)) > 0) {
        into = json_array();
        json_object_set_new(policy, list, into);
    }
    json_array_foreach(json_object_get(rules, list), index, rule)
    {
        json_t *known = find_by(into, key, json_object_get(rule, key));
        if (known != NULL)
            json_object_update(known, rule);
        else
            json_array_append(into, rule);
    }
}

static void remove_by(json_t *list, const char *member, const json_t *value)
{
    size_t index = 0;

    while (index < json_array_size(list)) {
        const char *found = text_of(json_array_get(list, index), member);
        if (value != NULL && found != NULL && strcasecmp(found, json_string_value(value)) == 0)
            json_array_remove(list, index);
        else
            index++;
    }
}

// What was needed to set up only.
static void remove_set_up(json_t *policy, const json_t *steps, const json_t *addresses)
{
    size_t index;
    json_t *step;

    json_array_foreach(steps, index, step)
    {
        if (!is_deploy(step))
            continue;
        remove_by(json_object_get(policy, "create"), "code_hash",
                  json_object_get(step, "code_hash"));
        json_t *methods = methods_of(steps, text_of(step, "name"), ASSET_POLICY_TRADING);
        if (json_array_size(methods) == 0)
            remove_by(json_object_get(policy, "allow"), "contract",
                      json_object_get(addresses, text_of(step, "name")));
        json_decref(methods);
    }
}

void asset_policy_merge(json_t *policy, const json_t *rules, const json_t *steps,
                        const json_t *addresses, enum asset_policy_phase phase)
{
    merge_list(policy, rules, "allow", "contract");
    merge_list(policy, rules, "create", "code_hash");
    if (phase == ASSET_POLICY_TRADING)
        remove_set_up(policy, steps, addresses);
}

// With the mode and owner of the one that it replaces: the signer runs under its own user id.
static bool replace_file(const char *path, const json_t *policy, char *error, size_t error_max)
{
    char new_path[PATH_MAX];
    struct stat old;

    snprintf(new_path, sizeof(new_path), "%s.new", path);
    if (stat(path, &old) == 0 &&
        json_dump_file(policy, new_path, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0 &&
        chmod(new_path, old.st_mode & 0777) == 0 &&
        (geteuid() != 0 || chown(new_path, old.st_uid, old.st_gid) == 0) &&
        rename(new_path, path) == 0)
        return true;
    snprintf(error, error_max, "%s: %s", path, strerror(errno));
    unlink(new_path);
    return false;
}

bool asset_policy_write(const char *path, const json_t *steps, const json_t *addresses,
                        enum asset_policy_phase phase, char *error, size_t error_max)
{
    json_error_t json_error;
    json_t *policy = json_load_file(path, JSON_REJECT_DUPLICATES, &json_error);

    if (!json_is_object(policy)) {
        snprintf(error, error_max, "%s: %s", path, policy == NULL ? json_error.text : "no object");
        json_decref(policy);
        return false;
    }
    json_t *rules = asset_policy_rules(steps, addresses, phase);
    asset_policy_merge(policy, rules, steps, addresses, phase);
    bool written = replace_file(path, policy, error, error_max);
    json_decref(rules);
    json_decref(policy);
    return written;
}
