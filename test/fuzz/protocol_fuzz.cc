// What a stranger may send: requests in pieces, and whole conversations, RESP and text.
#include "native/protocol/request_parser.h"
#include "native/protocol/session.h"
#include "test/fuzz/fuzz.h"
#include "test/native/mem_env.h"

namespace crabkv::fuzz {

namespace {

using protocol::ReplyForm;
using protocol::RequestLimits;
using protocol::RequestParser;
using protocol::ServerSettings;
using protocol::Session;
using protocol::SessionJob;

RequestLimits SmallLimits() {
  RequestLimits limits;
  limits.arguments_max = 64;
  limits.argument_bytes_max = 4096;
  limits.line_bytes_max = 1024;
  limits.request_bytes_max = 16 << 10;
  return limits;
}

// All requests, and how it ended.
std::string Parse(std::string_view bytes, uint64_t piece) {
  RequestParser parser(SmallLimits());
  std::string said;
  while (!bytes.empty()) {
    const std::string_view now = bytes.substr(0, piece);
    bytes.remove_prefix(now.size());
    parser.Append(now);
    for (;;) {
      const RequestParser::Result result = parser.Next();
      if (result == RequestParser::Result::kNeedMore) break;
      if (result == RequestParser::Result::kError) return said + "error " + parser.error();
      for (const std::string_view argument : parser.Arguments()) said.append(argument).append(1, '|');
      said += parser.is_line() ? "line\n" : "\n";
    }
  }
  return said + (parser.is_midway() ? "midway" : "");
}

// A store that all conversations of this process have, emptied in between; a new one now and then.
class Server {
 public:
  Server() { settings_.limits = SmallLimits(); }
  ~Server() { Stop(); }

  void Talk(std::string_view bytes, uint64_t piece, ReplyForm form) {
    if (talks_++ % 500 == 0) Start();
    settings_.line_form = form;
    Converse(bytes, piece);
    Converse("FLUSHALL\r\n", 64);
  }

 private:
  void Start() {
    Stop();
    test::MemEnvOptions options;
    options.file_bytes_max = 64 << 20;
    env_ = std::make_unique<test::MemEnv>(options);
    Options store_options;
    store_options.sync = SyncMode::kOs;
    store_options.segment_bytes = 1 << 20;
    store_options.shard_count = 2;
    CHECK(Store::Open(env_.get(), "/db", store_options, &store_).ok());
  }
  void Stop() {
    if (store_ != nullptr) CHECK(store_->Close().ok());
    store_.reset();
  }

  void Converse(std::string_view bytes, uint64_t piece) {
    Session session(store_.get(), &settings_);
    while (!bytes.empty()) {
      const std::string_view now = bytes.substr(0, piece);
      bytes.remove_prefix(now.size());
      if (!GoOn(&session, session.Feed(now))) return;
    }
  }

  // False when the conversation is over.
  bool GoOn(Session* session, Session::Outcome outcome) {
    constexpr int kTurnsMax = 10'000;
    for (int turn = 0; turn < kTurnsMax; turn++) {
      session->output().Clear();
      switch (outcome) {
        case Session::Outcome::kNeedMore:
          return true;
        case Session::Outcome::kClose:
        case Session::Outcome::kPaused:
          return false;
        case Session::Outcome::kUp:
          CHECK(!session->arguments().empty());
          outcome = session->Answer("+OK\r\n");
          break;
        case Session::Outcome::kReplied:
          outcome = session->Answer("+OK\r\n");
          break;
        case Session::Outcome::kJob: {
          const std::unique_ptr<SessionJob> job = session->TakeJob();
          while (!job->Step(*store_)) {
          }
          outcome = session->Resume();
          break;
        }
        case Session::Outcome::kBudget:
        case Session::Outcome::kBusy:
          store_->Kick();
          outcome = session->Resume();
          break;
      }
    }
    CHECK(false);  // it goes on for ever
    return false;
  }

  ServerSettings settings_;
  std::unique_ptr<test::MemEnv> env_;
  std::shared_ptr<Store> store_;
  uint64_t talks_ = 0;
};

Server& TheServer() {
  static Server* const server = new Server();  // outlives whatever runs at exit
  return *server;
}

}  // namespace

// Whatever pieces it comes in, it is the same.
FUZZ(parser) {
  const std::string whole = Parse(input, UINT64_MAX);
  CHECK(Parse(input, 1) == whole);
  CHECK(Parse(input, 7) == whole);
}

// The size of the pieces, then what a client of RESP, or one that writes lines as for Redis, sends.
FUZZ(resp) {
  Input from(input);
  const uint64_t piece = 1 + from.Byte();
  TheServer().Talk(from.rest(), piece, ReplyForm::kResp2);
}

// The same of a client of the text protocol.
FUZZ(text) {
  Input from(input);
  const uint64_t piece = 1 + from.Byte();
  TheServer().Talk(from.rest(), piece, ReplyForm::kText);
}

}  // namespace crabkv::fuzz
