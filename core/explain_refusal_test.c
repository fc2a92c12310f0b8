// What a refusal is explained with: the records that concern its command, and nobody else's.
#include "core/explain_refusal.h"

#include <stdio.h>
#include <string.h>

#include "core/explain_story.h"

// "Sequence …" and the command are left out: what is said of the refusal.
static const char *of_refusal(struct story *story)
{
    const char *text = strchr(strchr(story_refused(story), '\n') + 1, '\n');
    assert_non_null(text);
    return text + 2;
}

static const char *looked_at(struct story *story)
{
    const char *text = strstr(story_refused(story), "\nWhat it looked at");
    assert_non_null(text);
    return strchr(text + 1, '\n') + 1;
}

static void an_asset_is_shown_alone(void **state)
{
    struct story *story = *state;
    start(story->venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = CASH, .kind = ASSET_TOKEN, .scale = 6};
    apply(story->venue);
    assert_string_equal(looked_at(story), "  asset: asset 1, kind 1, scale 6\n");
}

static void an_instrument_that_is_busy_shows_its_orders(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 3 @ 100 gtc");
    TELL(story, "C sells 2 @ 110 gtc");
    story->venue->terms.tick = 2;
    set_terms(story->venue);
    const char *text = of_refusal(story);
    story_expect(text, "INSTRUMENT_BUSY (");
    story_expect(text,
                 "  open orders of instrument 1: 2, worth 0.00052; buys of the instrument for 3\n");
    assert_null(strstr(text, "of account"));
    assert_null(strstr(text, "of member"));
}

static void an_order_shows_those_of_its_account_and_of_its_member(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 3 @ 100 gtc");
    TELL(story, "B buys 2 @ 100 gtc");
    TELL(story, "A sells 1 @ 110 gtc");
    TELL(story, "A sells 2000 @ 110 gtc");
    const char *text = looked_at(story);
    story_expect(text,
                 "  open orders of account 16: 2, worth 0.00041; buys of the instrument for 3\n"
                 "  open orders of member 1: 3, worth 0.00061; buys of the instrument for 5\n");
    assert_null(strstr(text, "of instrument"));
}

// A command with its tail; answers how it begins.
static const char *set(struct story *story, uint8_t type, const void *body, size_t body_bytes,
                       const void *tail, size_t tail_bytes)
{
    struct command *command = start(story->venue, type, GATEWAY_ADMIN);
    command->header.slots = command_slots(type, tail_bytes);
    memcpy(command->body.bytes, body, body_bytes);
    memcpy(command_tail_writable(command), tail, tail_bytes);
    return apply(story->venue);
}
#define SET(story, name, tail, tail_bytes, ...)                                                    \
    set((story), CMD_##name, &(struct name##_cmd)__VA_ARGS__, sizeof(struct name##_cmd), (tail),   \
        (tail_bytes))

static void commands_about_an_instrument_show_what_it_has(void **state)
{
    struct story *story = *state;
    const struct schedule_entry_tail entry = {1000, PHASE_PRE_OPEN, {0}};
    const struct tick_band_tail band = {1000, 10}, crooked = {1001, 10};
    const uint16_t code = 724, descending[] = {724, 250};
    (void)SET(story, instrument_rules_set, "", 0, {.instrument = 1, .order_quantity_min = 2});
    (void)SET(story, tick_table_set, &band, sizeof band, {.instrument = 1, .band_count = 1});
    (void)SET(story, schedule_set, &entry, sizeof entry,
              {.instrument = 1, .weekdays = 127, .entry_count = 1});
    (void)SET(story, instrument_controls_set, "", 0, {.instrument = 1, .position_max = 500});
    (void)SET(story, jurisdictions_set, &code, sizeof code,
              {.instrument = 1, .mode = JURISDICTIONS_EXCEPT, .code_count = 1});
    (void)SET(story, fees_set, "", 0, {.account = FIRST, .buy_maker_bps = 3});
    (void)SET(story, fees_set, "", 0, {.account = FIRST + 1, .buy_maker_bps = 4});
    (void)SET(story, instrument_rules_set, "", 0, {.instrument = 1, .order_quantity_min = -1});
    story_expect(of_refusal(story), "  instrument_rules: instrument 1, order_quantity_min 2\n");
    (void)SET(story, tick_table_set, &crooked, sizeof crooked, {.instrument = 1, .band_count = 1});
    story_expect(of_refusal(story), "  tick_band: instrument 1, count 1, from_price 0.001, ");
    (void)SET(story, schedule_set, &entry, sizeof entry, {.instrument = 1, .entry_count = 1});
    story_expect(of_refusal(story), "  schedule_entry: instrument 1, count 1, phase pre_open, ");
    (void)SET(story, instrument_controls_set, "", 0, {.instrument = 1, .position_max = -1});
    story_expect(of_refusal(story), "  instrument_controls: instrument 1, position_max 500\n");
    (void)SET(story, jurisdictions_set, descending, sizeof descending,
              {.instrument = 1, .mode = JURISDICTIONS_EXCEPT, .code_count = 2});
    story_expect(of_refusal(story), "  jurisdiction: instrument 1, code 724, ");
    (void)SET(story, fees_set, "", 0, {.account = FIRST, .buy_maker_bps = 10001});
    const char *text = of_refusal(story);
    story_expect(text, "  fees: account 16, buy_maker_bps 3\n");
    assert_null(strstr(text, "account 17"));
    (void)SET(story, fees_set, "", 0, {.instrument = 1, .sell_maker_bps = 5});
    (void)SET(story, fees_set, "", 0, {.account = FIRST, .buy_maker_bps = 10001});
    assert_null(strstr(of_refusal(story), "sell_maker_bps 5"));
    (void)SET(story, fees_set, "", 0, {.instrument = 1, .buy_maker_bps = 10001});
    story_expect(of_refusal(story), "  fees: instrument 1, sell_maker_bps 5\n");
}

