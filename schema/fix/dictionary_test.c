// Our dialect against FIX Orchestra's machine-readable FIX 4.4: every field has the standard's name
// and type, every message the standard's name, every field of a message belongs to it there, and
// what the standard requires of a message we require, too (5001 and up are ours). Skipped where the
// standard's file is absent. What FIX 4.4 has no tag for is taken from later versions and extension
// packs: those are listed here, as FIX Latest has them.
#include "base/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <libxml/parser.h>

static const char standard_path[] = "../shared/data/fix-orchestra/OrchestraFIX44.xml";
static const char dialect_path[] = "schema/fix/LONJA44.xml";

enum { TAGS = 10000, OWN_TAG_MIN = 5001, STANDARD_HEADER = 1024, STANDARD_TRAILER = 1025 };

struct later_field {
    unsigned tag;
    const char *name, *type;
};

static const struct later_field later_fields[] = {
    {1138, "DisplayQty", "Qty"},
    {1461, "NoTargetPartyIDs", "NumInGroup"},
    {1462, "TargetPartyID", "String"},
    {1463, "TargetPartyIDSource", "char"},
    {1464, "TargetPartyRole", "int"},
    {2362, "SelfMatchPreventionID", "String"},
    {2964, "SelfMatchPreventionInstruction", "int"},
};

// Fields of FIX 4.4 in messages that got them later. (Account in q and r is our own addition.)
static const struct {
    const char *message;
    unsigned tag;
} later_uses[] = {{"8", 574}, {"q", 1}, {"r", 1}};

static const struct later_field *later_field(unsigned tag)
{
    for (size_t i = 0; i < sizeof later_fields / sizeof later_fields[0]; i++)
        if (later_fields[i].tag == tag)
            return &later_fields[i];
    return NULL;
}

static bool is_later(const char *message, unsigned tag)
{
    for (size_t i = 0; i < sizeof later_uses / sizeof later_uses[0]; i++)
        if (later_uses[i].tag == tag && strcmp(later_uses[i].message, message) == 0)
            return true;
    return later_field(tag) != NULL;
}

struct dictionaries {
    xmlDocPtr standard, dialect;
};

static bool is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static const char *attribute(xmlNode *node, const char *name, char out[64])
{
    xmlChar *value = xmlGetProp(node, (const xmlChar *)name);
    snprintf(out, 64, "%s", value == NULL ? "" : (const char *)value);
    xmlFree(value);
    return out;
}

