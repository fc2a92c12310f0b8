#include "chain/transaction.h"

#include "base/testing.h"
#include "chain/rlp.h"
#include "chain/vectors.h"

#include <stdlib.h>
#include <string.h>

#define RAW_MAX 8192

static const uint8_t test_key[TRANSACTION_KEY_BYTES] = {[31] = 7};

static uint64_t member_u64(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value))
        return (uint64_t)json_integer_value(value);
    uint64_t number = 0;
    const char *text = json_string_value(value);
    if (text != NULL && strcmp(text, "0x") != 0) /* the vectors' way to write zero */
        assert_true(hex_quantity_u64(&number, text));
    return number;
}

static void write_storage_keys(struct rlp_writer *fields, const json_t *keys)
{
    uint8_t buffer[RAW_MAX];
    struct rlp_writer items;
    rlp_writer_init(&items, buffer, sizeof(buffer));
    size_t index;
    json_t *key;
    json_array_foreach(keys, index, key)
    {
        uint8_t bytes[32];
        assert_true(hex_decode_exact(bytes, sizeof(bytes), json_string_value(key)));
        rlp_bytes(&items, bytes, sizeof(bytes));
    }
    rlp_list(fields, items.out, items.len);
}

static size_t encode_access_list(uint8_t out[RAW_MAX], const json_t *list)
{
    uint8_t buffer[RAW_MAX];
    struct rlp_writer items;
    rlp_writer_init(&items, buffer, sizeof(buffer));
    size_t index;
    json_t *entry;
    json_array_foreach(list, index, entry)
    {
        uint8_t fields_buffer[RAW_MAX];
        struct rlp_writer fields;
        uint8_t address[ADDRESS_BYTES];
        rlp_writer_init(&fields, fields_buffer, sizeof(fields_buffer));
        assert_true(hex_decode_exact(address, sizeof(address), vectors_text(entry, "address")));
        rlp_bytes(&fields, address, sizeof(address));
        write_storage_keys(&fields, json_object_get(entry, "storageKeys"));
        assert_false(fields.overflowed);
        rlp_list(&items, fields.out, fields.len);
    }
    struct rlp_writer writer;
    rlp_writer_init(&writer, out, RAW_MAX);
    rlp_list(&writer, items.out, items.len);
    assert_false(writer.overflowed);
    return writer.len;
}

/* `calldata` and `access_list` are buffers of RAW_MAX that the transaction will point into. */
static struct transaction from_json(const json_t *json, uint64_t default_chain_id,
                                    uint8_t *calldata, uint8_t *access_list)
{
    struct transaction tx = {.chain_id = member_u64(json, "chainId"),
                             .nonce = member_u64(json, "nonce"),
                             .priority_fee_wei = member_u64(json, "maxPriorityFeePerGas"),
                             .max_fee_wei = member_u64(json, "maxFeePerGas"),
                             .gas_limit = member_u64(json, "gasLimit"),
                             .value_wei = member_u64(json, "value")};
    const char *to = vectors_text(json, "to");
    if (json_object_get(json, "chainId") == NULL)
        tx.chain_id = default_chain_id;
    tx.creates_contract = to == NULL;
    if (to != NULL)
        assert_true(address_parse(&tx.to, to));
    const char *data = vectors_text(json, "data");
    ssize_t len = data == NULL ? 0 : hex_decode(calldata, RAW_MAX, data);
    assert_true(len >= 0);
    tx.calldata = calldata;
    tx.calldata_len = (size_t)len;
    tx.access_list = access_list;
    tx.access_list_len = encode_access_list(access_list, json_object_get(json, "accessList"));
    return tx;
}

static void expect_bytes(const uint8_t *bytes, ssize_t len, const char *hex)
{
    assert_true(len > 0);
    size_t expected_len;
    uint8_t *expected = vectors_bytes(&expected_len, hex);
    assert_int_equal(len, expected_len);
    assert_memory_equal(bytes, expected, expected_len);
    free(expected);
}

static void expect_decoded(const struct transaction *tx, const uint8_t *raw, size_t len,
                           const uint8_t key[TRANSACTION_KEY_BYTES])
{
    struct transaction decoded;
    struct ecdsa_signature signature;
    struct chain_address sender;
    struct chain_address owner;
    assert_true(transaction_decode(&decoded, &signature, &sender, raw, len));
    assert_true(transaction_key_address(&owner, key));
    assert_memory_equal(&sender, &owner, sizeof(owner));
    assert_int_equal(decoded.nonce, tx->nonce);
    uint8_t again[RAW_MAX];
    ssize_t again_len = transaction_encode_signed(again, sizeof(again), &decoded, &signature);
    assert_int_equal(again_len, len);
    assert_memory_equal(again, raw, len);
}

