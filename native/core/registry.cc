#include "native/core/registry.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <vector>

namespace crabkv {

namespace {
struct Entry {
  FileId id;
  std::shared_ptr<Store> store;
  uint32_t references = 0;
  bool busy = false;  // being opened or closed by some thread
};

struct Registry {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::unique_ptr<Entry>> entries;  // guarded by mutex

  Entry* Find(const FileId& id) {
    for (auto& entry : entries) {
      if (entry->id == id) return entry.get();
    }
    return nullptr;
  }
  void Remove(const Entry* gone) {
    entries.erase(std::remove_if(entries.begin(), entries.end(), [gone](auto& e) { return e.get() == gone; }),
                  entries.end());
    changed.notify_all();
  }
};

Registry* TheRegistry() {
  static Registry* const registry = new Registry;  // leaked: stores outlive every environment
  return registry;
}

// The name of the first option in which the two differ; null when they agree.
const char* Difference(const Options& a, const Options& b) {
  if (a.shard_count != b.shard_count) return "shards";
  if (a.sync != b.sync) return "sync";
  if (a.sync == SyncMode::kInterval && a.sync_every_ms != b.sync_every_ms) return "sync.everyMs";
  if (a.read_only != b.read_only) return "readOnly";
  if (a.compression != b.compression) return "compression";
  if (a.auto_compaction != b.auto_compaction) return "compaction.auto";
  if (a.compaction_dead_percent != b.compaction_dead_percent) return "compaction.deadRatio";
  if (a.compaction_log_bytes_min != b.compaction_log_bytes_min) return "compaction.minBytes";
  if (a.compaction_io_percent != b.compaction_io_percent) return "compaction.ioShare";
  if (a.segment_bytes != b.segment_bytes) return "segmentBytes";
  if (a.key_bytes_max != b.key_bytes_max) return "keyBytesMax";
  if (a.value_bytes_max != b.value_bytes_max) return "valueBytesMax";
  if (a.batch_operations_max != b.batch_operations_max) return "batchOperationsMax";
  if (a.batch_bytes_max != b.batch_bytes_max) return "batchBytesMax";
  if (a.pending_bytes_max != b.pending_bytes_max) return "pendingBytesMax";
  if (a.reader_queue_max != b.reader_queue_max) return "readerQueueMax";
  return nullptr;
}

Status Attach(Entry* entry, const Options& options, std::shared_ptr<Store>* store) {
  if (const char* option = Difference(entry->store->options(), options); option != nullptr) {
    return Status::Error(Code::kOptionsDiffer,
                         std::string("the store is open in this process with another value of ") + option);
  }
  if (options.error_if_exists) return Status::Error(Code::kExists, "the store exists, and is open in this process");
  entry->references++;
  *store = entry->store;
  return Status::Ok();
}
}  // namespace

Status OpenShared(Env* env, const std::string& path, const Options& options, OnOpenProgress on_progress,
                  std::shared_ptr<Store>* store) {
  CRABKV_RETURN_IF_ERROR(ValidateOptions(options));
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env->Exists(path, &exists));
  if (!exists) {
    if (!options.create_if_missing || options.read_only) return Status::Error(Code::kMissing, "no store in " + path);
    CRABKV_RETURN_IF_ERROR(env->CreateDirectory(path));
  }
  FileId id;
  CRABKV_RETURN_IF_ERROR(env->Identify(path, &id));
  Registry* const registry = TheRegistry();
  std::unique_lock<std::mutex> lock(registry->mutex);
  Entry* entry = registry->Find(id);
  while (entry != nullptr && entry->busy) {
    registry->changed.wait(lock);
    entry = registry->Find(id);
  }
  if (entry != nullptr) return Attach(entry, options, store);
  registry->entries.push_back(std::make_unique<Entry>());
  entry = registry->entries.back().get();
  entry->id = id;
  entry->busy = true;
  lock.unlock();
  std::shared_ptr<Store> opened;
  const Status status = Store::Open(env, path, options, &opened, std::move(on_progress));
  lock.lock();
  if (!status.ok()) {
    registry->Remove(entry);
    return status;
  }
  entry->busy = false;
  entry->references = 1;
  entry->store = std::move(opened);
  *store = entry->store;
  registry->changed.notify_all();
  return Status::Ok();
}

Status CloseShared(std::shared_ptr<Store>* store) {
  const std::shared_ptr<Store> closing = std::move(*store);
  store->reset();
  if (closing == nullptr) return Status::Ok();
  Registry* const registry = TheRegistry();
  std::unique_lock<std::mutex> lock(registry->mutex);
  const auto found = std::find_if(registry->entries.begin(), registry->entries.end(),
                                  [&](auto& entry) { return entry->store == closing; });
  CRABKV_ASSERT(found != registry->entries.end());
  Entry* const entry = found->get();
  if (--entry->references != 0) return Status::Ok();
  entry->busy = true;
  lock.unlock();
  const Status status = closing->Close();
  lock.lock();
  registry->Remove(entry);
  return status;
}

}  // namespace crabkv
