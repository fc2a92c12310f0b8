// The way of a message in: feed -> QuickFIX parses and checks it against the dictionary -> session
// rules -> fromAdmin / fromApp -> our callbacks. Out: send -> Message -> numbered by QuickFIX ->
// our store -> to_wire.
//
// A ResendRequest is taken out before QuickFIX acts on it: it would build the whole answer in
// memory at once. It is replaced by a Heartbeat of the same header, so that numbers, CompIDs and
// times are judged as ever, and then handed to the owner. So the store is never asked for messages
// back.
//
// QuickFIX ends a session when the time of day leaves its range, and resets the numbers when the
// store's creation time lies in another range than now. Lonja's sessions last until somebody resets
// them: the range is the whole day (it ends one nanosecond before it starts) and the creation time
// is always now.
#include "gateway/fix/shim.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include <quickfix/Application.h>
#include <quickfix/DataDictionary.h>
#include <quickfix/DataDictionaryProvider.h>
#include <quickfix/Group.h>
#include <quickfix/Log.h>
#include <quickfix/MessageStore.h>
#include <quickfix/Responder.h>
#include <quickfix/Session.h>

#include "dictionary.inc" // FIX_DICTIONARY, made from schema/fix/LONJA44.xml

static void note(const fix_session_events *events, void *context, const std::string &text)
{
    events->note(context, text.c_str());
}

struct fix_message {
    const FIX::Message *message;
};

struct fix_dialect {
    FIX::DataDictionaryProvider provider;
    const FIX::DataDictionary *dictionary;
};

namespace
{

class Store : public FIX::MessageStore
{
  public:
    Store(const fix_session_events *events, void *context) : m_events(events), m_context(context)
    {
    }
    bool set(int number, const std::string &text) throw(FIX::IOException)
    {
        FIX::MsgType type = FIX::identifyType(text);
        m_events->keep(m_context, static_cast<uint32_t>(number),
                       !FIX::Message::isAdminMsgType(type), text.data(), text.size());
        return true;
    }
    void get(int, int, std::vector<std::string> &) const throw(FIX::IOException)
    {
        throw FIX::IOException("resends do not go through the session layer");
    }
    int getNextSenderMsgSeqNum() const throw(FIX::IOException)
    {
        return static_cast<int>(m_events->next_out(m_context));
    }
    int getNextTargetMsgSeqNum() const throw(FIX::IOException)
    {
        return static_cast<int>(m_events->next_in(m_context));
    }
    void setNextSenderMsgSeqNum(int number) throw(FIX::IOException)
    {
        m_events->set_next_out(m_context, static_cast<uint32_t>(number));
    }
    void setNextTargetMsgSeqNum(int number) throw(FIX::IOException)
    {
        m_events->set_next_in(m_context, static_cast<uint32_t>(number));
    }
    void incrNextSenderMsgSeqNum() throw(FIX::IOException)
    {
        m_events->set_next_out(m_context, m_events->next_out(m_context) + 1);
    }
    void incrNextTargetMsgSeqNum() throw(FIX::IOException)
    {
        m_events->set_next_in(m_context, m_events->next_in(m_context) + 1);
    }
    FIX::UtcTimeStamp getCreationTime() const throw(FIX::IOException)
    {
        return FIX::UtcTimeStamp();
    }
    void reset() throw(FIX::IOException)
    {
        m_events->reset(m_context);
    }
    void refresh() throw(FIX::IOException)
    {
    }

  private:
    const fix_session_events *m_events;
    void *m_context;
};

class Log : public FIX::Log
{
  public:
    Log(const fix_session_events *events, void *context) : m_events(events), m_context(context)
    {
    }
    void clear()
    {
    }
    void backup()
    {
    }
    void onIncoming(const std::string &)
    {
    }
    void onOutgoing(const std::string &)
    {
    }
    void onEvent(const std::string &text)
    {
        note(m_events, m_context, text);
    }

  private:
    const fix_session_events *m_events;
    void *m_context;
};

class StoreFactory : public FIX::MessageStoreFactory
{
  public:
    StoreFactory(const fix_session_events *events, void *context)
        : m_events(events), m_context(context)
    {
    }
    FIX::MessageStore *create(const FIX::SessionID &)
    {
        return new Store(m_events, m_context);
    }
    void destroy(FIX::MessageStore *store)
    {
        delete store;
    }

