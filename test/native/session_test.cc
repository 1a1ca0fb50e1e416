// The session: whatever pieces a conversation comes in, its replies are the same, and they are those that Redis and the
// text protocol promise.
#include "native/protocol/session.h"

#include <functional>

#include "test/native/call_gate.h"
#include "test/native/harness.h"
#include "test/native/mem_env.h"
#include "test/native/store_fixture.h"

namespace crabkv::protocol {
namespace {

using test::MemEnv;
using test::OpenStore;
using test::SmallOptions;

// A store with one session, fed by a test that does at once whatever the session asks for.
struct Conversation {
  explicit Conversation(const ServerSettings& given = ServerSettings(), SyncMode sync = SyncMode::kOs)
      : settings(given) {
    store = OpenStore(&env, SmallOptions(sync));
    session = std::make_unique<Session>(store.get(), &settings);
  }
  ~Conversation() {
    session.reset();
    EXPECT_OK(store->Close());
  }

  void Say(std::string_view bytes) { GoOn(session->Feed(bytes)); }
  void GoOn(Session::Outcome outcome) {
    for (;;) {
      // As a server does: what came out is gone before the session goes on.
      replies += session->output().view();
      session->output().Clear();
      switch (outcome) {
        case Session::Outcome::kNeedMore:
          return;
        case Session::Outcome::kClose:
          closed = true;
          return;
        case Session::Outcome::kUp: {
          const std::string name(session->arguments()[0]);
          outcome = session->Answer("+up " + name + "\r\n");
          break;
        }
        case Session::Outcome::kReplied:
          outcome = session->Answer("+captured\r\n");
          break;
        case Session::Outcome::kJob: {
          const std::unique_ptr<SessionJob> job = session->TakeJob();
          while (!job->Step(*store)) {
          }
          outcome = session->Resume();
          break;
        }
        case Session::Outcome::kPaused:
          return;
        case Session::Outcome::kBudget:
        case Session::Outcome::kBusy:
          store->Kick();
          outcome = session->Resume();
          break;
      }
    }
  }
  const std::string& Replies() const { return replies; }

