// Why did this order (not) trade? Its id is the sequence of its command: the state just before that
// is what it met, every event that names it is its life, and the state when it ended (or the
// durable end) has the reason for what is left.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/explain.h"
#include "core/explain_life.h"
#include "core/explain_market.h"
#include "core/explain_record.h"
#include "core/explain_refusal.h"
#include "core/explain_view.h"
#include "core/explain_why.h"
#include "core/explain_words.h"
#include "schema/words.h"

struct asked {
    struct explain_answer *answer;
    struct explain_journal *journal;
    struct explain_life life;
    struct explain_view before; // its command
    bool came, is_order, refused;
    struct event rejection;
};

static bool is_new_order(uint8_t type)
{
    return type == CMD_order_new || type == CMD_order_new_terms;
}

static bool before_command(void *context, const struct replay *replay,
                           const struct command *command)
{
    struct asked *asked = context;
    if (command->header.sequence != asked->life.order)
        return true;
    asked->came = true;
    asked->is_order = is_new_order(command->header.type);
    memcpy(&asked->life.command, command, (size_t)command->header.slots * SLOT_BYTES);
    explain_view_take(&asked->before, replay->engine, &replay->limits);
    explain_market_of(&asked->life.market, &asked->before,
                      asked->life.command.body.order_new.instrument);
    return true;
}

static bool after_command(void *context, const struct replay *replay, const struct command *command)
{
    struct asked *asked = context;
    if (!asked->came)
        return true;
    if (!asked->is_order)
        return false;
    const struct event_sink *sink = &replay->sink;
    const struct event *first = &sink->events[sink->position & sink->mask];
    if (command->header.sequence == asked->life.order && first->header.type == EVT_rejected) {
        asked->refused = true;
        asked->rejection = *first;
        return false;
    }
    return explain_life_command(&asked->life, &asked->before, command, sink);
}

// ---- telling

static void tell_option(char *out, size_t size, const char *name, const char *value)
{
    size_t used = strlen(out);
    snprintf(out + used, size - used, ", %s %s", name, value);
}

static void terms_text(char *out, size_t size, const struct order_new_terms_cmd *order, bool terms,
                       unsigned scale)
{
    out[0] = 0;
    if ((order->flags & ORDER_POST_ONLY) != 0)
        tell_option(out, size, "post", "only");
    if ((order->flags & (ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV)) != 0)
        tell_option(out, size, "confirmed", "by its sender");
    if (!terms)
        return;
    if (order->stop_price != 0)
        tell_option(out, size, "stop price", explain_cash(order->stop_price).text);
    if (order->trail_offset != 0)
        tell_option(out, size, "trails by", explain_cash(order->trail_offset).text);
    if (order->display_quantity != 0)
        tell_option(out, size, "shows", explain_units(order->display_quantity, scale).text);
    if (order->minimum_quantity != 0)
        tell_option(out, size, "minimum", explain_units(order->minimum_quantity, scale).text);
    if (order->expire_ns != 0)
        tell_option(out, size, "until", explain_time(order->expire_ns).text);
}

static void tell_terms(struct asked *asked)
{
    const struct command *command = &asked->life.command;
    const struct order_new_terms_cmd *order =
        &command->body.order_new_terms; // begins like order_new
    unsigned scale = asked->life.market.terms.token_scale;
    char options[256], price[64] = "at market";
    json_t *root = asked->answer->root;
    char *by = explain_by(command);
    terms_text(options, sizeof options, order, command->header.type == CMD_order_new_terms, scale);
    if (order->price != 0)
        snprintf(price, sizeof price, "at %s", explain_cash(order->price).text);
    explain_say(asked->answer, "Order %" PRIu64 ": %s %s %s %s (%s, %s%s)", asked->life.order,
                explain_side_word(order->side), explain_units(order->quantity, scale).text,
                explain_view_symbol(&asked->before, order->instrument).text, price,
                word_of_order_type(order->type), word_of_time_in_force(order->tif), options);
    explain_say(asked->answer, "  of account %u, client id \"%.*s\", by %s", order->account,
                order->client_id_bytes, command_tail(command), by);
    char dump[4096];
    command_dump(command, dump, sizeof dump);
    explain_set_number(root, "order", asked->life.order);
    explain_set(root, "time", "%s", explain_time(command->header.time_ns).text);
    explain_set(root, "by", "%s", by);
    ASSERT(json_object_set_new(root, "command", explain_record(&asked->before, dump)) == 0);
    free(by);
}

static void depth_json(json_t *object, const char *key, const struct explain_depth *depth,
                       unsigned scale)
{
    json_t *made = explain_object(object, key);
    explain_set_number(made, "orders", depth->orders);
    explain_set(made, "quantity", "%s", explain_units(explain_clamp(depth->open), scale).text);
}