  private:
    const fix_session_events *m_events;
    void *m_context;
};

class LogFactory : public FIX::LogFactory
{
  public:
    LogFactory(const fix_session_events *events, void *context)
        : m_events(events), m_context(context)
    {
    }
    FIX::Log *create()
    {
        return new Log(m_events, m_context);
    }
    FIX::Log *create(const FIX::SessionID &)
    {
        return create();
    }
    void destroy(FIX::Log *log)
    {
        delete log;
    }

  private:
    const fix_session_events *m_events;
    void *m_context;
};

enum { SENDING_TIME_SECONDS_MAX = 120 }; // the session layer's own

FIX::TimeRange always()
{
    return FIX::TimeRange(FIX::UtcTimeOnly(12, 0, 0, 1, 9), FIX::UtcTimeOnly(12, 0, 0, 0, 9));
}

std::string text_of(const fix_text &text)
{
    return std::string(text.at, text.bytes);
}

} // namespace

struct fix_session : public FIX::Application, public FIX::Responder {
    fix_session(fix_dialect *dialect, const FIX::SessionID &id, const fix_session_events *an_events,
                void *a_context)
        : dictionary(dialect->dictionary), events(an_events), context(a_context),
          stores(an_events, a_context), logs(an_events, a_context),
          layer(*this, stores, id, dialect->provider, always(), 0, &logs)
    {
        layer.setTimestampPrecision(3);
    }

    // What the session layer tells the application.
    void onCreate(const FIX::SessionID &)
    {
    }
    void onLogon(const FIX::SessionID &)
    {
        events->logged_on(context);
    }
    void onLogout(const FIX::SessionID &)
    {
        events->logged_off(context);
    }
    void toAdmin(FIX::Message &, const FIX::SessionID &)
    {
    }
    void toApp(FIX::Message &, const FIX::SessionID &) throw(FIX::DoNotSend)
    {
    }
    void fromAdmin(const FIX::Message &message,
                   const FIX::SessionID &) throw(FIX::FieldNotFound, FIX::IncorrectDataFormat,
                                                 FIX::IncorrectTagValue, FIX::RejectLogon)
    {
        if (message.getHeader().getField(FIX::FIELD::MsgType) != "A")
            return;
        fix_message view = {&message};
        const char *refusal = events->logon_verdict(context, &view);
        if (refusal != NULL)
            throw FIX::RejectLogon(refusal);
    }
    void fromApp(const FIX::Message &message,
                 const FIX::SessionID &) throw(FIX::FieldNotFound, FIX::IncorrectDataFormat,
                                               FIX::IncorrectTagValue, FIX::UnsupportedMessageType)
    {
        fix_message view = {&message};
        uint32_t wrong_tag = 0;
        switch (events->message(context, &view, &wrong_tag)) {
        case FIX_TAKEN:
            return;
        case FIX_TYPE_REFUSED:
            throw FIX::UnsupportedMessageType();
        case FIX_VALUE_REFUSED:
            throw FIX::IncorrectTagValue(static_cast<int>(wrong_tag));
        }
    }

    // Where its bytes go.
    bool send(const std::string &text)
    {
        events->to_wire(context, text.data(), text.size());
        return true;
    }
    void disconnect()
    {
        events->hang_up(context);
    }

    void feed(const std::string &text)
    {
        FIX::UtcTimeStamp now;
        FIX::Message message(text, *dictionary, true);
        resend_range range = {0, 0};
        std::string fault = layer.isLoggedOn() ? "" : logon_fault(message, now);
        if (!fault.empty()) {
            refuse_logon(fault);
        } else if (layer.isLoggedOn() && is_resend_request(message, &range)) {
            feed_resend_request(message, range, now);
        } else {
            layer.next(message, now);
        }
    }

    const FIX::DataDictionary *dictionary;
    const fix_session_events *events;
    void *context;
    StoreFactory stores;
    LogFactory logs;
    FIX::Session layer;

  private:
    struct resend_range {
        long long first, last;
    };

    // False also for one that is broken: the session layer then rejects it.
    bool is_resend_request(const FIX::Message &message, resend_range *range) const
    {
        if (message.getHeader().getField(FIX::FIELD::MsgType) != "2" ||
            !message.getHeader().isSetField(FIX::FIELD::MsgSeqNum))
            return false;
        try {
            dictionary->validate(message);
        } catch (const std::exception &) {
            return false;
        }
        // Whole numbers, as they have been validated; too long ones stay out of range.
        range->first = std::strtoll(message.getField(FIX::FIELD::BeginSeqNo).c_str(), NULL, 10);
        range->last = std::strtoll(message.getField(FIX::FIELD::EndSeqNo).c_str(), NULL, 10);
        return true;
    }

