// Scans and feeds: opened here, advanced on a reader thread chunk by chunk, destroyed here or at close.
#include <cstring>
#include <string>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/cold.h"
#include "native/addon/functions.h"

namespace crabkv::addon {

namespace {

constexpr uint64_t kChunkBytesMax = uint64_t{64} << 20;

class ScanChunk : public Delivery {
 public:
  ScanChunk(napi_deferred deferred, uint32_t handle_id, uint32_t scan_id, Scan* scan, uint32_t entries_max,
            uint64_t bytes_max)
      : deferred_(deferred),
        handle_id_(handle_id),
        scan_id_(scan_id),
        scan_(scan),
        entries_max_(entries_max),
        bytes_max_(bytes_max) {}

  // The handle keeps the scan while the slot is busy, and at close until the jobs are done.
  void Run(Store&) {
    status_ = scan_->Next(entries_max_, bytes_max_, &chunk_, &entries_, &done_);
    version_ = scan_->version();
  }

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    Handle* handle = environment.Find(handle_id_);
    if (handle != nullptr) handle->ScanIsIdle(scan_id_);
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    Resolve(environment, deferred_,
            environment.MakeArray(4, [&](size_t index) { return Part(environment.env(), index); }));
  }

 private:
  napi_value Part(napi_env env, size_t index) {
    napi_value part;
    if (index == 1) return napi_create_uint32(env, entries_, &part) == napi_ok ? part : nullptr;
    if (index == 2) return napi_get_boolean(env, done_, &part) == napi_ok ? part : nullptr;
    if (index == 3) return napi_create_double(env, static_cast<double>(version_), &part) == napi_ok ? part : nullptr;
    void* data = nullptr;
    if (napi_create_arraybuffer(env, chunk_.size(), &data, &part) != napi_ok) return nullptr;
    if (chunk_.size() > 0) std::memcpy(data, chunk_.data(), chunk_.size());
    return part;
  }

  const napi_deferred deferred_;
  const uint32_t handle_id_;
  const uint32_t scan_id_;
  Scan* const scan_;
  const uint32_t entries_max_;
  const uint64_t bytes_max_;
  Status status_;
  ReadBuffer chunk_;
  uint32_t entries_ = 0;
  bool done_ = false;
  uint64_t version_ = 0;
};

constexpr uint64_t kSafeIntegerMax = (uint64_t{1} << 53) - 1;

// The prefix of a scan or a feed: the second argument of its call.
bool ReadPrefix(Environment& environment, napi_value value, std::string* prefix) {
  std::string_view bytes;
  if (!ReadBytes(environment, value, "prefix", kAnyKey, &environment.key_scratch, &bytes)) return false;
  *prefix = bytes;
  return true;
}

napi_value AddScan(napi_env env, Handle* handle, std::unique_ptr<Scan> scan) {
  napi_value scan_id;
  napi_create_uint32(env, handle->AddScan(std::move(scan)), &scan_id);
  return scan_id;
}

}  // namespace

// scanOpen(handle, prefix, values, afterVersion): number, the scan.
napi_value ScanOpen(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  ScanOptions options;
  if (handle == nullptr || !ReadPrefix(call.environment(), call[1], &options.prefix) ||
      !ReadBool(env, call[2], "values", &options.values) ||
      !ReadInteger(env, call[3], "from", kSafeIntegerMax, &options.after_version)) {
    return nullptr;
  }
  std::unique_ptr<Scan> scan;
  const Status status = handle->store().NewScan(options, &scan);
  return status.ok() ? AddScan(env, handle, std::move(scan)) : ThrowStatus(call.environment(), status);
}

// feedOpen(handle, prefix, resume, afterVersion, lagBytesMax): number, a feed: used and ended like a scan. Results: the
// version after which it begins.
napi_value FeedOpen(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Environment& environment = call.environment();
  FeedOptions options;
  if (handle == nullptr || !ReadPrefix(environment, call[1], &options.prefix) ||
      !ReadBool(env, call[2], "resume", &options.resume) ||
      !ReadInteger(env, call[3], "from", kSafeIntegerMax, &options.after_version) ||
      !ReadInteger(env, call[4], "lagBytesMax", kSafeIntegerMax, &options.lag_bytes_max)) {
    return nullptr;
  }
  std::unique_ptr<Scan> feed;
  const Status status = handle->store().NewFeed(options, &feed);
  if (!status.ok()) return ThrowStatus(environment, status);
  environment.results()[kResultVersion] = static_cast<double>(feed->version());
  return AddScan(env, handle, std::move(feed));
}

// feedWait(handle, feed, waiting): whether somebody waits for the feed's next change, which keeps the event loop alive.
// Forgiving, as scanEnd is.
napi_value FeedWait(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  uint32_t id = 0;
  uint32_t feed_id = 0;
  bool waiting = false;
  napi_get_value_uint32(env, call[0], &id);
  napi_get_value_uint32(env, call[1], &feed_id);
  napi_get_value_bool(env, call[2], &waiting);
  Handle* handle = call.environment().Find(id);
  if (handle != nullptr) handle->WaitForScan(feed_id, waiting);
  return nullptr;
}

// scanNext(handle, scan, entriesMax, bytesMax): Promise<[ArrayBuffer, entries, done, version]>, see Scan. One call at a
// time for each scan.
napi_value ScanNext(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  uint64_t scan_id = 0;
  uint64_t entries_max = 0;
  uint64_t bytes_max = 0;
  if (handle == nullptr || !ReadInteger(env, call[1], "scan", UINT32_MAX, &scan_id) ||
      !ReadInteger(env, call[2], "entriesMax", UINT32_MAX, &entries_max) ||
      !ReadInteger(env, call[3], "bytesMax", kChunkBytesMax, &bytes_max)) {
    return nullptr;
  }
  Handle::ScanSlot* slot = handle->FindScan(static_cast<uint32_t>(scan_id));
  if (slot == nullptr || slot->ended || slot->busy) return ThrowTypeError(env, "scan is not open, or busy");
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  auto chunk = std::make_unique<ScanChunk>(deferred, handle->id(), static_cast<uint32_t>(scan_id), slot->scan.get(),
                                           static_cast<uint32_t>(entries_max), bytes_max);
  slot->busy = SubmitDelivery(call.environment(), *handle, deferred, std::move(chunk));
  return promise;
}

// scanEnd(handle, scan): gives the scan's memory and segments back, now or when its job is done. Forgiving: the store
// may have been closed.
napi_value ScanEnd(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  uint32_t id = 0;
  uint32_t scan_id = 0;
  napi_get_value_uint32(env, call[0], &id);
  napi_get_value_uint32(env, call[1], &scan_id);
  Handle* handle = call.environment().Find(id);
  if (handle != nullptr) handle->EndScan(scan_id);
  return nullptr;
}

}  // namespace crabkv::addon
