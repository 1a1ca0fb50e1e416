// See store_fixture.h.
#include "test/native/store_fixture.h"

#include "native/core/coding.h"

namespace crabkv::test {

Options SmallOptions(SyncMode sync) {
  Options options;
  options.sync = sync;
  options.segment_bytes = 64 << 10;
  options.shard_count = 4;
  return options;
}

std::shared_ptr<Store> OpenStore(Env* env, const Options& options) {
  std::shared_ptr<Store> store;
  EXPECT_OK(Store::Open(env, kDirectory, options, &store));
  return store;
}

Status Write(Store* store, const Changes& changes, Commit* commit, std::vector<bool>* existed) {
  std::vector<Operation> operations;
  for (const Change& change : changes) {
    Operation operation;
    operation.kind = change.kind == Change::Kind::kPut      ? Operation::Kind::kPut
                     : change.kind == Change::Kind::kDelete ? Operation::Kind::kDelete
                                                            : Operation::Kind::kExpire;
    operation.key = change.key;
    operation.value = change.value;
    operation.expires_at_ms = change.expires_at_ms;
    operations.push_back(operation);
  }
  const Status status =
      store->Write(operations.data(), static_cast<uint32_t>(operations.size()), DiskWait::kAllowed, commit);
  if (existed == nullptr) return status;
  for (const Operation& operation : operations) existed->push_back(operation.existed);
  return status;
}

Status WriteAndWait(Store* store, const Changes& changes, Commit* commit) {
  Commit unused;
  if (commit == nullptr) commit = &unused;
  CRABKV_RETURN_IF_ERROR(Write(store, changes, commit));
  return store->WaitFor(commit->group, false);
}

std::string Get(Store* store, std::string_view key) {
  ReadBuffer value;
  EntryInfo info;
  if (!EXPECT_OK(store->Get(key, DiskWait::kAllowed, &value, &info))) return "(error)";
  return info.found ? std::string(value.view()) : "(none)";
}

Status ReadAll(Store* store, Contents* contents) {
  contents->clear();
  std::unique_ptr<Scan> scan;
  CRABKV_RETURN_IF_ERROR(store->NewScan(ScanOptions(), &scan));
  bool done = false;
  while (!done) {
    ReadBuffer chunk;
    uint32_t entries = 0;
    CRABKV_RETURN_IF_ERROR(scan->Next(1000, 1 << 20, &chunk, &entries, &done));
    const char* at = chunk.data();
    for (uint32_t i = 0; i < entries; i++) {
      const uint32_t key_bytes = GetU32(at);
      const uint32_t value_bytes = GetU32(at + 4);
      const std::string key(at + 24, key_bytes);
      const Entry entry = {std::string(at + 24 + key_bytes, value_bytes), GetU64(at + 16)};
      if (!contents->emplace(key, entry).second)
        return Status::Error(Code::kInternal, "a scan shows " + key + " twice");
      ReadBuffer value;
      EntryInfo info;
      CRABKV_RETURN_IF_ERROR(store->Get(key, DiskWait::kAllowed, &value, &info));
      if (!info.found || value.view() != entry.value || info.expires_at_ms != entry.expires_at_ms ||
          info.version != GetU64(at + 8)) {
        return Status::Error(Code::kInternal, "a scan and a read disagree about " + key);
      }
      at += 24 + key_bytes + value_bytes;
    }
  }
  return Status::Ok();
}

std::string Difference(const Contents& a, const Contents& b) {
  const auto show = [](const Contents& contents, const std::string& key) {
    const auto found = contents.find(key);
    if (found == contents.end()) return std::string("absent");
    return "\"" + found->second.value.substr(0, 24) + "\" (" + std::to_string(found->second.value.size()) +
           " bytes) until " + std::to_string(found->second.expires_at_ms);
  };
  for (const Contents* one : {&a, &b}) {
    for (const auto& [key, entry] : *one) {
      const auto left = a.find(key);
      const auto right = b.find(key);
      if (left == a.end() || right == b.end() || !(left->second == right->second)) {
        return "key \"" + key + "\": " + show(a, key) + " against " + show(b, key);
      }
    }
  }
  return "the same";
}

void ExpectContents(Store* store, const Contents& expected) {
  Contents found;
  EXPECT_OK(ReadAll(store, &found));
  EXPECT_EQ(Difference(expected, found), "the same");
}

ModelLog::ModelLog(const ModelLog& other) {
  const std::lock_guard<std::mutex> hold(other.mutex_);
  batches_ = other.batches_;
}

void ModelLog::Add(const Commit& commit, Changes changes) {
  if (commit.version == 0) return;
  const std::lock_guard<std::mutex> hold(mutex_);
  batches_[commit.version] = std::move(changes);
}

void ModelLog::Drop(const Commit& commit) {
  const std::lock_guard<std::mutex> hold(mutex_);
  batches_.erase(commit.version);
}

void ModelLog::CutBehind(uint64_t version) {
  const std::lock_guard<std::mutex> hold(mutex_);
  batches_.erase(batches_.upper_bound(version), batches_.end());
}

uint64_t ModelLog::last_version() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return batches_.empty() ? 0 : batches_.rbegin()->first;
}

bool ModelLog::IsEndOfBatch(uint64_t version) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return version == 0 || batches_.count(version) == 1;
}

std::map<uint64_t, Changes> ModelLog::batches() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return batches_;
}

Contents ModelLog::At(uint64_t version) const {
  Contents contents;
  const std::lock_guard<std::mutex> hold(mutex_);
  for (const auto& [last, changes] : batches_) {
    if (last > version) break;
    for (const Change& change : changes) {
      if (change.kind == Change::Kind::kPut) {
        contents[change.key] = {change.value, change.expires_at_ms};
      } else if (change.kind == Change::Kind::kDelete) {
        contents.erase(change.key);
      } else if (const auto found = contents.find(change.key); found != contents.end()) {
        found->second.expires_at_ms = change.expires_at_ms;
      }
    }
  }
  return contents;
}

bool ExpectPrefix(Store* store, ModelLog* log, uint64_t at_least) {
  const uint64_t last = store->Stats().last_version;
  bool good = true;
  if (last < at_least) {
    Fail(__FILE__, __LINE__, "the log ends at " + std::to_string(last) + ", before " + std::to_string(at_least));
    good = false;
  }
  if (!log->IsEndOfBatch(last)) {
    Fail(__FILE__, __LINE__, "the log ends at " + std::to_string(last) + ", where no batch ends");
    good = false;
  }
  Contents contents;
  if (!EXPECT_OK(ReadAll(store, &contents))) return false;
  const std::string difference = Difference(log->At(last), contents);
  if (difference != "the same") {
    Fail(__FILE__, __LINE__, "up to " + std::to_string(last) + ", expected against found: " + difference);
    good = false;
  }
  log->CutBehind(last);
  return good;
}

}  // namespace crabkv::test
