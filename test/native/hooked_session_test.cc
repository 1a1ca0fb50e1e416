// Commands that go up to be seen and come back: run with the reply set aside, changed or not, alone and inside of EXEC,
// in whatever pieces the conversation comes.
#include "native/protocol/session.h"
#include "test/native/harness.h"
#include "test/native/mem_env.h"
#include "test/native/store_fixture.h"

namespace crabkv::protocol {
namespace {

using test::MemEnv;
using test::OpenStore;
using test::SmallOptions;

using Words = std::vector<std::string_view>;

std::string Resp(const std::vector<std::string>& words) {
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string& word : words) request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  return request;
}

// A session, and what sees its commands when `hooked`: GET of "alias" becomes one of "k", and what EXEC would SET to
// "secret" is hidden. All else is let through.
struct HookedTalk {
  explicit HookedTalk(bool hooked) {
    if (hooked) settings.goes_up.assign(CommandCount() + 1, true);
    store = OpenStore(&memory, SmallOptions(SyncMode::kOs));
    session = std::make_unique<Session>(store.get(), &settings);
  }
  ~HookedTalk() {
    session.reset();
    EXPECT_OK(store->Close());
  }

  void Say(std::string_view bytes) {
    Session::Outcome outcome = session->Feed(bytes);
    while (outcome != Session::Outcome::kNeedMore && outcome != Session::Outcome::kClose) outcome = Next(outcome);
    TakeReplies();
  }

  MemEnv memory;
  ServerSettings settings;
  std::shared_ptr<Store> store;
  std::unique_ptr<Session> session;
  std::string replies;
  uint32_t reply_count = 0;
  uint32_t captured = 0;

 private:
  void TakeReplies() {
    replies += session->output().view();
    session->output().Clear();
    reply_count += session->TakeReplyCount();
  }

  Session::Outcome Next(Session::Outcome outcome) {
    if (outcome == Session::Outcome::kReplied) {
      captured++;
      const std::string reply(session->output().view());
      session->output().Clear();
      EXPECT(!reply.empty());
      return session->Answer(reply);
    }
    TakeReplies();
    if (outcome == Session::Outcome::kUp) return See();
    if (outcome == Session::Outcome::kJob) {
      const std::unique_ptr<SessionJob> job = session->TakeJob();
      while (!job->Step(*store)) {
      }
    } else {
      store->Kick();
    }
    return session->Resume();
  }

