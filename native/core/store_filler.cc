#include "native/core/store_filler.h"

#include "native/core/format.h"

namespace crabkv {

namespace {
constexpr uint64_t kBatchBytes = 1 << 20;
constexpr size_t kBatchItems = 4096;
}  // namespace

Status StoreFiller::Open(Env* env, const std::string& directory, Codec compression) {
  Options options;
  options.error_if_exists = true;
  options.sync = SyncMode::kOs;  // Finish syncs
  options.auto_compaction = false;
  options.compression = compression;
  // Whatever bounds the records were written under.
  options.key_bytes_max = 1 << 20;
  options.value_bytes_max = 512u << 20;
  options.batch_bytes_max = kRecordBytesMax;
  return Store::Open(env, directory, options, &store_);
}

Status StoreFiller::Put(uint32_t key_bytes, uint32_t value_bytes, uint64_t expires_at_ms, char** to) {
  const uint64_t bytes = uint64_t{key_bytes} + value_bytes;
  if (items_.size() == kBatchItems || (!items_.empty() && bytes_.size() + bytes > kBatchBytes)) {
    CRABKV_RETURN_IF_ERROR(WriteBatch());
  }
  items_.push_back({bytes_.size(), key_bytes, value_bytes, expires_at_ms});
  *to = bytes_.Extend(bytes);
  return Status::Ok();
}

Status StoreFiller::WriteBatch() {
  operations_.clear();
  for (const Item& item : items_) {
    Operation operation;
    operation.key = bytes_.view().substr(item.offset, item.key_bytes);
    operation.value = bytes_.view().substr(item.offset + item.key_bytes, item.value_bytes);
    operation.expires_at_ms = item.expires_at_ms;
    operations_.push_back(operation);
  }
  CRABKV_RETURN_IF_ERROR(store_->WaitFor(group_, false));
  Commit commit;
  CRABKV_RETURN_IF_ERROR(
      store_->Write(operations_.data(), static_cast<uint32_t>(operations_.size()), DiskWait::kAllowed, &commit));
  store_->Kick();
  group_ = commit.group;
  items_.clear();
  bytes_.Clear();
  bytes_.Trim(2 * kBatchBytes);
  return Status::Ok();
}

Status StoreFiller::Finish() {
  if (!items_.empty()) CRABKV_RETURN_IF_ERROR(WriteBatch());
  // What failed is not among what is to become durable.
  CRABKV_RETURN_IF_ERROR(store_->WaitFor(group_, false));
  uint64_t group = 0;
  CRABKV_RETURN_IF_ERROR(store_->RequestDurable(&group));
  CRABKV_RETURN_IF_ERROR(store_->WaitFor(group, true));
  return store_->Close();
}

}  // namespace crabkv