static void check_vector(const json_t *vector, uint64_t default_chain_id)
{
    uint8_t calldata[RAW_MAX];
    uint8_t access_list[RAW_MAX];
    uint8_t raw[RAW_MAX];
    uint8_t key[TRANSACTION_KEY_BYTES];
    struct transaction tx =
        from_json(json_object_get(vector, "transaction"), default_chain_id, calldata, access_list);
    assert_true(hex_decode_exact(key, sizeof(key), vectors_text(vector, "privateKey")));
    ssize_t len = transaction_encode_unsigned(raw, sizeof(raw), &tx);
    expect_bytes(raw, len, vectors_text(vector, "unsignedLondon"));
    len = transaction_sign(raw, sizeof(raw), &tx, key);
    expect_bytes(raw, len, vectors_text(vector, "signedLondon"));
    expect_decoded(&tx, raw, (size_t)len, key);
}

static size_t check_file(const char *name, uint64_t default_chain_id)
{
    json_t *vectors = vectors_load(name);
    size_t index;
    json_t *vector;
    json_array_foreach(vectors, index, vector) check_vector(vector, default_chain_id);
    json_decref(vectors);
    return index;
}

static void all_published_eip_1559_transactions_agree(void **state)
{
    (void)state;
    /* Where a vector names no chain, the older file means 1 and the newer one 0. */
    size_t checked = check_file("ethers/transaction.json.gz", 1);
    checked += check_file("ethers/transactions.json.gz", 0);
    assert_int_equal(checked, 4096);
}

static struct transaction sample(void)
{
    static const uint8_t calldata[] = {1, 2, 3, 4};
    return (struct transaction){.chain_id = 31337,
                                .nonce = 5,
                                .priority_fee_wei = 1,
                                .max_fee_wei = 2000000000,
                                .gas_limit = 300000,
                                .to = {{0xaa}},
                                .calldata = calldata,
                                .calldata_len = sizeof(calldata)};
}

static void signing_is_deterministic(void **state)
{
    (void)state;
    struct transaction tx = sample();
    uint8_t first[512];
    uint8_t second[512];
    ssize_t first_len = transaction_sign(first, sizeof(first), &tx, test_key);
    ssize_t second_len = transaction_sign(second, sizeof(second), &tx, test_key);
    assert_true(first_len > 0);
    assert_int_equal(first_len, second_len);
    assert_memory_equal(first, second, (size_t)first_len);
}

static void every_changed_byte_is_refused_or_has_another_sender(void **state)
{
    (void)state;
    struct transaction tx = sample();
    struct transaction decoded;
    struct chain_address owner;
    struct chain_address sender;
    uint8_t raw[512];
    ssize_t len = transaction_sign(raw, sizeof(raw), &tx, test_key);
    assert_true(transaction_key_address(&owner, test_key));
    for (ssize_t i = 0; i < len; i++) {
        raw[i] ^= 1;
        if (transaction_decode(&decoded, NULL, &sender, raw, (size_t)len))
            assert_false(address_equal(&sender, &owner));
        raw[i] ^= 1;
    }
    for (ssize_t cut = 0; cut < len; cut++)
        assert_false(transaction_decode(&decoded, NULL, NULL, raw, (size_t)cut));
}

static void a_high_s_is_refused(void **state)
{
    (void)state;
    struct transaction tx = sample();
    struct transaction decoded;
    struct ecdsa_signature signature = {.r = {[31] = 1}, .y_parity = 0};
    memset(signature.s, 0xff, sizeof(signature.s));
    signature.s[15] = 0xfe;
    memset(signature.s + 16, 0, 16); /* above half of the order, below the order */
    uint8_t raw[512];
    ssize_t len = transaction_encode_signed(raw, sizeof(raw), &tx, &signature);
    assert_true(len > 0);
    assert_false(transaction_decode(&decoded, NULL, NULL, raw, (size_t)len));
}

static void bad_keys_and_small_buffers_are_refused(void **state)
{
    (void)state;
    const uint8_t zero[TRANSACTION_KEY_BYTES] = {0};
    struct transaction tx = sample();
    struct chain_address address;
    uint8_t raw[512];
    assert_int_equal(transaction_sign(raw, sizeof(raw), &tx, zero), -1);
    assert_false(transaction_key_address(&address, zero));
    assert_int_equal(transaction_sign(raw, 64, &tx, test_key), -1);
    assert_int_equal(transaction_encode_unsigned(raw, 4, &tx), -1);
}

static void created_addresses_are_the_published_ones(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("ethers/create.json.gz");
    size_t index;
    size_t at;
    size_t checked = 0;
    json_t *vector;
    json_t *create;
    json_array_foreach(vectors, index, vector)
    {
        struct chain_address sender;
        assert_true(address_parse(&sender, vectors_text(vector, "sender")));
        json_array_foreach(json_object_get(vector, "creates"), at, create)
        {
            struct chain_address created;
            char text[ADDRESS_TEXT_SIZE];
            transaction_created_address(
                &created, &sender, (uint64_t)json_integer_value(json_object_get(create, "nonce")));
            address_format(text, &created);
            assert_string_equal(text, vectors_text(create, "address"));
            checked++;
        }
    }
    assert_true(checked > 100);
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_published_eip_1559_transactions_agree),
        cmocka_unit_test(signing_is_deterministic),
        cmocka_unit_test(every_changed_byte_is_refused_or_has_another_sender),
        cmocka_unit_test(a_high_s_is_refused),
        cmocka_unit_test(bad_keys_and_small_buffers_are_refused),
        cmocka_unit_test(created_addresses_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
