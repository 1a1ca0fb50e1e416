// Commands over all keys: KEYS, SCAN, RANDOMKEY, FLUSHALL. They walk the index on a reader thread, in bounded steps,
// and keep nothing between calls; what a walk promises is what Store::NextKeys does. So KEYS and FLUSHALL are not one
// moment: keys that others put meanwhile may be among theirs or not.
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "native/core/coding.h"
#include "native/protocol/commands.h"
#include "native/protocol/glob.h"
#include "native/protocol/numbers.h"
#include "native/protocol/session.h"

namespace crabkv::protocol {

namespace {

constexpr uint32_t kKeysOfStep = 1024;
constexpr std::chrono::milliseconds kBusyWait(1);

struct WalkResult {
  ReadBuffer keys;  // each: length u32, bytes
  uint64_t count = 0;
  uint64_t next_cursor = 0;
  bool picked = false;  // by PickJob
  Status status;

  template <typename Visit>
  void ForEach(Visit visit) const {
    for (uint64_t at = 0; at < keys.size();) {
      const uint32_t length = GetU32(keys.data() + at);
      visit(std::string_view(keys.data() + at + 4, length));
      at += 4 + length;
    }
  }
};

// Collects the keys that match, from a cursor on, until `keys_max` were looked at.
class WalkJob : public SessionJob {
 public:
  WalkJob(std::shared_ptr<WalkResult> result, std::string pattern, uint64_t cursor, uint64_t keys_max,
          uint64_t bytes_max)
      : result_(std::move(result)), pattern_(std::move(pattern)), left_(keys_max), bytes_max_(bytes_max) {
    result_->next_cursor = cursor;
  }

  bool Step(Store& store) override {
    ReadBuffer found;
    uint32_t count = 0;
    const uint32_t wanted = left_ < kKeysOfStep ? static_cast<uint32_t>(left_) : kKeysOfStep;
    result_->status = store.NextKeys(result_->next_cursor, wanted, &found, &count, &result_->next_cursor);
    if (!result_->status.ok()) return true;
    for (uint64_t at = 0; at < found.size();) {
      const uint32_t length = GetU32(found.data() + at);
      if (MatchesGlob(pattern_, std::string_view(found.data() + at + 4, length))) {
        found.view().copy(result_->keys.Extend(4 + length), 4 + length, at);
        result_->count++;
      }
      at += 4 + length;
    }
    left_ -= wanted;
    if (result_->keys.size() > bytes_max_) {
      result_->status = Status::Error(Code::kTooLarge, "the keys are too many for one reply: use SCAN");
    }
    return !result_->status.ok() || result_->next_cursor == 0 || left_ == 0;
  }

 private:
  const std::shared_ptr<WalkResult> result_;
  const std::string pattern_;
  uint64_t left_;
  const uint64_t bytes_max_;
};

// One key: the first behind a place of the index, or behind its beginning.
class PickJob : public SessionJob {
 public:
  PickJob(std::shared_ptr<WalkResult> result, uint64_t cursor) : result_(std::move(result)) {
    result_->picked = true;
    result_->next_cursor = cursor;
  }
  bool Step(Store& store) override {
    uint32_t count = 0;
    result_->status = store.NextKeys(result_->next_cursor, 1, &result_->keys, &count, &result_->next_cursor);
    result_->count = count;
    if (!result_->status.ok() || count != 0) return true;
    if (result_->next_cursor == 0 && ++wrapped_ == 2) return true;
    return false;
  }

 private:
  const std::shared_ptr<WalkResult> result_;
  uint32_t wrapped_ = 0;
};

// Deletes all keys, a batch a step.
class FlushJob : public SessionJob {
 public:
  explicit FlushJob(std::shared_ptr<WalkResult> result) : result_(std::move(result)) {}

  bool Step(Store& store) override {
    if (operations_.empty()) result_->status = NextBatch(store);
    if (result_->status.ok() && !operations_.empty()) {
      Commit commit;
      const Status status =
          store.Write(operations_.data(), static_cast<uint32_t>(operations_.size()), DiskWait::kAllowed, &commit);
      if (status.Is(Code::kBusy)) {
        // Not for the session to wait for: it would run FLUSHALL again, and that only finds how this job ended.
        store.Kick();
        std::this_thread::sleep_for(kBusyWait);
        return false;
      }
      operations_.clear();
      result_->status = status.ok() ? store.WaitFor(commit.group, false) : status;
    }
    return !result_->status.ok() || result_->next_cursor == 0;
  }

 private:
  Status NextBatch(Store& store) {
    result_->keys.Clear();
    uint32_t count = 0;
    CRABKV_RETURN_IF_ERROR(
        store.NextKeys(result_->next_cursor, kKeysOfStep, &result_->keys, &count, &result_->next_cursor));
    result_->ForEach([this](std::string_view key) {
      Operation operation;
      operation.kind = Operation::Kind::kDelete;
      operation.key = key;
      operations_.push_back(operation);
    });
    return Status::Ok();
  }

