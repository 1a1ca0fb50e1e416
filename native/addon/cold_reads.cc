// Reads of pages that may not be in memory: on a reader thread, answered through the gate. Those that finish together
// share one crossing.
#include <string>
#include <utility>

#include "native/addon/arguments.h"
#include "native/addon/cold.h"
#include "native/addon/functions.h"
#include "native/addon/text.h"

namespace crabkv::addon {

namespace {

napi_value MakeValue(napi_env env, std::string_view bytes, bool as_text) {
  return as_text ? MakeText(env, bytes) : MakeBuffer(env, bytes);
}

class ColdGet : public Delivery {
 public:
  ColdGet(napi_deferred deferred, std::string key, bool as_text)
      : deferred_(deferred), key_(std::move(key)), as_text_(as_text) {}

  void Run(Store& store) {
    status_ = store.Get(key_, DiskWait::kAllowed, &value_, &entry_);
    now_ms_ = store.NowMs();
  }

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    if (!entry_.found) return ResolveUndefined(environment, deferred_);
    napi_env env = environment.env();
    const uint64_t numbers[] = {entry_.version, entry_.expires_at_ms, entry_.counter_index, entry_.counter, now_ms_};
    Resolve(environment, deferred_, environment.MakeArray(6, [&](size_t index) -> napi_value {
      if (index == 0) return MakeValue(env, value_.view(), as_text_);
      napi_value number;
      return napi_create_double(env, static_cast<double>(numbers[index - 1]), &number) == napi_ok ? number : nullptr;
    }));
  }

 private:
  const napi_deferred deferred_;
  const std::string key_;
  const bool as_text_;
  Status status_;
  ReadBuffer value_;
  EntryInfo entry_;
  uint64_t now_ms_ = 0;
};

class ColdGetMany : public Delivery {
 public:
  ColdGetMany(napi_deferred deferred, const std::vector<std::string_view>& keys, bool as_text)
      : deferred_(deferred), as_text_(as_text) {
    size_t total = 0;
    for (const std::string_view key : keys) total += key.size();
    bytes_.reserve(total);  // so that views into it stay good
    for (const std::string_view key : keys) {
      const size_t begin = bytes_.size();
      bytes_.append(key);
      keys_.push_back(std::string_view(bytes_.data() + begin, key.size()));
    }
  }

  void Run(Store& store) {
    status_ = store.GetMany(keys_.data(), static_cast<uint32_t>(keys_.size()), DiskWait::kAllowed, &result_);
  }

  void Deliver(Environment& environment) override {
    environment.gate().Release();
    if (!status_.ok()) return Reject(environment, deferred_, status_);
    napi_env env = environment.env();
    const std::string_view bytes = result_.values.view();
    Resolve(environment, deferred_, environment.MakeArray(result_.items.size(), [&](size_t index) -> napi_value {
      const MultiGetResult::Item& item = result_.items[index];
      napi_value nothing;
      if (item.found) return MakeValue(env, bytes.substr(item.offset, item.length), as_text_);
      return napi_get_undefined(env, &nothing) == napi_ok ? nothing : nullptr;
    }));
  }

 private:
  const napi_deferred deferred_;
  const bool as_text_;
  std::string bytes_;
  std::vector<std::string_view> keys_;
  Status status_;
  MultiGetResult result_;
};

}  // namespace

// getCold(handle, key, asText): Promise<[value, version, expiresAtMs, counterIndex, counter, nowMs] | undefined>.
napi_value GetCold(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  Handle* handle = call.handle();
  std::string_view key;
  bool as_text = false;
  napi_deferred deferred;
  napi_value promise;
  if (handle == nullptr || !ReadKey(call.environment(), call[1], kAnyKey, &key) ||
      !ReadBool(env, call[2], "asText", &as_text) || napi_create_promise(env, &deferred, &promise) != napi_ok) {
    return nullptr;
  }
  SubmitDelivery(call.environment(), *handle, deferred, std::make_unique<ColdGet>(deferred, std::string(key), as_text));
  return promise;
}

// getManyCold(handle, keys, keyLengths, asText): Promise<(value | undefined)[]>.
napi_value GetManyCold(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  Environment& environment = call.environment();
  std::vector<std::string_view> keys;
  bool as_text = false;
  napi_deferred deferred;
  napi_value promise;
  if (handle == nullptr || !ReadKeyColumn(environment, call[1], call[2], kAnyKey, &environment.key_scratch, &keys) ||
      !ReadBool(env, call[3], "asText", &as_text) || napi_create_promise(env, &deferred, &promise) != napi_ok) {
    return nullptr;
  }
  SubmitDelivery(environment, *handle, deferred, std::make_unique<ColdGetMany>(deferred, keys, as_text));
  return promise;
}

}  // namespace crabkv::addon
