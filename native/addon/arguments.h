// Arguments of native functions, checked again here although TypeScript checked them first: whatever comes in, these
// return false with a TypeError or RangeError pending that names the argument, and never crash.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "native/addon/environment.h"
#include "native/addon/errors.h"
#include "native/addon/handle.h"
#include "native/addon/scratch.h"

namespace crabkv::addon {

// The arguments of one call, missing ones as undefined.
template <size_t kCount>
class Call {
 public:
  Call(napi_env call_env, napi_callback_info info) : env(call_env) {
    void* data = nullptr;
    napi_get_cb_info(call_env, info, &given_, values_, nullptr, &data);
    environment_ = static_cast<Environment*>(data);
  }
  napi_value operator[](size_t index) const { return values_[index]; }
  // How many there are, which may be more than are kept.
  size_t given() const { return given_; }
  const napi_value* from(size_t index) const { return values_ + index; }
  Environment& environment() const { return *environment_; }

  // The open store that the first argument names; null with CRABKV_CLOSED pending.
  Handle* handle() const {
    uint32_t id = 0;
    napi_get_value_uint32(env, values_[0], &id);
    Handle* found = environment_->Find(id);
    if (found == nullptr) ThrowClosed(*environment_);
    return found;
  }

  const napi_env env;

 private:
  Environment* environment_;
  size_t given_ = kCount;
  napi_value values_[kCount];
};

// --- Numbers and flags.
bool ReadDouble(napi_env env, napi_value value, const char* name, double* out);
// An integer from 0 to `max` (at most 2^53 - 1).
bool ReadInteger(napi_env env, napi_value value, const char* name, uint64_t max, uint64_t* out);
// Milliseconds to live, 0 or Infinity for no end, as the store's absolute deadline.
bool ReadDeadline(napi_env env, napi_value value, Handle& handle, uint64_t* expires_at_ms);
bool DeadlineOf(napi_env env, double ttl_ms, Handle& handle, uint64_t* expires_at_ms);
bool ReadBool(napi_env env, napi_value value, const char* name, bool* out);

// --- Bytes. A string (as UTF-8; one with a lone surrogate is refused, because two of them would be one) or a
// Uint8Array.
// `*out` is borrowed from `scratch` or from the array, until the call ends or the scratch is used again.
struct Bound {
  uint64_t bytes_max;
  const char* name;  // of the option
};
bool ReadBytes(Environment& environment, napi_value value, const char* name, Bound bound, Scratch* scratch,
               std::string_view* out);
// A key that is asked for, deleted or given a deadline may be as long as any; one that is put may not.
inline constexpr Bound kAnyKey = {kKeyBytesMax, "the most"};
Bound NewKeyBound(const Handle& handle);
bool ReadKey(Environment& environment, napi_value value, Bound bound, std::string_view* key);
bool ReadValue(Environment& environment, Handle& handle, napi_value value, std::string_view* out);
bool ThrowTooLarge(Environment& environment, const std::string& name, uint64_t bytes, Bound bound);  // false
bool HasLoneSurrogate(std::u16string_view text);
// Keys and values in turn, all of them strings and short; `out[i]` is borrowed from the value scratch, which has room
// for `bytes_max` bytes.
bool ReadPairs(Environment& environment, const napi_value* values, size_t count, size_t bytes_max,
               std::string_view* out);
// A string, as its own copy.
bool ReadString(napi_env env, napi_value value, const char* name, std::string* out);
// The same, without null bytes and lone surrogates.
bool ReadPath(napi_env env, napi_value value, const char* name, std::string* path);

// --- Typed arrays made by src/native.ts (never a caller's, so nobody detaches or shares them). The memory is borrowed
// for the call.
template <typename T>
struct Span {
  T* data = nullptr;
  size_t length = 0;
};
bool ReadUint8Array(napi_env env, napi_value value, const char* name, Span<uint8_t>* out);
bool ReadUint16Array(napi_env env, napi_value value, const char* name, Span<uint16_t>* out);
bool ReadInt32Array(napi_env env, napi_value value, const char* name, Span<int32_t>* out);
bool ReadUint32Array(napi_env env, napi_value value, const char* name, Span<uint32_t>* out);
bool ReadFloat64Array(napi_env env, napi_value value, const char* name, Span<double>* out);
bool IsUndefined(napi_env env, napi_value value);

// --- Columns: the keys or the values of a batch, back to back in one string or one Uint8Array, and their lengths (in
// UTF-16 units, or in bytes). One conversion for a whole batch costs a quarter of walking an array of strings.
// The views are borrowed from `scratch` or from the array.
bool ReadColumn(Environment& environment, napi_value data, napi_value lengths, const char* name, Scratch* scratch,
                std::vector<std::string_view>* out);
bool ReadKeyColumn(Environment& environment, napi_value data, napi_value lengths, Bound bound, Scratch* scratch,
                   std::vector<std::string_view>* keys);
// Of the key at `index`. False with an exception pending.
bool CheckKeyBytes(Environment& environment, size_t index, std::string_view key, Bound bound);

}  // namespace crabkv::addon