// The first element below `node`, at any depth, with that name and attribute.
static xmlNode *find(xmlNode *node, const char *element, const char *name, const char *value)
{
    char text[64];
    for (xmlNode *at = node; at != NULL; at = at->next) {
        if (is(at, element) && strcmp(attribute(at, name, text), value) == 0)
            return at;
        xmlNode *found = find(at->children, element, name, value);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static unsigned tag_of_name(struct dictionaries *both, const char *name)
{
    char text[64];
    xmlNode *fields = find(xmlDocGetRootElement(both->dialect)->children, "fields", "", "");
    xmlNode *field = find(fields->children, "field", "name", name);
    if (field == NULL)
        fail_msg("field %s is not among the dialect's fields", name);
    return (unsigned)atoi(attribute(field, "number", text));
}

// ---- the standard's messages --------------------------------------------------------------------

struct content {
    bool has[TAGS], required[TAGS];
};

static void expand(struct dictionaries *both, xmlNode *node, bool required, struct content *out);

static void expand_ref(struct dictionaries *both, xmlNode *ref, const char *element, bool required,
                       struct content *out)
{
    char id[64];
    attribute(ref, "id", id);
    if (strcmp(element, "component") == 0 &&
        (atoi(id) == STANDARD_HEADER || atoi(id) == STANDARD_TRAILER))
        return;
    xmlNode *target = find(xmlDocGetRootElement(both->standard)->children, element, "id", id);
    assert_non_null(target);
    expand(both, target->children, required, out);
}

static void expand(struct dictionaries *both, xmlNode *node, bool required, struct content *out)
{
    char id[64], presence[64];
    for (; node != NULL; node = node->next) {
        bool here = required && strcmp(attribute(node, "presence", presence), "required") == 0;
        if (is(node, "fieldRef") || is(node, "numInGroup")) {
            int tag = atoi(attribute(node, "id", id));
            assert_in_range(tag, 1, TAGS - 1);
            out->has[tag] = true;
            out->required[tag] = out->required[tag] || here;
        } else if (is(node, "componentRef")) {
            expand_ref(both, node, "component", here, out);
        } else if (is(node, "groupRef")) {
            expand_ref(both, node, "group", false, out);
        } else if (is(node, "structure")) {
            expand(both, node->children, required, out);
        }
    }
}

// ---- tests --------------------------------------------------------------------------------------

static void standard_type(struct dictionaries *both, xmlNode *field, char out[64])
{
    attribute(field, "type", out);
    if (strstr(out, "CodeSet") == NULL)
        return;
    xmlNode *codes = find(xmlDocGetRootElement(both->standard)->children, "codeSet", "name", out);
    assert_non_null(codes);
    attribute(codes, "type", out);
}

static void every_field_has_the_standards_name_and_type(void **state)
{
    struct dictionaries *both = *state;
    xmlNode *root = xmlDocGetRootElement(both->dialect);
    xmlNode *standard_fields =
        find(xmlDocGetRootElement(both->standard)->children, "fields", "", "");
    char number[64], name[64], type[64], expected[64];
    unsigned count = 0;
    for (xmlNode *at = find(root->children, "fields", "", "")->children; at != NULL;
         at = at->next) {
        if (!is(at, "field") || atoi(attribute(at, "number", number)) >= OWN_TAG_MIN)
            continue;
        xmlNode *field = find(standard_fields->children, "field", "id", number);
        const struct later_field *later = later_field((unsigned)atoi(number));
        if (field == NULL && later == NULL)
            fail_msg("the standard has no field %s", number);
        attribute(at, "name", name);
        if (field != NULL) {
            assert_null(later);
            assert_string_equal(name, attribute(field, "name", expected));
            standard_type(both, field, expected);
        } else {
            assert_string_equal(name, later->name);
            snprintf(expected, sizeof expected, "%s", later->type);
        }
        if (strcasecmp(attribute(at, "type", type), expected) != 0)
            fail_msg("field %s is %s, in the standard %s", name, type, expected);
        count++;
    }
    assert_true(count > 100);
}

// The tags of one of our messages; a component's fields are required where both say so.
static void take_ours(struct dictionaries *both, xmlNode *node, bool required, struct content *out)
{
    char name[64], text[64];
    for (; node != NULL; node = node->next) {
        bool here = required && strcmp(attribute(node, "required", text), "Y") == 0;
        if (is(node, "component")) {
            xmlNode *components =
                find(xmlDocGetRootElement(both->dialect)->children, "components", "", "");
            xmlNode *target =
                find(components->children, "component", "name", attribute(node, "name", name));
            assert_non_null(target);
            take_ours(both, target->children, here, out);
        } else if (is(node, "field") || is(node, "group")) {
            unsigned tag = tag_of_name(both, attribute(node, "name", name));
            out->has[tag] = true;
            out->required[tag] = here;
            take_ours(both, node->children, false, out);
        }
    }
}

static void message_check(struct dictionaries *both, xmlNode *message)
{
    static struct content standard, ours;
    char type[64], name[64], expected[64];
    memset(&standard, 0, sizeof standard);
    memset(&ours, 0, sizeof ours);
    xmlNode *target = find(xmlDocGetRootElement(both->standard)->children, "message", "msgType",
                           attribute(message, "msgtype", type));
    assert_non_null(target);
    assert_string_equal(attribute(message, "name", name), attribute(target, "name", expected));
    expand(both, target->children, true, &standard);
    take_ours(both, message->children, true, &ours);
    for (unsigned tag = 1; tag < TAGS; tag++) {
        if (ours.has[tag] && tag < OWN_TAG_MIN && !standard.has[tag] && !is_later(type, tag))
            fail_msg("%s: the standard has no field %u there", name, tag);
        if (standard.required[tag] && !ours.required[tag])
            fail_msg("%s: the standard requires field %u", name, tag);
    }
}

static void every_message_is_the_standards(void **state)
{
    struct dictionaries *both = *state;
    xmlNode *root = xmlDocGetRootElement(both->dialect);
    unsigned count = 0;
    for (xmlNode *at = find(root->children, "messages", "", "")->children; at != NULL;
         at = at->next)
        if (is(at, "message")) {
            message_check(both, at);
            count++;
        }
    assert_int_equal(count, 21);
}

static int set_up(void **state)
{
    static struct dictionaries both;
    if (access(standard_path, R_OK) != 0) {
        print_message("skipped: %s is not there\n", standard_path);
        exit(0);
    }
    both.standard = xmlReadFile(standard_path, NULL, XML_PARSE_NONET);
    both.dialect = xmlReadFile(dialect_path, NULL, XML_PARSE_NONET);
    assert_non_null(both.standard);
    assert_non_null(both.dialect);
    *state = &both;
    return 0;
}

static int tear_down(void **state)
{
    struct dictionaries *both = *state;
    xmlFreeDoc(both->standard);
    xmlFreeDoc(both->dialect);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_the_standards_name_and_type),
        cmocka_unit_test(every_message_is_the_standards),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