  MemEnv memory;
  test::FaultEnv env{&memory};
  ServerSettings settings;
  std::shared_ptr<Store> store;
  std::unique_ptr<Session> session;
  std::string replies;
  bool closed = false;
};

std::string Resp(const std::vector<std::string>& words) {
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return request;
}

std::string RepliesTo(std::string_view conversation) {
  Conversation talk;
  talk.Say(conversation);
  return talk.Replies() + (talk.closed ? "(closed)" : "");
}

struct Case {
  std::string said;
  std::string answered;
};

std::vector<Case> Corpus() {
  return {
      {"PUT demo value ttl=45\nGET demo\nGET nothing\nDELETE demo\nDELETE demo\nGET demo\n",
       "OK\nVALUE value\nNOT_FOUND\nOK\nNOT_FOUND\nNOT_FOUND\n"},
      {"SET user:1 \"based rust dev\"\r\nGET user:1\r\n", "OK\nVALUE based rust dev\n"},
      {"SETEX session 10 active\nGET session\nEXPIRE session 60\nTTL session\nDEL session\nEX session\nTTL session\n",
       "OK\nVALUE active\n1\n60\n1\n0\n-2\n"},
      {"SETEX session active 10\nGET session\nTTL session\n", "OK\nVALUE active\n10\n"},
      {"SETEX n 10 20\nGET n\nTTL n\nPUT n 1\nTTL n\n", "OK\nVALUE 20\n10\nOK\n-1\n"},
      {"\n\r\n  \nPING\n", "PONG\n"},
      {"PUT k \"a\\nOK\\r\\x00\\xff\"\nGET k\n", "OK\nVALUE \"a\\nOK\\r\\x00\\xff\"\n"},
      {"PUT k '\"quoted\"'\nGET k\nPUT k ''\nGET k\n", "OK\nVALUE \"\\\"quoted\\\"\"\nOK\nVALUE \"\"\n"},
      {"PUT k \"unclosed\nPING\n", "ERR Protocol error: unbalanced quotes in request\n(closed)"},
      {"BOGUS x\nPING\n", "ERR unknown command 'BOGUS', HELP shows all of them\nPONG\n"},
      {"GET\n", "ERR wrong number of arguments for 'get' command, which takes: key\n"},
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n", "(closed)"},
      {"SET a b\nPOST / HTTP/1.1\r\nSET a c\n", "OK\n(closed)"},
      {Resp({"SET", "a", "1"}) + Resp({"INCR", "a"}) + Resp({"GET", "a"}) + Resp({"GET", "b"}),
       "+OK\r\n:2\r\n$1\r\n2\r\n$-1\r\n"},
      {"*0\r\n*-1\r\n" + Resp({"PING"}) + "\r\n" + "PING\r\n", "+PONG\r\n+PONG\r\n"},
      {Resp({"SET", "a", std::string("\r\n$3\0x", 6)}) + Resp({"GET", "a"}),
       std::string("+OK\r\n$6\r\n\r\n$3\0x\r\n", 17)},
      {Resp({"PUT", "a", "b"}), "-ERR unknown command 'PUT', with args beginning with: 'a' 'b' \r\n"},
      {"*1\r\n:4\r\n", "-ERR Protocol error: expected '$', got ':'\r\n(closed)"},
      {"*x\r\n", "-ERR Protocol error: invalid multibulk length\r\n(closed)"},
      {"*1048577\r\n", "-ERR Protocol error: invalid multibulk length\r\n(closed)"},
      {Resp({"PING"}) + "*1\r\n$99999999999\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n(closed)"},
      {"*01\r\n$4\r\nPING\r\n", "-ERR Protocol error: invalid multibulk length\r\n(closed)"},
      {"*1\r\n$04\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n(closed)"},
      {"*1\r\n$+4\r\nPING\r\n", "-ERR Protocol error: invalid bulk length\r\n(closed)"},
      {"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*1\rx$4\rxPING\rx", "$0\r\n\r\n+PONG\r\n"},
      {Resp({"MULTI"}) + Resp({"SET", "x", "1"}) + Resp({"INCR", "x"}) + Resp({"CLIENT", "ID"}) + Resp({"EXEC"}),
       "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:2\r\n+up CLIENT\r\n"},
      {Resp({"MULTI"}) + Resp({"NOPE"}) + Resp({"EXEC"}) + Resp({"EXEC"}),
       "+OK\r\n-ERR unknown command 'NOPE', with args beginning with: \r\n"
       "-EXECABORT Transaction discarded because of previous errors.\r\n-ERR EXEC without MULTI\r\n"},
      {Resp({"WATCH", "w"}) + Resp({"SET", "w", "1"}) + Resp({"MULTI"}) + Resp({"PING"}) + Resp({"EXEC"}),
       "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n"},
      {Resp({"INFO"}) + Resp({"PING"}), "+up INFO\r\n+PONG\r\n"},
      {Resp({"QUIT"}) + Resp({"SET", "a", "b"}), "+OK\r\n(closed)"},
  };
}

TEST(A_conversation_gets_the_replies_that_the_protocols_promise) {
  for (const Case& c : Corpus()) {
    const test::Context context(c.said);
    EXPECT_EQ(RepliesTo(c.said), c.answered);
  }
}

TEST(A_conversation_split_at_any_byte_gets_the_same_replies) {
  test::Random random;
  for (const Case& c : Corpus()) {
    for (size_t split = 1 + random.Below(test::Stride()); split < c.said.size(); split += test::Stride()) {
      Conversation talk;
      talk.Say(std::string_view(c.said).substr(0, split));
      talk.Say(std::string_view(c.said).substr(split));
      EXPECT_EQ(talk.Replies() + (talk.closed ? "(closed)" : ""), c.answered);
    }
  }
}

TEST(A_conversation_dripped_byte_by_byte_gets_the_same_replies) {
  for (const Case& c : Corpus()) {
    Conversation talk;
    for (const char byte : c.said) talk.Say(std::string_view(&byte, 1));
    EXPECT_EQ(talk.Replies() + (talk.closed ? "(closed)" : ""), c.answered);
  }
}

TEST(Exec_is_answered_at_once_and_whole_whatever_its_commands_wait_for) {
  const std::string said = Resp({"SET", "a", "1"}) + Resp({"MULTI"}) + Resp({"KEYS", "*"}) + Resp({"CLIENT", "ID"}) +
                           Resp({"SET", "b", "2"}) + Resp({"KEYS", "b"}) + Resp({"FLUSHALL"}) + Resp({"KEYS", "*"}) +
                           Resp({"SET", "c", "3"}) + Resp({"EXEC"}) + Resp({"KEYS", "*"});
  Conversation talk;
  talk.Say(said);
  EXPECT_EQ(talk.Replies().substr(talk.Replies().find("*7")),
            "*7\r\n*1\r\n$1\r\na\r\n+up CLIENT\r\n+OK\r\n*1\r\n$1\r\nb\r\n+OK\r\n*0\r\n+OK\r\n*1\r\n$1\r\nc\r\n");
}

TEST(Pipelined_requests_beyond_one_turn_are_all_answered_in_order) {
  std::string said;
  std::string answered;
  for (int i = 0; i < 10000; i++) {
    said += Resp({"ECHO", std::to_string(i)});
    const std::string digits = std::to_string(i);
    answered += "$" + std::to_string(digits.size()) + "\r\n" + digits + "\r\n";
  }
  EXPECT_EQ(RepliesTo(said), answered);
}

TEST(Exec_is_one_batch_in_the_log) {
  Conversation talk;
  const uint64_t before = talk.store->Stats().last_version;
  talk.Say(Resp({"MULTI"}) + Resp({"SET", "a", "1"}) + Resp({"SET", "b", "2"}) + Resp({"INCR", "a"}) + Resp({"EXEC"}));
  EXPECT_OK(talk.store->WaitFor(talk.session->TakeGroup(), false));
  // One record for each key: what EXEC leaves, not the steps to it.
  EXPECT_EQ(talk.store->Stats().last_version, before + 2);
  EXPECT_EQ(test::Get(talk.store.get(), "a"), "2");
}

TEST(Exec_does_nothing_when_a_watched_key_only_got_another_deadline) {
  Conversation talk;
  talk.Say(Resp({"SET", "w", "1"}) + Resp({"WATCH", "w"}) + Resp({"EXPIRE", "w", "100"}) + Resp({"MULTI"}) +
           Resp({"SET", "x", "1"}) + Resp({"EXEC"}) + Resp({"EXISTS", "x"}));
  EXPECT_EQ(talk.Replies(), "+OK\r\n+OK\r\n:1\r\n+OK\r\n+QUEUED\r\n*-1\r\n:0\r\n");
}

TEST(Exec_goes_on_when_bits_of_a_watched_key_were_set_to_what_they_were) {
  Conversation talk;
  talk.Say(Resp({"SET", "w", "a"}) + Resp({"WATCH", "w"}) + Resp({"SETBIT", "w", "1", "1"}) +
           Resp({"BITFIELD", "w", "SET", "u8", "0", "97"}) + Resp({"MULTI"}) + Resp({"GET", "w"}) + Resp({"EXEC"}));
  EXPECT_EQ(talk.Replies(), "+OK\r\n+OK\r\n:1\r\n*1\r\n:97\r\n+OK\r\n+QUEUED\r\n*1\r\n$1\r\na\r\n");
}

TEST(A_number_far_below_a_signed_field_is_held_at_the_least_that_fits) {
  Conversation talk;
  talk.Say(Resp({"BITFIELD", "k", "OVERFLOW", "SAT", "SET", "i8", "0", "-9223372036854775808", "GET", "i8", "0"}) +
           Resp({"BITFIELD", "k", "OVERFLOW", "SAT", "INCRBY", "i64", "#1", "-9223372036854775808", "INCRBY", "i64",
                 "#1", "-1"}));
  EXPECT_EQ(talk.Replies(), "*2\r\n:0\r\n:-128\r\n*2\r\n:-9223372036854775808\r\n:-9223372036854775808\r\n");
}

TEST(A_field_behind_the_largest_value_is_refused_before_anything_is_made) {
  Conversation talk;
  const std::string bytes_max = std::to_string(talk.store->options().value_bytes_max);
  const std::string last_bit = std::to_string(talk.store->options().value_bytes_max * 8 - 1);
  talk.Say(Resp({"BITFIELD", "k", "SET", "u8", "#" + bytes_max, "1"}) +
           Resp({"BITFIELD", "k", "SET", "u2", last_bit, "1"}) +
           Resp({"BITFIELD", "k", "GET", "i64", "#9223372036854775807"}) + Resp({"EXISTS", "k"}));
  const std::string refused = "-ERR bit offset is not an integer or out of range\r\n";
  EXPECT_EQ(talk.Replies(), refused + refused + refused + ":0\r\n");
}

TEST(A_paused_command_waits_and_what_came_behind_it_too) {
  Conversation talk;
  talk.settings.paused = ServerSettings::Paused::kWrites;
  talk.Say(Resp({"GET", "a"}) + Resp({"SET", "a", "1"}) + Resp({"GET", "a"}));
  talk.Say(Resp({"PING"}));
  EXPECT_EQ(talk.Replies(), "$-1\r\n");
  talk.GoOn(talk.session->Resume());  // too early: it goes on waiting
  EXPECT_EQ(talk.Replies(), "$-1\r\n");
  talk.settings.paused = ServerSettings::Paused::kNo;
  talk.GoOn(talk.session->Resume());
  EXPECT_EQ(talk.Replies(), "$-1\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n");
}

TEST(Muted_replies_are_not_counted) {
  Conversation talk;
  talk.session->Mute(Session::Muted::kAll);
  talk.Say(Resp({"SET", "a", "1"}) + Resp({"NOPE"}) + Resp({"INFO"}));
  EXPECT_EQ(talk.Replies(), "");
  EXPECT_EQ(talk.session->TakeReplyCount(), 0u);
  talk.session->Mute(Session::Muted::kNone);
  talk.Say(Resp({"GET", "a"}));
  EXPECT_EQ(talk.session->TakeReplyCount(), 1u);
}

TEST(Replies_name_the_group_that_a_reader_must_wait_for_too) {
  Conversation talk(ServerSettings(), SyncMode::kAlways);
  Session reader(talk.store.get(), &talk.settings);
  // Or else the write may be durable before anybody asks.
  test::CallGate gate(&talk.env, test::kSyncCall);
  talk.Say(Resp({"SET", "a", "1"}));
  const uint64_t group = talk.session->TakeGroup();
  EXPECT(group != 0);
  EXPECT(reader.Feed(Resp({"GET", "a"})) == Session::Outcome::kNeedMore);
  EXPECT_EQ(reader.TakeGroup(), group);
  reader.output().Clear();
  gate.Open();
  EXPECT_OK(talk.store->WaitFor(group, true));
  EXPECT_OK(talk.store->WaitFor(group, false));  // that it is durable is told first
  EXPECT(reader.Feed(Resp({"GET", "a"})) == Session::Outcome::kNeedMore);
  EXPECT_EQ(reader.TakeGroup(), 0u);
}

TEST(What_one_request_may_take_is_bounded) {
  ServerSettings settings;
  settings.limits.request_bytes_max = 1 << 20;
  settings.limits.argument_bytes_max = 1 << 19;
  Conversation talk(settings);
  std::string said = "*4\r\n$3\r\nSET\r\n";
  for (int i = 0; i < 3; i++) said += "$524288\r\n" + std::string(524288, 'x') + "\r\n";
  for (size_t at = 0; at < said.size() && !talk.closed; at += 65536) talk.Say(std::string_view(said).substr(at, 65536));
  EXPECT(talk.closed);
  EXPECT(talk.Replies().find("too big request") != std::string::npos);
}

TEST(A_line_without_end_is_refused_at_64_KiB) {
  Conversation talk;
  for (int i = 0; i < 80 && !talk.closed; i++) talk.Say(std::string(1024, 'x'));
  EXPECT(talk.closed);
  EXPECT_EQ(talk.Replies(), "ERR Protocol error: too big inline request\n");
}

TEST(A_line_of_the_longest_length_is_judged_alike_however_it_comes) {
  ServerSettings settings;
  settings.limits.line_bytes_max = 100;
  // Around the bound: lengths that are none, and lines of one word.
  for (size_t length = 95; length < 105; length++) {
    for (const char* const end : {"\r\n", "\n", "\r\r\n", "\r"}) {
      for (const std::string& begin : {std::string("*1\r\n$"), std::string("*"), std::string("PING")}) {
        const std::string said = begin + std::string(length, 'x') + end;
        Conversation whole(settings);
        whole.Say(said);
        Conversation dripped(settings);
        for (size_t at = 0; at < said.size() && !dripped.closed; at++)
          dripped.Say(std::string_view(said).substr(at, 1));
        EXPECT_EQ(dripped.Replies(), whole.Replies());
        EXPECT_EQ(dripped.closed, whole.closed);
      }
    }
  }
}

}  // namespace
}  // namespace crabkv::protocol
