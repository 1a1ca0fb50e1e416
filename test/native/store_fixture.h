// What the tests of whole stores share: opening, writing, reading everything twice (by scan and by key), and a model of
// the log to compare with: which changes were accepted, in log order, so that any prefix of them can be computed.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "native/core/store.h"
#include "test/native/harness.h"
#include "test/native/mem_env.h"

namespace crabkv::test {

inline constexpr char kDirectory[] = "/db";

// Segments as small as they may be, few shards.
Options SmallOptions(SyncMode sync = SyncMode::kAlways);

// Null, and a failure of the test, when it does not open.
std::shared_ptr<Store> OpenStore(Env* env, const Options& options);

struct Change {
  enum class Kind : uint8_t { kPut, kDelete, kExpire };
  Kind kind = Kind::kPut;
  std::string key;
  std::string value;
  uint64_t expires_at_ms = 0;
};
using Changes = std::vector<Change>;

inline Change Put(std::string key, std::string value, uint64_t expires_at_ms = 0) {
  return {Change::Kind::kPut, std::move(key), std::move(value), expires_at_ms};
}
inline Change Delete(std::string key) { return {Change::Kind::kDelete, std::move(key), "", 0}; }
inline Change Expire(std::string key, uint64_t at_ms) { return {Change::Kind::kExpire, std::move(key), "", at_ms}; }

// One batch, without waiting for its fate. `existed`, of each change, whether its key was there.
Status Write(Store* store, const Changes& changes, Commit* commit, std::vector<bool>* existed = nullptr);
// The same, and waits until it is acknowledged.
Status WriteAndWait(Store* store, const Changes& changes, Commit* commit = nullptr);
// "(none)" when it is not there; "(error)" and a failure of the test when it can't be read.
std::string Get(Store* store, std::string_view key);

struct Entry {
  std::string value;
  uint64_t expires_at_ms = 0;
  bool operator==(const Entry& other) const { return value == other.value && expires_at_ms == other.expires_at_ms; }
};
using Contents = std::map<std::string, Entry>;

// Every live entry, by a scan; each is also read by its key, and must be the same.
Status ReadAll(Store* store, Contents* contents);
// "the same", or the first difference, for people.
std::string Difference(const Contents& a, const Contents& b);
// The store holds these and nothing else.
void ExpectContents(Store* store, const Contents& expected);

// The log as the writers of a test know it. Thread-safe.
class ModelLog {
 public:
  ModelLog() = default;
  ModelLog(const ModelLog& other);
  ModelLog& operator=(const ModelLog&) = delete;
  // What Write accepted. Changes that logged nothing (commit.version 0) are no batch.
  void Add(const Commit& commit, Changes changes);
  // The batch failed for good: nothing of it was kept.
  void Drop(const Commit& commit);
  // Forgets what lies behind: it was lost, and its LSNs are given out again.
  void CutBehind(uint64_t version);
  uint64_t last_version() const;
  // Whether the log can end there: at the end of a batch, or at the beginning of all.
  bool IsEndOfBatch(uint64_t version) const;
  Contents At(uint64_t version) const;
  std::map<uint64_t, Changes> batches() const;  // by last LSN

 private:
  mutable std::mutex mutex_;
  std::map<uint64_t, Changes> batches_;  // by last LSN
};

// The store holds exactly what the log says up to some end of a batch at or behind `at_least`. False after a failure of
// the test. What lies behind that end is forgotten, so that the test can go on with this store.
bool ExpectPrefix(Store* store, ModelLog* log, uint64_t at_least);

// Whether it holds within five seconds of real time, for what other threads do.
template <typename Holds>
bool Within5s(Holds holds) {
  for (int i = 0; i < 5000 && !holds(); i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return holds();
}

}  // namespace crabkv::test