    void feed_resend_request(const FIX::Message &message, const resend_range &range,
                             const FIX::UtcTimeStamp &now)
    {
        int number =
            FIX::IntConvertor::convert(message.getHeader().getField(FIX::FIELD::MsgSeqNum));
        bool repeated = number < layer.getExpectedTargetNum();
        FIX::Message heartbeat;
        heartbeat.getHeader() = message.getHeader();
        heartbeat.getHeader().setField(FIX::MsgType("0"));
        layer.next(heartbeat, now);
        if (repeated || !layer.isLoggedOn())
            return;
        if (range.first < 1 || range.first > INT32_MAX)
            reject_value(message, FIX::FIELD::BeginSeqNo);
        else if (range.last != 0 && (range.last < range.first || range.last > INT32_MAX))
            reject_value(message, FIX::FIELD::EndSeqNo);
        else
            events->resend_requested(context, static_cast<uint32_t>(range.first),
                                     static_cast<uint32_t>(range.last));
    }

    void reject_value(const FIX::Message &message, int tag)
    {
        FIX::Message reject;
        reject.getHeader().setField(FIX::MsgType("3"));
        reject.setField(FIX::FIELD::RefSeqNum,
                        message.getHeader().getField(FIX::FIELD::MsgSeqNum));
        reject.setField(FIX::FIELD::RefMsgType, message.getHeader().getField(FIX::FIELD::MsgType));
        reject.setField(FIX::FIELD::RefTagID, FIX::IntConvertor::convert(tag));
        reject.setField(FIX::FIELD::SessionRejectReason, "5"); // incorrect value for this tag
        reject.setField(FIX::FIELD::Text, "Value is incorrect (out of range) for this tag");
        layer.send(reject);
    }

    // What the session layer would hang up for without a word, because nobody is logged on to whom
    // a Reject could be said.
    std::string logon_fault(const FIX::Message &message, const FIX::UtcTimeStamp &now) const
    {
        if (message.getHeader().getField(FIX::FIELD::MsgType) != "A")
            return "";
        std::string fault = dialect_fault(message);
        if (!fault.empty())
            return fault;
        const std::string &number = message.getHeader().getField(FIX::FIELD::MsgSeqNum);
        long long value = std::strtoll(number.c_str(), NULL, 10);
        if (value < 1 || value > INT32_MAX)
            return "MsgSeqNum is out of range";
        FIX::SendingTime sent;
        message.getHeader().getField(sent);
        if (std::abs(now - sent.getValue()) > SENDING_TIME_SECONDS_MAX)
            return "SendingTime is not within 120 seconds of ours";
        return "";
    }

    std::string dialect_fault(const FIX::Message &message) const
    {
        try {
            dictionary->validate(message);
            return "";
        } catch (const FIX::InvalidTagNumber &error) {
            return fault_of(error);
        } catch (const FIX::RequiredTagMissing &error) {
            return fault_of(error);
        } catch (const FIX::TagNotDefinedForMessage &error) {
            return fault_of(error);
        } catch (const FIX::NoTagValue &error) {
            return fault_of(error);
        } catch (const FIX::IncorrectTagValue &error) {
            return fault_of(error);
        } catch (const FIX::IncorrectDataFormat &error) {
            return fault_of(error);
        } catch (const FIX::TagOutOfOrder &error) {
            return fault_of(error);
        } catch (const FIX::RepeatedTag &error) {
            return fault_of(error);
        } catch (const std::exception &error) {
            return error.what();
        }
    }

    template <class Error> static std::string fault_of(const Error &error)
    {
        return std::string(error.what()) + ", tag " + FIX::IntConvertor::convert(error.field);
    }

    // In the words of the session layer for what the owner refuses.
    void refuse_logon(const std::string &fault)
    {
        FIX::Message logout;
        logout.getHeader().setField(FIX::MsgType("5"));
        logout.setField(FIX::Text("Rejected Logon Attempt: " + fault));
        layer.send(logout);
        layer.disconnect();
    }
};

// ---- the door -----------------------------------------------------------------------------------

