// Reads that are answered in the call: from memory, or, for the sync methods, waiting for the disk on this thread.
#include <cmath>
#include <cstring>
#include <string>

#include "native/addon/arguments.h"
#include "native/addon/functions.h"
#include "native/addon/text.h"

namespace crabkv::addon {

namespace {

constexpr uint64_t kReadBufferKeptBytes = 1 << 20;

// What a read finds, when it does not throw.
enum class Found : uint8_t { kValue, kNothing, kNotResident, kThrown };

napi_value Number(napi_env env, double number) {
  napi_value value;
  return napi_create_double(env, number, &value) == napi_ok ? value : nullptr;
}

napi_value Null(napi_env env) {
  napi_value value;
  return napi_get_null(env, &value) == napi_ok ? value : nullptr;
}

// Reads arguments 1 and 2 (key, wait) and then the value into the environment's read buffer.
template <size_t kCount>
Found ReadValueOf(const Call<kCount>& call, Handle* handle) {
  Environment& environment = call.environment();
  std::string_view key;
  bool wait = false;
  if (handle == nullptr || !ReadKey(environment, call[1], kAnyKey, &key) ||
      !ReadBool(call.env, call[2], "wait", &wait)) {
    return Found::kThrown;
  }
  EntryInfo entry;
  environment.read_buffer.Trim(kReadBufferKeptBytes);
  environment.read_buffer.Clear();
  const DiskWait disk_wait = wait ? DiskWait::kAllowed : DiskWait::kNever;
  const Status status = handle->store().Get(key, disk_wait, &environment.read_buffer, &entry);
  if (status.Is(Code::kNotResident)) return Found::kNotResident;
  if (!status.ok()) {
    ThrowStatus(environment, status);
    return Found::kThrown;
  }
  if (!entry.found) return Found::kNothing;
  environment.results()[kResultVersion] = static_cast<double>(entry.version);
  environment.results()[kResultExpiresAtMs] = static_cast<double>(entry.expires_at_ms);
  environment.results()[kResultCounterIndex] = entry.counter_index;
  environment.results()[kResultCounter] = entry.counter;
  if (entry.expires_at_ms != 0) environment.results()[kResultNowMs] = static_cast<double>(handle->store().NowMs());
  return Found::kValue;
}

// What the index knows of the key in the second argument. False: thrown.
bool FindEntry(const Call<2>& call, Handle* handle, EntryInfo* entry) {
  std::string_view key;
  if (handle == nullptr || !ReadKey(call.environment(), call[1], kAnyKey, &key)) return false;
  const Status status = handle->store().Has(key, entry);
  if (!status.ok()) ThrowStatus(call.environment(), status);
  return status.ok();
}

}  // namespace

// getText(handle, key, wait): string | undefined | null; null when the page may not be in memory and `wait` is false.
napi_value GetText(napi_env env, napi_callback_info info) {
  Call<3> call(env, info);
  switch (ReadValueOf(call, call.handle())) {
    case Found::kValue:
      return MakeText(env, call.environment().read_buffer.view());
    case Found::kNotResident:
      return Null(env);
    default:
      return nullptr;
  }
}

// getBytes(handle, key, wait, target, offset): number, the value's length. The bytes are at target[offset] if they fit
// there; if not, takeRead must follow, before any other call. -1: no such key; -2: the page may not be in memory.
napi_value GetBytes(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  // The target is memory that callers have seen, so it is looked at anew in every call: it may have been detached.
  Span<uint8_t> target;
  uint64_t offset = 0;
  if (handle == nullptr || !ReadUint8Array(env, call[3], "target", &target) ||
      !ReadInteger(env, call[4], "offset", UINT32_MAX, &offset)) {
    return nullptr;
  }
  const Found found = ReadValueOf(call, handle);
  if (found == Found::kThrown) return nullptr;
  if (found == Found::kNothing) return Number(env, -1);
  if (found == Found::kNotResident) return Number(env, -2);
  const std::string_view value = call.environment().read_buffer.view();
  if (offset <= target.length && value.size() <= target.length - offset && !value.empty()) {
    std::memcpy(target.data + offset, value.data(), value.size());
  }
  return Number(env, static_cast<double>(value.size()));
}

// takeRead(target): copies what the last getBytes or getMany read, all of it, to the front of target.
napi_value TakeRead(napi_env env, napi_callback_info info) {
  Call<1> call(env, info);
  Span<uint8_t> target;
  if (!ReadUint8Array(env, call[0], "target", &target)) return nullptr;
  const std::string_view bytes = call.environment().read_buffer.view();
  if (bytes.size() > target.length) return ThrowRangeError(env, "target is too small for what was read");
  if (!bytes.empty()) std::memcpy(target.data, bytes.data(), bytes.size());
  return nullptr;
}

// getMany(handle, keys, keyLengths, wait, lengths | undefined): without `lengths`, an array of string | undefined. With
// it, the number of bytes of all values, which takeRead then hands over back to back; each length goes into `lengths`,
// -1 for none. null when a page may not be in memory and `wait` is false.
napi_value GetMany(napi_env env, napi_callback_info info) {
  Call<5> call(env, info);
  Handle* handle = call.handle();
  Environment& environment = call.environment();
  std::vector<std::string_view> keys;
  bool wait = false;
  if (handle == nullptr || !ReadKeyColumn(environment, call[1], call[2], kAnyKey, &environment.key_scratch, &keys) ||
      !ReadBool(env, call[3], "wait", &wait)) {
    return nullptr;
  }
  const bool as_text = IsUndefined(env, call[4]);
  Span<int32_t> lengths;
  if (!as_text && !ReadInt32Array(env, call[4], "lengths", &lengths)) return nullptr;
  if (!as_text && lengths.length < keys.size()) return ThrowRangeError(env, "lengths is shorter than keys");
  MultiGetResult result;
  std::swap(result.values, environment.read_buffer);
  result.values.Trim(kReadBufferKeptBytes);
  result.values.Clear();
  const DiskWait disk_wait = wait ? DiskWait::kAllowed : DiskWait::kNever;
  const Status status = handle->store().GetMany(keys.data(), static_cast<uint32_t>(keys.size()), disk_wait, &result);
  std::swap(result.values, environment.read_buffer);
  if (status.Is(Code::kNotResident)) return Null(env);
  if (!status.ok()) return ThrowStatus(environment, status);
  const std::string_view bytes = environment.read_buffer.view();
  if (as_text) {
    return environment.MakeArray(result.items.size(), [&](size_t index) -> napi_value {
      const MultiGetResult::Item& item = result.items[index];
      napi_value nothing;
      if (item.found) return MakeText(env, bytes.substr(item.offset, item.length));
      return napi_get_undefined(env, &nothing) == napi_ok ? nothing : nullptr;
    });
  }
  for (size_t i = 0; i < result.items.size(); i++) {
    lengths.data[i] = result.items[i].found ? static_cast<int32_t>(result.items[i].length) : -1;
  }
  return Number(env, static_cast<double>(bytes.size()));
}

// has(handle, key): boolean.
napi_value Has(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  EntryInfo entry;
  if (!FindEntry(call, call.handle(), &entry)) return nullptr;
  napi_value found;
  return napi_get_boolean(env, entry.found, &found) == napi_ok ? found : nullptr;
}

// hasMany(handle, keys, keyLengths, found): fills `found` with one flag for each key.
napi_value HasMany(napi_env env, napi_callback_info info) {
  Call<4> call(env, info);
  Handle* handle = call.handle();
  Environment& environment = call.environment();
  std::vector<std::string_view> keys;
  Span<uint8_t> flags;
  if (handle == nullptr || !ReadKeyColumn(environment, call[1], call[2], kAnyKey, &environment.key_scratch, &keys) ||
      !ReadUint8Array(env, call[3], "found", &flags)) {
    return nullptr;
  }
  if (flags.length < keys.size()) return ThrowRangeError(env, "found is shorter than keys");
  std::unique_ptr<bool[]> found(new bool[keys.size() + 1]());
  const Status status = handle->store().HasMany(keys.data(), static_cast<uint32_t>(keys.size()), found.get());
  if (!status.ok()) return ThrowStatus(environment, status);
  for (size_t i = 0; i < keys.size(); i++) flags.data[i] = found[i] ? 1 : 0;
  return nullptr;
}

// ttl(handle, key): number, ms left; Infinity when the key never expires, -1 when there is no such key.
napi_value Ttl(napi_env env, napi_callback_info info) {
  Call<2> call(env, info);
  Handle* handle = call.handle();
  EntryInfo entry;
  if (!FindEntry(call, handle, &entry)) return nullptr;
  if (!entry.found) return Number(env, -1);
  if (entry.expires_at_ms == 0) return Number(env, HUGE_VAL);
  const uint64_t now_ms = handle->store().NowMs();
  return Number(env, entry.expires_at_ms > now_ms ? static_cast<double>(entry.expires_at_ms - now_ms) : 0);
}

}  // namespace crabkv::addon
