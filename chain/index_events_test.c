/* Topics against those that the deployed contracts use (written by hand here), and logs of every
 * shape. */
#include "chain/index_events.h"

#include <stdlib.h>
#include <string.h>

#include "base/testing.h"

static const struct {
    const char *name;
    const char *topic;
} topics[] = {
    {"Transfer", "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"},
    {"Approval", "0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925"},
    {"Paused", "0x62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258"},
    {"Unpaused", "0x5db9ee0a495bf2e6ff9c91a7834c1ba4fdd244a5e8aa4e537bd38aeae4b073aa"},
    {"OwnershipTransferred", "0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0"},
    {"Initialized", "0x7f26b83ff96e1f2b6a682f133852f6798a09c465da95921460cefb3847402498"},
};

static void topics_are_those_of_the_contracts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(topics) / sizeof(topics[0]); i++) {
        struct chain_hash expected;
        struct chain_hash topic;
        assert_true(hex_decode_exact(expected.bytes, KECCAK_BYTES, topics[i].topic));
        assert_true(index_event_topic(&topic, topics[i].name));
        assert_memory_equal(&topic, &expected, sizeof(topic));
    }
    struct chain_hash none;
    assert_false(index_event_topic(&none, "Nothing"));
}

static void decimals_have_all_256_bits(void **state)
{
    (void)state;
    char text[INDEX_DECIMAL_256_SIZE];
    uint8_t bytes[32] = {0};
    index_decimal_256(text, bytes);
    assert_string_equal(text, "0");
    bytes[31] = 10;
    index_decimal_256(text, bytes);
    assert_string_equal(text, "10");
    memset(bytes, 0xff, sizeof(bytes));
    index_decimal_256(text, bytes);
    assert_string_equal(
        text, "115792089237316195423570985008687907853269984665640564039457584007913129639935");
}

static struct chain_hash address_topic(uint8_t last)
{
    struct chain_hash topic = {{0}};
    topic.bytes[12] = 0xab;
    topic.bytes[31] = last;
    return topic;
}

static struct node_log log_of(const char *name, const uint8_t *data, size_t len)
{
    struct node_log log = {.topic_count = 1, .data = data, .data_len = len};
    assert_true(index_event_topic(&log.topics[0], name));
    return log;
}

static void expect(const struct node_log *log, const char *name, const char *json)
{
    json_t *decoded = index_event_decode(log);
    char *text = json_dumps(decoded, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(index_event_name(log), name);
    assert_string_equal(text, json);
    free(text);
    json_decref(decoded);
}

static void a_transfer_is_decoded(void **state)
{
    (void)state;
    uint8_t data[32] = {[30] = 1};
    struct node_log log = log_of("Transfer", data, sizeof(data));
    log.topics[1] = address_topic(1);
    log.topics[2] = address_topic(2);
    log.topic_count = 3;
    expect(&log, "Transfer",
           "{\"from\":\"0xab00000000000000000000000000000000000001\","
           "\"to\":\"0xab00000000000000000000000000000000000002\",\"value\":\"256\"}");
}

static void booleans_and_strings_are_decoded(void **state)
{
    (void)state;
    uint8_t none[1] = {0};
    struct node_log frozen = log_of("AddressFrozen", none, 0);
    frozen.topics[1] = address_topic(1);
    frozen.topics[2] = (struct chain_hash){{[31] = 1}};
    frozen.topics[3] = address_topic(3);
    frozen.topic_count = 4;
    expect(&frozen, "AddressFrozen",
           "{\"by\":\"0xab00000000000000000000000000000000000003\",\"frozen\":true,"
           "\"wallet\":\"0xab00000000000000000000000000000000000001\"}");
    uint8_t data[128] = {[31] = 18,  [63] = 64,  [95] = 5,   [96] = '4',
                         [97] = '.', [98] = '1', [99] = '.', [100] = '3'};
    struct node_log information = log_of("UpdatedTokenInformation", data, sizeof(data));
    information.topic_count = 4;
    expect(&information, "UpdatedTokenInformation",
           "{\"decimals\":\"18\",\"name\":"
           "\"0x0000000000000000000000000000000000000000000000000000000000000000\","
           "\"onchain_id\":\"0x0000000000000000000000000000000000000000\",\"symbol\":"
           "\"0x0000000000000000000000000000000000000000000000000000000000000000\","
           "\"version\":\"4.1.3\"}");
    data[95] = 65; /* the text reaches beyond the data */
    assert_string_equal(index_event_name(&information), "unknown");
    data[63] = 63; /* no place of a word */
    assert_string_equal(index_event_name(&information), "unknown");
    data[62] = 1; /* behind the end */
    data[63] = 0;
    assert_string_equal(index_event_name(&information), "unknown");
}

/* A token that writes Transfer with other topics (an ERC-721, or a liar) is kept, but is no
 * transfer. */
static void what_has_another_shape_is_kept_raw(void **state)
{
    (void)state;
    uint8_t data[32] = {[31] = 7};
    struct node_log log = log_of("Transfer", data, sizeof(data));
    log.topics[1] = address_topic(1);
    log.topics[2] = address_topic(2);
    for (uint32_t count = 1; count <= NODE_LOG_TOPICS_MAX; count++) {
        log.topic_count = count;
        assert_string_equal(index_event_name(&log), count == 3 ? "Transfer" : "unknown");
    }
    log.topic_count = 3;
    log.data_len = 31;
    assert_string_equal(index_event_name(&log), "unknown");
    log.data_len = 32;
    log.topics[1].bytes[0] = 1; /* more than 20 bytes of address */
    assert_string_equal(index_event_name(&log), "unknown");
    struct node_log bare = {.data = data, .data_len = 2};
    expect(&bare, "unknown", "{\"data\":\"0x0000\",\"topics\":[]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(topics_are_those_of_the_contracts),
        cmocka_unit_test(decimals_have_all_256_bits),
        cmocka_unit_test(a_transfer_is_decoded),
        cmocka_unit_test(booleans_and_strings_are_decoded),
        cmocka_unit_test(what_has_another_shape_is_kept_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