struct fix_dialect *fix_dialect_create(void)
{
    try {
        std::istringstream text(FIX_DICTIONARY);
        std::unique_ptr<fix_dialect> dialect(new fix_dialect);
        std::unique_ptr<FIX::DataDictionary> dictionary(new FIX::DataDictionary(text));
        dictionary->checkUserDefinedFields(true);
        dialect->dictionary = dictionary.get();
        dialect->provider.addTransportDataDictionary(
            FIX::BeginString("FIX.4.4"),
            ptr::shared_ptr<FIX::DataDictionary>(dictionary.release()));
        return dialect.release();
    } catch (const std::exception &error) {
        std::fprintf(stderr, "FIX dictionary: %s\n", error.what());
        return NULL;
    }
}

void fix_dialect_destroy(struct fix_dialect *dialect)
{
    delete dialect;
}

struct fix_session *fix_session_create(struct fix_dialect *dialect, const char *our_comp_id,
                                       const char *peer_comp_id,
                                       const struct fix_session_events *events, void *context)
{
    FIX::SessionID id("FIX.4.4", our_comp_id, peer_comp_id);
    if (FIX::Session::doesSessionExist(id))
        return NULL;
    return new fix_session(dialect, id, events, context);
}

void fix_session_destroy(struct fix_session *session)
{
    delete session;
}

void fix_session_connect(struct fix_session *session)
{
    session->layer.logon(); // allows it; the peer's Logon is what opens it
    session->layer.setResponder(session);
}

bool fix_session_feed(struct fix_session *session, const char *bytes, size_t count)
{
    try {
        session->feed(std::string(bytes, count));
        return true;
    } catch (const FIX::InvalidMessage &error) {
        note(session->events, session->context, error.what());
        return false;
    } catch (const std::exception &error) { // nothing of this is expected: end the connection
        note(session->events, session->context, error.what());
        session->layer.disconnect();
        return true;
    }
}

void fix_session_tick(struct fix_session *session)
{
    try {
        session->layer.next();
    } catch (const std::exception &error) {
        note(session->events, session->context, error.what());
        session->layer.disconnect();
    }
}

void fix_session_disconnect(struct fix_session *session)
{
    session->layer.disconnect();
}

void fix_session_logout(struct fix_session *session, const char *reason)
{
    session->layer.logout(reason);
    fix_session_tick(session);
}

bool fix_session_logged_on(const struct fix_session *session)
{
    return const_cast<fix_session *>(session)->layer.isLoggedOn();
}

void fix_session_send(struct fix_session *session, const char *msg_type, bool poss_resend,
                      const struct fix_field *fields, size_t field_count,
                      const struct fix_group *groups, size_t group_count)
{
    FIX::Message message;
    message.getHeader().setField(FIX::FIELD::MsgType, msg_type);
    if (poss_resend)
        message.getHeader().setField(FIX::FIELD::PossResend, "Y");
    for (size_t i = 0; i < field_count; i++)
        message.setField(static_cast<int>(fields[i].tag), text_of(fields[i].value));
    for (size_t i = 0; i < group_count; i++) {
        FIX::Group group(static_cast<int>(groups[i].count_tag),
                         static_cast<int>(groups[i].fields[0].tag));
        for (size_t j = 0; j < groups[i].field_count; j++)
            group.setField(static_cast<int>(groups[i].fields[j].tag),
                           text_of(groups[i].fields[j].value));
        message.addGroup(group);
    }
    session->layer.send(message);
}

static bool field_of(const FIX::FieldMap &map, uint32_t tag, struct fix_text *out)
{
    int number = static_cast<int>(tag);
    if (!map.isSetField(number))
        return false;
    const std::string &value = map.getField(number);
    out->at = value.data();
    out->bytes = value.size();
    return true;
}

bool fix_message_field(const struct fix_message *message, uint32_t tag, struct fix_text *out)
{
    return field_of(message->message->getHeader(), tag, out) ||
           field_of(*message->message, tag, out);
}

bool fix_message_group_field(const struct fix_message *message, uint32_t count_tag, uint32_t entry,
                             uint32_t tag, struct fix_text *out)
{
    int count = static_cast<int>(count_tag), number = static_cast<int>(entry);
    const FIX::FieldMap &map = *message->message;
    return map.hasGroup(number, count) && field_of(map.getGroupRef(number, count), tag, out);
}
