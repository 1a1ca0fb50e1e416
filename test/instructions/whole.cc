// Whole paths through the store and the session, on a disk in memory. Groups are as many as rounds: the writer is woken
// once a round, when all of the round is there, and the next begins when it has been written.
#include <string>
#include <vector>

#include "native/core/store.h"
#include "native/protocol/session.h"
#include "test/instructions/workload.h"
#include "test/native/mem_env.h"

namespace crabkv::instructions {
namespace {

constexpr uint32_t kRounds = 20;
constexpr uint32_t kOfRound = 500;  // less than wakes the writer by itself

std::shared_ptr<Store> OpenStore(Env* env) {
  Options options;
  options.sync = SyncMode::kOs;
  options.auto_compaction = false;
  std::shared_ptr<Store> store;
  CHECK(Store::Open(env, "/db", options, &store).ok());
  return store;
}

std::string KeyOf(uint32_t i) {
  char key[17];
  std::snprintf(key, sizeof(key), "key:%012u", i);
  return key;
}

std::vector<std::string> Keys() {
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < kRounds * kOfRound; i++) keys.push_back(KeyOf(i));
  return keys;
}

void FinishRound(Store* store, uint64_t group) {
  store->Kick();
  CHECK(store->WaitFor(group, false).ok());
}

void Fill(Store* store, const std::vector<std::string>& keys, const std::string& value) {
  Commit commit;
  for (uint32_t i = 0; i < keys.size(); i++) {
    CHECK(store->Put(keys[i], value, 0, &commit).ok());
    if ((i + 1) % kOfRound == 0) FinishRound(store, commit.group);
  }
}

}  // namespace

// 10,000 puts of 100 bytes in 20 groups: what the caller does, and what the writer does to append them (see run.mjs).
WORKLOAD(group_commit) {
  test::MemEnv env;
  const std::shared_ptr<Store> store = OpenStore(&env);
  const std::string value(100, 'v');
  const std::vector<std::string> keys = Keys();
  for (uint32_t round = 0; round < kRounds; round++) {
    Commit commit;
    bool good = true;
    Counted([&] {
      for (uint32_t i = 0; i < kOfRound; i++) {
        good = store->Put(keys[round * kOfRound + i], value, 0, &commit).ok() && good;
      }
    });
    CHECK(good);
    FinishRound(store.get(), commit.group);
  }
  CHECK(store->Stats().committed_records >= kRounds * kOfRound);
  CHECK(store->Close().ok());
}

// The same puts as batches of 50, which is how puts of one turn come (src/put-row.ts).
WORKLOAD(rows) {
  constexpr uint32_t kOfRow = 50;
  test::MemEnv env;
  const std::shared_ptr<Store> store = OpenStore(&env);
  const std::string value(100, 'v');
  const std::vector<std::string> keys = Keys();
  std::vector<Operation> operations(kOfRow);
  for (uint32_t round = 0; round < kRounds; round++) {
    Commit commit;
    bool good = true;
    for (uint32_t row = 0; row < kOfRound; row += kOfRow) {
      for (uint32_t i = 0; i < kOfRow; i++) {
        operations[i].key = keys[round * kOfRound + row + i];
        operations[i].value = value;
      }
      Counted([&] { good = store->Write(operations.data(), kOfRow, DiskWait::kNever, &commit).ok() && good; });
    }
    CHECK(good);
    FinishRound(store.get(), commit.group);
  }
  CHECK(store->KeyCount() == kRounds * kOfRound);
  CHECK(store->Close().ok());
}

// 10,000 gets of 100 bytes from written segments, every CRC checked.
WORKLOAD(get) {
  test::MemEnv env;
  const std::shared_ptr<Store> store = OpenStore(&env);
  const std::string value(100, 'v');
  const std::vector<std::string> keys = Keys();
  Fill(store.get(), keys, value);
  uint32_t found = 0;
  ReadBuffer buffer;
  Counted([&] {
    for (const std::string& key : keys) {
      EntryInfo info;
      buffer.Clear();
      if (store->Get(key, DiskWait::kAllowed, &buffer, &info).ok() && info.found && buffer.size() == 100) found++;
    }
  });
  CHECK(found == keys.size());
  CHECK(store->Close().ok());
}

// 10,000 SETs, and as many GETs, 500 to a chunk, as a pipelining client sends them.
WORKLOAD(session) {
  test::MemEnv env;
  const std::shared_ptr<Store> store = OpenStore(&env);
  const protocol::ServerSettings settings;
  protocol::Session session(store.get(), &settings);
  const std::string value(100, 'v');
  const std::vector<std::string> keys = Keys();
  uint64_t reply_bytes = 0;
  for (uint32_t half = 0; half < 2; half++) {
    for (uint32_t round = 0; round < kRounds; round++) {
      std::string chunk;
      for (uint32_t i = 0; i < kOfRound; i++) {
        const std::string& key = keys[round * kOfRound + i];
        chunk += half == 0 ? "*3\r\n$3\r\nSET\r\n$16\r\n" + key + "\r\n$100\r\n" + value + "\r\n"
                           : "*2\r\n$3\r\nGET\r\n$16\r\n" + key + "\r\n";
      }
      auto outcome = protocol::Session::Outcome::kNeedMore;
      Counted([&] { outcome = session.Feed(chunk); });
      CHECK(outcome == protocol::Session::Outcome::kNeedMore);
      reply_bytes += session.output().size();
      session.output().Clear();
      if (half == 0) FinishRound(store.get(), session.TakeGroup());
    }
  }
  CHECK(reply_bytes == kRounds * kOfRound * (5 + 108));
  CHECK(store->Close().ok());
}

}  // namespace crabkv::instructions
