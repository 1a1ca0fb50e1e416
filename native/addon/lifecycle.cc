// Opening and closing. Both can wait for a disk and for other threads, so both run on a native thread of their own.
#include <string>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"
#include "native/core/env.h"
#include "native/core/registry.h"

namespace crabkv::addon {

namespace {

// JavaScript's functions for one opening, both referenced.
struct OpenCallbacks {
  napi_ref on_commit = nullptr;
  napi_ref on_progress = nullptr;  // null: nobody wants to know
};

// Posted before the opening's OpenDelivery, which gives the references back.
class ProgressDelivery final : public Delivery {
 public:
  ProgressDelivery(napi_ref on_progress, const OpenProgress& progress)
      : on_progress_(on_progress), progress_(progress) {}

  void Deliver(Environment& environment) override {
    napi_env env = environment.env();
    napi_value arguments[3];
    napi_value callback;
    napi_value receiver;
    napi_create_double(env, static_cast<double>(progress_.bytes_done), &arguments[0]);
    napi_create_double(env, static_cast<double>(progress_.bytes_total), &arguments[1]);
    napi_create_double(env, static_cast<double>(progress_.records), &arguments[2]);
    napi_get_undefined(env, &receiver);
    if (napi_get_reference_value(env, on_progress_, &callback) != napi_ok) return;
    napi_call_function(env, receiver, callback, 3, arguments, nullptr);
  }

 private:
  const napi_ref on_progress_;
  const OpenProgress progress_;
};

class OpenDelivery : public Delivery {
 public:
  OpenDelivery(napi_deferred deferred, const OpenCallbacks& callbacks) : deferred_(deferred), callbacks_(callbacks) {}
  ~OpenDelivery() override {
    // The environment ended while the store was opening: nobody else will give the reference back.
    if (store_ != nullptr) static_cast<void>(CloseShared(&store_));
  }

  // Native thread.
  void Run(const std::string& path, const Options& options, Gate* gate) {
    OnOpenProgress tell;
    if (callbacks_.on_progress != nullptr) {
      tell = [this, gate](const OpenProgress& progress) {
        gate->Post(std::make_unique<ProgressDelivery>(callbacks_.on_progress, progress));
      };
    }
    status_ = OpenShared(DefaultEnv(), path, options, tell, &store_);
  }

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (callbacks_.on_progress != nullptr) napi_delete_reference(environment.env(), callbacks_.on_progress);
    if (!status_.ok()) {
      napi_delete_reference(environment.env(), callbacks_.on_commit);
      return Reject(environment, deferred_, status_);
    }
    const uint32_t id = environment.NextHandleId();
    environment.Add(std::make_unique<Handle>(environment, id, std::exchange(store_, nullptr), callbacks_.on_commit));
    napi_value number;
    napi_create_uint32(environment.env(), id, &number);
    Resolve(environment, deferred_, number);
  }

 private:
  const napi_deferred deferred_;
  const OpenCallbacks callbacks_;
  Status status_;
  std::shared_ptr<Store> store_;
};

// Reads properties of the plain object that src/options.ts made; after the first failure the rest is skipped.
class OptionReader {
 public:
  OptionReader(napi_env env, napi_value object) : env_(env), object_(object) {}

  template <typename T>
  void Integer(const char* name, T* out) {
    uint64_t number = 0;
    ok_ =
        ok_ && ReadInteger(env_, Get(name), name, static_cast<T>(~T{0}) < kMax ? static_cast<T>(~T{0}) : kMax, &number);
    if (ok_) *out = static_cast<T>(number);
  }
  template <typename E>
  void Enumerator(const char* name, uint64_t last, E* out) {
    uint64_t number = 0;
    ok_ = ok_ && ReadInteger(env_, Get(name), name, last, &number);
    if (ok_) *out = static_cast<E>(number);
  }
  void Flag(const char* name, bool* out) { ok_ = ok_ && ReadBool(env_, Get(name), name, out); }
  void Slots(const char* name, std::vector<uint16_t>* out) {
    Span<uint16_t> slots;
    ok_ = ok_ && ReadUint16Array(env_, Get(name), name, &slots);
    if (ok_) out->assign(slots.data, slots.data + slots.length);
  }
  bool ok() const { return ok_; }