  const std::shared_ptr<WalkResult> result_;
  std::vector<Operation> operations_;  // of the keys in result_; kept while the store is busy
};

// The result of the walk that ran before this call; null when it has yet to run.
const WalkResult* Finished(Call& call) { return static_cast<const WalkResult*>(call.session.FinishedJob().get()); }

Run StartWalk(Call& call, std::string_view pattern, uint64_t cursor, uint64_t keys_max) {
  auto result = std::make_shared<WalkResult>();
  auto job = std::make_unique<WalkJob>(result, std::string(pattern), cursor, keys_max,
                                       call.session.settings().reply_bytes_max);
  return call.session.StartJob(std::move(job), std::move(result));
}

// What the transaction under way makes of the keys of a walk.
std::vector<std::string_view> KeysAsSeen(Call& call, const WalkResult& result, std::string_view pattern) {
  std::vector<std::string_view> keys;
  result.ForEach([&](std::string_view key) {
    if (!call.keys.HasWrite(key)) keys.push_back(key);
  });
  call.keys.ForEachWrite([&](std::string_view key, bool found) {
    if (found && MatchesGlob(pattern, key)) keys.push_back(key);
  });
  return keys;
}

// The same for SCAN, which may be midway: what the store has comes at its place in the index, so that it comes once,
// and what only the transaction has comes at the beginning.
std::vector<std::string_view> KeysOfScan(Call& call, const WalkResult& result, std::string_view pattern, bool begins) {
  std::vector<std::string_view> keys;
  result.ForEach([&](std::string_view key) {
    if (!call.keys.HasDeleted(key)) keys.push_back(key);
  });
  if (!begins) return keys;
  call.keys.ForEachWrite([&](std::string_view key, bool found) {
    EntryInfo info;
    const bool in_store = call.store.Has(key, &info).ok() && info.found;
    if (found && !in_store && MatchesGlob(pattern, key)) keys.push_back(key);
  });
  return keys;
}

}  // namespace

Run Keys(Call& call) {
  const WalkResult* const result = Finished(call);
  if (result == nullptr) return StartWalk(call, call[1], 0, UINT64_MAX);
  if (!result->status.ok()) return call.Stop(result->status);
  const std::vector<std::string_view> keys = KeysAsSeen(call, *result, call[1]);
  call.reply.Array(keys.size());
  for (const std::string_view key : keys) call.reply.Bulk(key);
  return Run::kDone;
}

Run Scan(Call& call) {
  uint64_t cursor = 0;
  // A sign is taken, as strtoul does; there is nothing behind such a cursor.
  const std::string_view digits = call[1].substr(!call[1].empty() && (call[1][0] == '-' || call[1][0] == '+') ? 1 : 0);
  const bool negative = digits.size() != call[1].size() && call[1][0] == '-';
  if (!ParseUnsigned(digits, &cursor)) return call.Error("ERR invalid cursor");
  if (negative) cursor = ~cursor + 1;
  std::string_view pattern = "*";
  int64_t count = 10;
  bool strings = true;
  for (size_t i = 2; i < call.size(); i += 2) {
    if (i + 1 == call.size()) return call.SyntaxError();
    if (Is(call[i], "COUNT")) {
      if (!ParseInteger(call[i + 1], &count)) return call.Error(kNotAnInteger);
      if (count < 1) return call.SyntaxError();
    } else if (Is(call[i], "MATCH")) {
      pattern = call[i + 1];
    } else if (Is(call[i], "TYPE")) {
      strings = Is(call[i + 1], "STRING");
    } else {
      return call.SyntaxError();
    }
  }
  const WalkResult* const result = Finished(call);
  if (result == nullptr) return StartWalk(call, pattern, cursor, static_cast<uint64_t>(count));
  if (!result->status.ok()) return call.Stop(result->status);
  call.reply.Array(2);
  call.reply.Bulk(std::to_string(result->next_cursor));
  std::vector<std::string_view> keys;
  if (strings) keys = KeysOfScan(call, *result, pattern, cursor == 0);
  call.reply.Array(keys.size());
  for (const std::string_view key : keys) call.reply.Bulk(key);
  return Run::kDone;
}

Run RandomKey(Call& call) {
  const WalkResult* const result = Finished(call);
  if (result == nullptr) {
    // SplitMix64: it only has to spread.
    static std::atomic<uint64_t> state{0};
    uint64_t mixed =
        (state.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed) + 0x9e3779b97f4a7c15) ^ call.now_ms();
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    auto fresh = std::make_shared<WalkResult>();
    return call.session.StartJob(std::make_unique<PickJob>(fresh, mixed >> 2), fresh);
  }
  if (!result->status.ok()) return call.Stop(result->status);
  const std::vector<std::string_view> keys = KeysAsSeen(call, *result, "*");
  if (!keys.empty()) {
    call.reply.Bulk(keys.front());
    return Run::kDone;
  }
  // The transaction has written what was picked, and left nothing: any other key will do, the index's first one.
  if (result->picked && result->count != 0) return StartWalk(call, "*", 0, kKeysOfStep);
  if (!result->picked && result->next_cursor != 0) return StartWalk(call, "*", result->next_cursor, kKeysOfStep);
  call.reply.Null();
  return Run::kDone;
}

Run FlushAll(Call& call) {
  if (call.size() > 2 || (call.size() == 2 && !Is(call[1], "SYNC") && !Is(call[1], "ASYNC"))) return call.SyntaxError();
  const WalkResult* const result = Finished(call);
  if (result == nullptr && call.alone) {
    auto fresh = std::make_shared<WalkResult>();
    return call.session.StartJob(std::make_unique<FlushJob>(fresh), fresh);
  }
  // In a transaction all deletes are part of its one batch.
  if (result == nullptr) return StartWalk(call, "*", 0, UINT64_MAX);
  if (!result->status.ok()) return call.Stop(result->status);
  if (!call.alone) {
    for (const std::string_view key : KeysAsSeen(call, *result, "*")) {
      char* const own = call.keys.Allocate(key.size() + 1);  // the walk's memory goes before the transaction ends
      key.copy(own, key.size());
      call.keys.Delete(std::string_view(own, key.size()));
    }
  }
  call.reply.Ok();
  return Run::kDone;
}

}  // namespace crabkv::protocol
