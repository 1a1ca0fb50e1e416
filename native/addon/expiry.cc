// Active expiry: when the next key is due, and removing those that are, on a reader thread.
#include <cmath>
#include <cstring>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/cold.h"
#include "native/addon/functions.h"

namespace crabkv::addon {

namespace {

class Removal : public Delivery {
 public:
  Removal(napi_deferred deferred, uint32_t handle_id, uint32_t keys_max)
      : deferred_(deferred), handle_id_(handle_id), keys_max_(keys_max) {}

  void Run(Store& store) { status_ = store.RemoveExpired(keys_max_, &keys_, &removed_, &more_, &commit_); }

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    Handle* handle = environment.Find(handle_id_);
    if (handle != nullptr) handle->AwaitGroup(commit_.group);
    Resolve(environment, deferred_,
            environment.MakeArray(4, [&](size_t index) { return Part(environment.env(), index); }));
  }

 private:
  napi_value Part(napi_env env, size_t index) {
    napi_value part;
    if (index == 0) {
      void* data = nullptr;
      if (napi_create_arraybuffer(env, keys_.size(), &data, &part) != napi_ok) return nullptr;
      if (keys_.size() > 0) std::memcpy(data, keys_.data(), keys_.size());
      return part;
    }
    if (index == 1) return napi_create_uint32(env, removed_, &part) == napi_ok ? part : nullptr;
    if (index == 2) return napi_get_boolean(env, more_, &part) == napi_ok ? part : nullptr;
    return napi_create_double(env, static_cast<double>(commit_.group), &part) == napi_ok ? part : nullptr;
  }

  const napi_deferred deferred_;
  const uint32_t handle_id_;
  const uint32_t keys_max_;
  Status status_;
  ReadBuffer keys_;
  uint32_t removed_ = 0;
  bool more_ = false;
  Commit commit_;
};

}  // namespace

// nextDeadline(handle): number, ms until the first key may expire; Infinity when no key has a deadline.
napi_value NextDeadline(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Handle* handle = call.handle();
  if (handle == nullptr) return nullptr;
  const uint64_t next_ms = handle->store().NextDeadlineMs();
  const uint64_t now_ms = handle->store().NowMs();
  double left_ms = next_ms == UINT64_MAX ? HUGE_VAL : 0;
  if (next_ms != UINT64_MAX && next_ms > now_ms) left_ms = static_cast<double>(next_ms - now_ms);
  napi_value left;
  return napi_create_double(env, left_ms, &left) == napi_ok ? left : nullptr;
}

// removeExpired(handle, keysMax): Promise<[ArrayBuffer, removed, more, group]>.
napi_value RemoveExpired(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  uint64_t keys_max = 0;
  napi_deferred deferred;
  napi_value promise;
  if (handle == nullptr || !ReadInteger(env, call[1], "keysMax", 1 << 20, &keys_max) ||
      napi_create_promise(env, &deferred, &promise) != napi_ok) {
    return nullptr;
  }
  auto removal = std::make_unique<Removal>(deferred, handle->id(), static_cast<uint32_t>(keys_max));
  SubmitDelivery(call.environment(), *handle, deferred, std::move(removal));
  return promise;
}

}  // namespace crabkv::addon