 private:
  static constexpr uint64_t kMax = (uint64_t{1} << 53) - 1;

  napi_value Get(const char* name) {
    napi_value value;
    if (napi_get_named_property(env_, object_, name, &value) != napi_ok) napi_get_undefined(env_, &value);
    return value;
  }

  napi_env env_;
  napi_value object_;
  bool ok_ = true;
};

bool ReadOptions(napi_env env, napi_value object, Options* options) {
  napi_valuetype type;
  if (napi_typeof(env, object, &type) != napi_ok || type != napi_object) {
    ThrowTypeError(env, "options must be an object");
    return false;
  }
  OptionReader reader(env, object);
  reader.Integer("shards", &options->shard_count);
  reader.Slots("slotToShard", &options->slot_to_shard);
  reader.Enumerator("sync", static_cast<uint64_t>(SyncMode::kOs), &options->sync);
  reader.Integer("syncEveryMs", &options->sync_every_ms);
  reader.Flag("createIfMissing", &options->create_if_missing);
  reader.Flag("errorIfExists", &options->error_if_exists);
  reader.Flag("readOnly", &options->read_only);
  reader.Enumerator("compression", static_cast<uint64_t>(Codec::kSnappy), &options->compression);
  reader.Flag("autoCompaction", &options->auto_compaction);
  reader.Integer("compactionDeadPercent", &options->compaction_dead_percent);
  reader.Integer("compactionLogBytesMin", &options->compaction_log_bytes_min);
  reader.Integer("compactionIoPercent", &options->compaction_io_percent);
  reader.Integer("segmentBytes", &options->segment_bytes);
  reader.Integer("keyBytesMax", &options->key_bytes_max);
  reader.Integer("valueBytesMax", &options->value_bytes_max);
  reader.Integer("batchOperationsMax", &options->batch_operations_max);
  reader.Integer("batchBytesMax", &options->batch_bytes_max);
  reader.Integer("pendingBytesMax", &options->pending_bytes_max);
  reader.Integer("readerQueueMax", &options->reader_queue_max);
  return reader.ok();
}

bool IsFunction(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_function;
}

}  // namespace

// open(path, options, onCommit, onProgress): Promise<number>, the handle.
napi_value Open(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  std::string path;
  Options options;
  if (!ReadPath(env, call[0], "path", &path) || !ReadOptions(env, call[1], &options)) return nullptr;
  const Status valid = ValidateOptions(options);
  if (!valid.ok()) return ThrowStatus(call.environment(), valid);
  if (!IsFunction(env, call[2])) return ThrowTypeError(env, "onCommit must be a function");
  const bool tells = !IsUndefined(env, call[3]);
  if (tells && !IsFunction(env, call[3])) return ThrowTypeError(env, "onProgress must be a function");
  OpenCallbacks callbacks;
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_reference(env, call[2], 1, &callbacks.on_commit) != napi_ok ||
      (tells && napi_create_reference(env, call[3], 1, &callbacks.on_progress) != napi_ok) ||
      napi_create_promise(env, &deferred, &promise) != napi_ok) {
    return nullptr;
  }
  call.environment().gate().Hold();
  auto gate = call.environment().shared_gate();
  RunDetached("crabkv-open", [gate, deferred, callbacks, path, options] {
    auto delivery = std::make_unique<OpenDelivery>(deferred, callbacks);
    delivery->Run(path, options, gate.get());
    gate->Post(std::move(delivery));
  });
  return promise;
}

// close(handle): Promise<void>. The handle is of no use from this call on.
napi_value Close(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  if (call.handle() == nullptr) return nullptr;
  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return nullptr;
  uint32_t id = 0;
  napi_get_value_uint32(env, call[0], &id);
  call.environment().Remove(id)->Close(deferred);
  return promise;
}

}  // namespace crabkv::addon
