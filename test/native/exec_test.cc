// EXEC whose commands go up, walk over all keys or only read; and FLUSHALL on a store that takes no more writes.
#include "native/protocol/session.h"

#include <thread>

#include "test/native/call_gate.h"
#include "test/native/harness.h"
#include "test/native/mem_env.h"
#include "test/native/store_fixture.h"

namespace crabkv::protocol {
namespace {

using test::OpenStore;
using test::SmallOptions;

std::string Resp(const std::vector<std::string>& words) {
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return request;
}

// A session whose commands that go up are all answered alike.
struct Talk {
  explicit Talk(const ServerSettings& given = ServerSettings(), const Options& options = SmallOptions(SyncMode::kOs))
      : settings(given) {
    Open(options);
  }
  ~Talk() { Close(); }

  void Open(const Options& options) {
    store = OpenStore(&env, options);
    session = std::make_unique<Session>(store.get(), &settings);
  }
  void Close() {
    session.reset();
    EXPECT_OK(store->Close());
  }

  std::string Say(std::string_view bytes) {
    std::string replies;
    Session::Outcome outcome = session->Feed(bytes);
    for (;;) {
      replies += session->output().view();
      session->ClearOutput();
      if (outcome == Session::Outcome::kNeedMore) return replies;
      if (outcome == Session::Outcome::kUp) {
        outcome = session->Answer(answer);
        continue;
      }
      if (outcome == Session::Outcome::kJob) {
        const std::unique_ptr<SessionJob> job = session->TakeJob();
        while (!job->Step(*store)) {
        }
      }
      store->Kick();
      outcome = session->Resume();
    }
  }
  // MULTI, the commands and EXEC; what EXEC answers.
  std::string Exec(const std::vector<std::vector<std::string>>& commands) {
    std::string queued = "+OK\r\n";
    std::string said = Resp({"MULTI"});
    for (const std::vector<std::string>& words : commands) {
      said += Resp(words);
      queued += "+QUEUED\r\n";
    }
    EXPECT_EQ(Say(said), queued);
    return Say(Resp({"EXEC"}));
  }