// Of an order that enters the book, or is matched, at once.
static void tell_ahead(struct asked *asked, json_t *entry)
{
    const struct order_new_cmd *order = &asked->life.command.body.order_new;
    unsigned scale = asked->life.market.terms.token_scale;
    int64_t price = asked->life.price_at_entry;
    const struct explain_ahead ahead = explain_view_ahead_at(
        &asked->before, order->instrument, order->side, price, order->type == ORDER_MARKET);
    const struct explain_depth reach =
        explain_view_reach(&asked->before, order->instrument, order->side, price);
    explain_say(asked->answer,
                "  ahead of it: %s for %s at better prices, %" PRIu64 " for %s at its price",
                explain_count(ahead.better.orders, "order").text,
                explain_units(explain_clamp(ahead.better.open), scale).text, ahead.level.orders,
                explain_units(explain_clamp(ahead.level.open), scale).text);
    explain_say(asked->answer, "  within its price on the other side: %s for %s",
                explain_count(reach.orders, "order").text,
                explain_units(explain_clamp(reach.open), scale).text);
    json_t *json = explain_object(entry, "ahead");
    depth_json(json, "better", &ahead.better, scale);
    depth_json(json, "level", &ahead.level, scale);
    depth_json(entry, "within_its_price", &reach, scale);
}

static void tell_entry(struct asked *asked)
{
    json_t *entry = explain_object(asked->answer->root, "entry");
    struct explain_market market;
    uint64_t now_ns = asked->life.command.header.time_ns;
    explain_say(asked->answer, "\nWhen it came, %s", explain_time(now_ns).text);
    explain_market_of(&market, &asked->before, asked->life.command.body.order_new.instrument);
    explain_market_tell(asked->answer, entry, &market, &asked->before, now_ns);
    if (asked->life.state_at_entry == ORDER_STATE_OPEN)
        tell_ahead(asked, entry);
    else
        explain_say(asked->answer, "  it did not enter the book yet: %s",
                    explain_state_word(asked->life.state_at_entry));
}

static void tell_result(struct asked *asked, const struct explain_view *last)
{
    const struct explain_life *life = &asked->life;
    unsigned scale = life->market.terms.token_scale;
    json_t *root = asked->answer->root;
    const struct order_rec *open = explain_view_order(last, life->order, NULL);
    const char *state = open != NULL && open->state != ORDER_STATE_OPEN
                            ? explain_state_word(open->state)
                            : explain_life_state(life);
    explain_say(asked->answer, "  %s: %s of %s filled, %s open%s%s", state,
                explain_units(life->filled, scale).text, explain_units(life->quantity, scale).text,
                explain_units(life->leaves, scale).text,
                life->filled != 0 ? ", average price " : "",
                life->filled != 0 ? explain_life_average(life).text : "");
    explain_set(root, "state", "%s", state);
    explain_set(root, "quantity", "%s", explain_units(life->quantity, scale).text);
    explain_set(root, "filled", "%s", explain_units(life->filled, scale).text);
    explain_set(root, "open", "%s", explain_units(life->leaves, scale).text);
    explain_set(root, "fees", "%s", explain_cash(life->fees).text);
    explain_set(root, "held", "%s", explain_life_units(life, life->held).text);
    if (life->filled != 0)
        explain_set(root, "average_price", "%s", explain_life_average(life).text);
}

static int tell(struct asked *asked)
{
    tell_terms(asked);
    if (asked->refused) {
        explain_set(asked->answer->root, "state", "refused");
        explain_say(asked->answer, "  refused\n");
        explain_refusal_tell(asked->answer, &asked->before, &asked->life.command,
                             &asked->rejection);
        return EXPLAIN_ANSWERED;
    }
    struct explain_view last = {0};
    const struct replay *replay = &asked->journal->replay;
    explain_view_take(&last, replay->engine, &replay->limits);
    tell_result(asked, &last);
    tell_entry(asked);
    explain_life_tell(&asked->life, asked->answer);
    explain_why_tell(asked->answer, &asked->life, &last);
    explain_view_free(&last);
    return EXPLAIN_ANSWERED;
}

int explain_order(struct explain_answer *answer, struct explain_journal *journal, uint64_t order)
{
    struct asked asked = {.answer = answer, .journal = journal};
    const struct explain_walk walk = {
        .before = before_command, .after = after_command, .context = &asked};
    if (order == 0) {
        fputs("lonja-explain: an order's id is the sequence of its command, from 1\n", stderr);
        return EXPLAIN_NONE;
    }
    explain_life_begin(&asked.life, order);
    int result = explain_journal_start(journal, order - 1, UINT64_MAX);
    if (result == 0)
        result = explain_journal_run_to(journal, order, &walk);
    if (result == 0 && asked.is_order && !asked.refused && !asked.life.ended)
        result = explain_journal_run(journal, UINT64_MAX, &walk);
    if (result == 0 && !asked.is_order) {
        fprintf(stderr,
                "lonja-explain: sequence %" PRIu64
                " is no order but a %s (lonja journal dump %s --from %" PRIu64 " --to %" PRIu64
                ")\n",
                order, command_name(asked.life.command.header.type), journal->state, order, order);
        result = EXPLAIN_NONE;
    }
    if (result == 0)
        result = tell(&asked);
    explain_view_free(&asked.before);
    explain_life_end(&asked.life);
    return result;
}