static void a_settlement_that_does_not_fit_shows_the_buyer(void **state)
{
    struct story *story = *state;
    TELL(story, "C sells 2 @ 100 gtc");
    TELL(story, "A buys 2 @ 100 gtc");
    settle(story->venue, SETTLEMENT_SETTLED, 3, 297);
    assert_string_equal(looked_at(story),
                        "  balance: account 16, asset 1, available 0.0998\n"
                        "  balance: account 16, asset 2, available 1002, unsettled 2\n");
}

static void a_correction_that_does_not_fit_likewise(void **state)
{
    struct story *story = *state;
    start(story->venue, CMD_trade_correct, GATEWAY_ADMIN)->body.trade_correct =
        (struct trade_correct_cmd){.trade_id = 7,
                                   .ref_number = 1000,
                                   .ref_source = REF_ADMIN,
                                   .instrument = 1,
                                   .buyer_account = FIRST + 1,
                                   .seller_account = FIRST + 2,
                                   .quantity = 1,
                                   .operator_id = 5};
    apply(story->venue);
    const char *text = story_refused(story);
    story_expect(text, "trade_correct of operator 5 (admin), refused");
    assert_string_equal(looked_at(story), "  balance: account 17, asset 1, available 0.1\n"
                                          "  balance: account 17, asset 2, available 1000\n");
}

static const char *set_limits(struct story *story, uint8_t scope, uint32_t id, uint8_t flags)
{
    start(story->venue, CMD_limits_set, GATEWAY_ADMIN)->body.limits_set =
        (struct limits_set_cmd){.scope = scope,
                                .id = id,
                                .open_orders_max = scope != LIMIT_SESSION ? id + 70 : 0,
                                .messages_max = scope == LIMIT_SESSION ? id + 70 : 0,
                                .messages_ms = scope == LIMIT_SESSION ? 1000 : 0,
                                .flags = flags};
    return apply(story->venue);
}

// Each has limits, and so has somebody else of its kind.
static void limits_show_those_of_whom_they_are_for(void **state)
{
    struct story *story = *state;
    static const struct {
        uint8_t scope;
        uint32_t id, other;
        const char *shown, *not_shown;
    } lines[] = {{LIMIT_ACCOUNT, FIRST, FIRST + 1,
                  "  limits: scope account, id 16, open_orders_max 86\n", "open_orders_max 87"},
                 {LIMIT_MEMBER, 1, 2, "  limits: scope member, id 1, open_orders_max 71\n",
                  "open_orders_max 72"},
                 {LIMIT_SESSION, 1, 2,
                  "  limits: scope session, id 1, messages_max 71, messages_ms 1000\n",
                  "messages_max 72"}};
    start(story->venue, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = 2;
    apply(story->venue);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_string_equal(set_limits(story, lines[i].scope, lines[i].id, 0), "limits_changed");
        assert_string_equal(set_limits(story, lines[i].scope, lines[i].other, 0), "limits_changed");
    }
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        set_limits(story, lines[i].scope, lines[i].id, UINT8_MAX);
        const char *text = of_refusal(story);
        story_expect(text, "LIMITS (");
        story_expect(text, lines[i].shown);
        assert_null(strstr(text, lines[i].not_shown));
    }
}

static void a_session_shows_itself_as_it_was(void **state)
{
    struct story *story = *state;
    struct account_rec other = story->venue->accounts[0];
    start(story->venue, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = 2;
    apply(story->venue);
    other.account = FIRST + 4;
    other.member = 2;
    memcpy(&start(story->venue, CMD_account_set, GATEWAY_ADMIN)->body, &other, sizeof other);
    assert_string_equal(apply(story->venue), "account_changed");
    set_session(story->venue, 3, GATEWAY_FIX, 0); // accounts 20 and 21: of another member, and none
    const char *text = of_refusal(story);
    story_expect(text, "ACCOUNT_NOT_OF_SESSION (");
    assert_null(strstr(text, "  session: "));
    uint32_t account = FIRST + 4;
    struct command *command = start(story->venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof account);
    command->body.session_set = (struct session_set_cmd){
        .session = 2, .member = 1, .gateway = GATEWAY_WEB, .account_count = 1};
    memcpy(command_tail_writable(command), &account, sizeof account);
    apply(story->venue);
    text = looked_at(story);
    story_expect(text, "  session: session 2, member 1, ");
    assert_null(strstr(text, "session 1,"));
}

// What concerns everybody is shown to everybody.
static void a_reference_shows_how_far_its_source_is(void **state)
{
    struct story *story = *state;
    story->venue->number = 6; // of the deposits that began the story there are eight
    post(story->venue, 'A', CASH, POSTING_WITHDRAWAL, 5);
    const char *text = of_refusal(story);
    story_expect(text, "REFERENCE_");
    story_expect(text, "  reference: ref_source 1, ref_number 8, ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(an_asset_is_shown_alone),
        STORY(an_instrument_that_is_busy_shows_its_orders),
        STORY(an_order_shows_those_of_its_account_and_of_its_member),
        STORY(commands_about_an_instrument_show_what_it_has),
        STORY(a_settlement_that_does_not_fit_shows_the_buyer),
        STORY(a_correction_that_does_not_fit_likewise),
        STORY(limits_show_those_of_whom_they_are_for),
        STORY(a_session_shows_itself_as_it_was),
        STORY(a_reference_shows_how_far_its_source_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