  test::MemEnv memory;
  test::FaultEnv env{&memory};
  ServerSettings settings;
  std::shared_ptr<Store> store;
  std::unique_ptr<Session> session;
  std::string answer = "+up\r\n";
};

TEST(Exec_does_nothing_when_what_its_last_command_answers_up_there_makes_the_reply_too_large) {
  ServerSettings settings;
  settings.reply_bytes_max = 1000;
  Talk talk(settings);
  const std::string half(600, 'x');
  const std::string too_large =
      "-ERR the reply, or what the command needs for it, is larger than 1000 bytes\r\n$-1\r\n";
  talk.answer = "+" + half + "\r\n";
  EXPECT_EQ(talk.Exec({{"SET", "done", "yes"}, {"ECHO", half}, {"INFO"}}) + talk.Say(Resp({"GET", "done"})), too_large);
  EXPECT(talk.session->TakeExecFate() == Session::Fate::kDropped);
  talk.answer = "+" + half + half + "\r\n";
  EXPECT_EQ(talk.Exec({{"SET", "done", "yes"}, {"INFO"}}) + talk.Say(Resp({"GET", "done"})), too_large);
  EXPECT_EQ(talk.Exec({{"SET", "done", "yes"}}), "*1\r\n+OK\r\n");
}

// It would take minutes if what is answered already were copied for each of them, and that is a hang.
TEST(Exec_answers_as_many_commands_that_go_up_as_fit_into_a_reply) {
  constexpr size_t kCommands = 60000;
  Talk talk;
  talk.answer = "+" + std::string(1000, 'x') + "\r\n";
  EXPECT_EQ(talk.Say(Resp({"MULTI"})), "+OK\r\n");
  for (size_t i = 0; i < kCommands; i++) talk.Say(Resp({"INFO"}));
  const std::string header = "*" + std::to_string(kCommands) + "\r\n";
  const std::string reply = talk.Say(Resp({"EXEC"}));
  EXPECT_EQ(reply.size(), header.size() + kCommands * talk.answer.size());
  EXPECT_EQ(reply.substr(0, header.size() + talk.answer.size()), header + talk.answer);
}

TEST(Replies_before_exec_stay_before_it_however_often_it_waits) {
  Talk talk;
  const std::string said = Resp({"ECHO", "before"}) + Resp({"MULTI"}) + Resp({"INFO"}) + Resp({"KEYS", "*"}) +
                           Resp({"INFO"}) + Resp({"EXEC"}) + Resp({"ECHO", "behind"});
  const std::string answered =
      "$6\r\nbefore\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+up\r\n*0\r\n+up\r\n$6\r\nbehind\r\n";
  EXPECT_EQ(talk.Say(said), answered);
  // The same when nobody takes what came out before the end.
  EXPECT(talk.session->Feed(said) == Session::Outcome::kUp);
  EXPECT(talk.session->Answer(talk.answer) == Session::Outcome::kJob);
  const std::unique_ptr<SessionJob> job = talk.session->TakeJob();
  while (!job->Step(*talk.store)) {
  }
  EXPECT(talk.session->Resume() == Session::Outcome::kUp);
  EXPECT(talk.session->Answer(talk.answer) == Session::Outcome::kNeedMore);
  EXPECT_EQ(talk.session->output().view(), answered);
}

TEST(A_transaction_that_only_reads_is_answered_by_a_read_only_store) {
  Talk talk;
  EXPECT_EQ(talk.Say(Resp({"MSET", "a", "1", "b", "2"})), "+OK\r\n");
  talk.Close();
  Options options = SmallOptions(SyncMode::kOs);
  options.read_only = true;
  talk.Open(options);
  const std::string both = "*2\r\n$1\r\n1\r\n$1\r\n2\r\n";
  EXPECT_EQ(talk.Exec({{"GET", "a"}, {"GET", "b"}}), both);
  EXPECT_EQ(talk.Say(Resp({"WATCH", "a", "none"})), "+OK\r\n");
  EXPECT_EQ(talk.Exec({{"GET", "a"}, {"GET", "b"}}), both);
  EXPECT_EQ(talk.Exec({{"GET", "a"}, {"SET", "b", "3"}}), "-READONLY You can't write against a read only store.\r\n");
}

TEST(Scan_inside_of_exec_has_the_keys_that_the_transaction_leaves) {
  Talk talk;
  talk.Say(Resp({"MSET", "kept", "1", "gone", "1", "changed", "1"}));
  const std::string before = talk.Say(Resp({"SCAN", "0"}));
  const std::string reply = talk.Exec(
      {{"DEL", "gone"}, {"APPEND", "changed", "2"}, {"SET", "new", "1"}, {"SCAN", "0"}, {"SCAN", "0", "MATCH", "n*"}});
  EXPECT(reply.find("$4\r\ngone") == std::string::npos);
  for (const char* const key : {"$4\r\nkept", "$7\r\nchanged", "$3\r\nnew"}) {
    EXPECT(reply.find(key) != std::string::npos);
  }
  const std::string last = "*2\r\n$1\r\n0\r\n*1\r\n$3\r\nnew\r\n";
  EXPECT(reply.find("*2\r\n$1\r\n0\r\n*3\r\n") != std::string::npos);
  EXPECT_EQ(reply.substr(reply.size() - last.size()), last);
}

// The second half of a scan that began before: what is there all the time comes once, though the transaction writes it.
TEST(A_scan_that_goes_on_inside_of_exec_returns_what_the_transaction_overwrites_exactly_once) {
  Talk talk;
  for (const char* const key : {"a", "b", "c", "d"}) talk.Say(Resp({"SET", key, "1"}));
  const auto count_keys = [](const std::string& reply) {
    size_t keys = 0;
    for (const char* const key : {"$1\r\na", "$1\r\nb", "$1\r\nc", "$1\r\nd"}) {
      if (reply.find(key) != std::string::npos) keys++;
    }
    return keys;
  };
  const std::string first = talk.Say(Resp({"SCAN", "0", "COUNT", "2"}));
  const size_t begin = first.find("\r\n", 4) + 2;
  const std::string cursor = first.substr(begin, first.find("\r\n", begin) - begin);
  EXPECT(cursor != "0");
  const std::string second =
      talk.Exec({{"MSET", "a", "2", "b", "2", "c", "2", "d", "2", "new", "2"}, {"SCAN", cursor, "COUNT", "1000"}});
  EXPECT_EQ(count_keys(first) + count_keys(second), 4u);
  EXPECT(second.find("new") == std::string::npos);
}

TEST(RandomKey_inside_of_exec_is_a_key_that_the_transaction_leaves) {
  Talk talk;
  for (int i = 0; i < 3000; i++) talk.Say(Resp({"SET", "gone:" + std::to_string(i), "1"}));
  talk.Say(Resp({"SET", "kept", "1"}));
  std::vector<std::vector<std::string>> commands;
  for (int i = 0; i < 3000; i++) commands.push_back({"DEL", "gone:" + std::to_string(i)});
  commands.push_back({"RANDOMKEY"});
  commands.push_back({"DEL", "kept"});
  commands.push_back({"RANDOMKEY"});
  commands.push_back({"SET", "new", "1"});
  commands.push_back({"RANDOMKEY"});
  const std::string last = "$4\r\nkept\r\n:1\r\n$-1\r\n+OK\r\n$3\r\nnew\r\n";
  const std::string reply = talk.Exec(commands);
  EXPECT_EQ(reply.substr(reply.size() - last.size()), last);
  EXPECT_EQ(talk.Say(Resp({"RANDOMKEY"})), "$3\r\nnew\r\n");
}

// A store of 1,000 keys that takes no more writes until the gate is opened, and FLUSHALL on its way.
struct BusyTalk {
  static Options FewPending() {
    Options options = SmallOptions(SyncMode::kOs);
    options.pending_bytes_max = 512 << 10;
    return options;
  }
  BusyTalk() {
    for (int i = 0; i < 1000; i++) talk.Say(Resp({"SET", "key:" + std::to_string(i), "1"}));
    gate = std::make_unique<test::CallGate>(&talk.env, test::kWriteCall);
    Status status;
    // Small enough that they leave no room which all the deletes would fit into.
    for (int i = 0; i < 1000 && status.ok(); i++) {
      Commit commit;
      status = talk.store->Put("w" + std::to_string(i % 7), std::string(9000, 'v'), 0, &commit);
    }
    EXPECT_CODE(status, Code::kBusy);
    EXPECT(talk.session->Feed(Resp({"FLUSHALL"})) == Session::Outcome::kJob);
    flush = talk.session->TakeJob();
  }
  Talk talk;
  std::unique_ptr<test::CallGate> gate;
  std::unique_ptr<SessionJob> flush;
};

TEST(Flushall_waits_for_a_busy_store_and_then_goes_on) {
  BusyTalk busy;
  const Talk& talk = busy.talk;
  EXPECT(!busy.flush->Step(*talk.store));
  EXPECT(!busy.flush->Step(*talk.store));
  busy.gate->Open();
  while (!busy.flush->Step(*talk.store)) {
  }
  EXPECT(talk.session->Resume() == Session::Outcome::kNeedMore);
  EXPECT_EQ(talk.session->output().view(), "+OK\r\n");
  EXPECT_EQ(talk.store->KeyCount(), 0u);
}

TEST(Flushall_does_not_wait_for_a_busy_store_that_closes) {
  BusyTalk busy;
  const Talk& talk = busy.talk;
  EXPECT(!busy.flush->Step(*talk.store));
  std::thread closer([&talk] { EXPECT_OK(talk.store->Close()); });  // which waits for the gate
  while (!busy.flush->Step(*talk.store)) {
  }
  EXPECT(talk.session->Resume() == Session::Outcome::kNeedMore);
  EXPECT_EQ(talk.session->output().view(), "-ERR the store is closed\r\n");
  busy.gate->Open();
  closer.join();
}

}  // namespace
}  // namespace crabkv::protocol