  // As src/server/hooked-run.ts does.
  Session::Outcome See() {
    const Words words = session->arguments();
    const Command* const command = FindCommand(words[0]);
    if (command != nullptr && (command->flags & kUp) != 0) return session->Answer("+up\r\n");
    if (Is(words[0], "GET") && words.size() == 2 && words[1] == "alias") EXPECT(session->Replace({words[0], "k"}));
    for (size_t i = 0; i < session->QueuedCount(); i++) {
      const Words queued = session->QueuedArguments(i);
      if (queued.size() != 3 || queued[2] != "secret") continue;
      EXPECT(session->ReplaceQueued(i, {queued[0], queued[1], "hidden"}));
    }
    return session->Proceed(true);
  }
};

// What is said; and what would have to be said for the same replies where nobody looks.
struct Talk {
  std::string said;
  std::string meant;
};

std::vector<Talk> Talks() {
  const auto same = [](const std::string& said) { return Talk{said, said}; };
  return {
      same(Resp({"SET", "k", "v"}) + Resp({"GET", "k"}) + Resp({"GET", "none"}) + Resp({"INCR", "k"})),
      same(Resp({"MGET", "a", "b"}) + Resp({"NOPE", "x"}) + Resp({"GET"}) + Resp({"PING"}) + Resp({"CLIENT", "ID"})),
      same(Resp({"OBJECT", "NOPE", "k"}) + Resp({"OBJECT", "ENCODING", "none"}) + Resp({"OBJECT", "HELP"})),
      same(Resp({"MSET", "a", "1", "b", "2"}) + Resp({"KEYS", "*"}) + Resp({"FLUSHALL"}) + Resp({"DBSIZE"})),
      same(Resp({"WATCH", "a"}) + Resp({"MULTI"}) + Resp({"SET", "a", "1"}) + Resp({"CLIENT", "ID"}) +
           Resp({"GET", "a"}) + Resp({"EXEC"}) + Resp({"EXEC"})),
      same(Resp({"MULTI"}) + Resp({"NOPE"}) + Resp({"EXEC"}) + Resp({"MULTI"}) + Resp({"DISCARD"})),
      same(Resp({"SET", "large", std::string(5000, 'x')}) + Resp({"APPEND", "large", "y"}) + Resp({"GET", "large"})),
      {Resp({"SET", "k", "v"}) + Resp({"GET", "alias"}) + Resp({"STRLEN", "alias"}),
       Resp({"SET", "k", "v"}) + Resp({"GET", "k"}) + Resp({"STRLEN", "alias"})},
      {Resp({"MULTI"}) + Resp({"SET", "a", "secret"}) + Resp({"GET", "a"}) + Resp({"EXEC"}) + Resp({"GET", "a"}),
       Resp({"MULTI"}) + Resp({"SET", "a", "hidden"}) + Resp({"GET", "a"}) + Resp({"EXEC"}) + Resp({"GET", "a"})},
  };
}

TEST(Commands_that_are_seen_and_let_through_are_answered_as_if_nobody_looked_however_they_come) {
  for (const Talk& talk : Talks()) {
    HookedTalk plain(false);
    plain.Say(talk.meant);
    // All split points of short ones, some of long ones.
    const size_t step = talk.said.size() > 1000 ? 97 : 1;
    for (size_t at = 0; at <= talk.said.size(); at += step) {
      HookedTalk hooked(true);
      hooked.Say(std::string_view(talk.said).substr(0, at));
      hooked.Say(std::string_view(talk.said).substr(at));
      EXPECT_EQ(hooked.replies, plain.replies);
      EXPECT_EQ(hooked.reply_count, plain.reply_count);
      EXPECT(hooked.captured > 0);
      EXPECT_EQ(plain.captured, 0u);
    }
  }
}

TEST(Commands_that_are_seen_are_answered_alike_when_every_byte_comes_alone) {
  for (const Talk& talk : Talks()) {
    if (talk.said.size() > 1000) continue;
    HookedTalk plain(false);
    plain.Say(talk.meant);
    HookedTalk hooked(true);
    for (size_t at = 0; at < talk.said.size(); at++) hooked.Say(std::string_view(talk.said).substr(at, 1));
    EXPECT_EQ(hooked.replies, plain.replies);
  }
}

TEST(What_cannot_run_in_place_of_a_command_changes_nothing) {
  HookedTalk talk(false);
  talk.settings.goes_up.assign(CommandCount() + 1, true);
  EXPECT(talk.session->Feed(Resp({"GET", "k"})) == Session::Outcome::kUp);
  for (const Words& words : {Words{}, Words{"NOPE"}, Words{"GET"}, Words{"OBJECT", "NOPE", "k"},
                             Words{"OBJECT", "ENCODING"}, Words{"DEBUG", "OBJECT"}}) {
    EXPECT(!talk.session->Replace(words));
    EXPECT(!talk.session->ReplaceQueued(0, words));
  }
  EXPECT_EQ(talk.session->arguments()[1], "k");
  EXPECT(talk.session->Proceed(true) == Session::Outcome::kReplied);
  // It waits for the answer: nothing else moves it.
  EXPECT(talk.session->Feed(Resp({"PING"})) == Session::Outcome::kReplied);
  EXPECT(talk.session->Resume() == Session::Outcome::kReplied);
  EXPECT(!talk.session->Replace({"PING"}));
  talk.session->output().Clear();
  EXPECT(talk.session->Answer("+one\r\n") == Session::Outcome::kUp);  // PING
  EXPECT(talk.session->Answer("+two\r\n") == Session::Outcome::kNeedMore);
  EXPECT_EQ(talk.session->output().view(), "+one\r\n+two\r\n");
  talk.session->output().Clear();
}

}  // namespace
}  // namespace crabkv::protocol
