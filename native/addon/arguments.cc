#include "native/addon/arguments.h"

#include <cmath>
#include <cstring>

#include "native/addon/text.h"

namespace crabkv::addon {

namespace {

constexpr double kIntegerMax = 9007199254740991.0;  // 2^53 - 1, Number.MAX_SAFE_INTEGER

// A string converted to UTF-8 has U+FFFD where it had a lone surrogate, or where it had U+FFFD.
bool HasReplacementCharacter(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while ((at = static_cast<const char*>(std::memchr(at, 0xEF, static_cast<size_t>(end - at)))) != nullptr) {
    if (end - at >= 3 && at[1] == '\xBF' && at[2] == '\xBD') return true;
    at++;
  }
  return false;
}

// A string in UTF-8, as far as it fits into `room` bytes with a terminator; false when it is no string. V8 writes UTF-8
// a character at a time and UTF-16 in blocks, so what is short is asked for as that, and is narrowed when it turns out
// to be ASCII, as most is. Then nothing in it was replaced; else *ascii is false, which says nothing.
bool WriteUtf8(napi_env env, napi_value value, char* to, size_t room, size_t* length, bool* ascii) {
  constexpr size_t kUnitsMax = 512;
  char16_t units[kUnitsMax];
  if (napi_get_value_string_utf16(env, value, units, kUnitsMax, length) != napi_ok) return false;
  const bool whole = *length + 1 < kUnitsMax && *length < room;
  *ascii = whole && Narrow(units, *length, to);
  return *ascii || napi_get_value_string_utf8(env, value, to, room, length) == napi_ok;
}

bool ReadUint8ArrayBytes(Environment& environment, napi_value value, const char* name, Bound bound, Scratch* scratch,
                         std::string_view* out) {
  napi_env env = environment.env();
  napi_typedarray_type type;
  size_t length;
  void* data;
  napi_value array_buffer;
  size_t offset;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, &array_buffer, &offset) != napi_ok ||
      type != napi_uint8_array) {
    ThrowTypeError(env, std::string(name) + " must be a string or a Uint8Array");
    return false;
  }
  if (length > bound.bytes_max) return ThrowTooLarge(environment, name, length, bound);
  if (length == 0) {
    bool detached = false;
    if (napi_is_detached_arraybuffer(env, array_buffer, &detached) == napi_ok && detached) {
      ThrowTypeError(env, std::string(name) + " is a detached Uint8Array");
      return false;
    }
    *out = std::string_view("", 0);
    return true;
  }
  bool plain = false;
  napi_is_arraybuffer(env, array_buffer, &plain);
  if (!plain) {
    // Shared memory: another thread may write to it between the checksum and the copy into the log.
    scratch->Reserve(length);
    std::memcpy(scratch->data(), data, length);
    data = scratch->data();
  }
  *out = std::string_view(static_cast<const char*>(data), length);
  return true;
}

// After a conversion that may have been cut short: finds the length first.
bool ReadLongString(Environment& environment, napi_value value, const char* name, Bound bound, Scratch* scratch,
                    std::string_view* out) {
  napi_env env = environment.env();
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return false;
  if (length > bound.bytes_max) return ThrowTooLarge(environment, name, length, bound);
  scratch->Reserve(length + 1);
  if (napi_get_value_string_utf8(env, value, scratch->data(), length + 1, &length) != napi_ok) return false;
  *out = std::string_view(scratch->data(), length);
  return true;
}

// Rare: U+FFFD is in the UTF-8, so the string is looked at as JavaScript has it.
bool IsWellFormed(napi_env env, napi_value value) {
  size_t units = 0;
  if (napi_get_value_string_utf16(env, value, nullptr, 0, &units) != napi_ok) return false;
  std::u16string text(units, u'\0');
  if (napi_get_value_string_utf16(env, value, text.data(), units + 1, &units) != napi_ok) return false;
  return !HasLoneSurrogate(text);
}

// `text` is the string in UTF-8, in which each lone surrogate has become the same character: two strings would be one.
bool CheckWellFormed(napi_env env, napi_value value, const char* name, std::string_view text) {
  if (!HasReplacementCharacter(text) || IsWellFormed(env, value)) return true;
  ThrowTypeError(env, std::string(name) + " must be a well-formed string, this one has a lone surrogate");
  return false;
}

template <typename T>
bool ReadTypedArray(napi_env env, napi_value value, napi_typedarray_type wanted, const char* name, Span<T>* out) {
  napi_typedarray_type type;
  void* data;
  napi_value array_buffer;
  size_t offset;
  if (napi_get_typedarray_info(env, value, &type, &out->length, &data, &array_buffer, &offset) != napi_ok ||
      type != wanted) {
    ThrowTypeError(env, std::string(name) + " is not of the right typed array");
    return false;
  }
  out->data = static_cast<T*>(data);
  return true;
}

}  // namespace

bool ReadDouble(napi_env env, napi_value value, const char* name, double* out) {
  if (napi_get_value_double(env, value, out) == napi_ok) return true;
  ThrowTypeError(env, std::string(name) + " must be a number");
  return false;
}

bool ReadInteger(napi_env env, napi_value value, const char* name, uint64_t max, uint64_t* out) {
  double number = 0;
  if (!ReadDouble(env, value, name, &number)) return false;
  if (!(number >= 0 && number <= kIntegerMax && number <= static_cast<double>(max)) || number != std::floor(number)) {
    ThrowRangeError(env, std::string(name) + " must be an integer from 0 to " + std::to_string(max));
    return false;
  }
  *out = static_cast<uint64_t>(number);
  return true;
}

bool DeadlineOf(napi_env env, double ttl_ms, Handle& handle, uint64_t* expires_at_ms) {
  *expires_at_ms = 0;
  if (ttl_ms == 0 || ttl_ms == HUGE_VAL) return true;
  if (!(ttl_ms > 0 && ttl_ms <= kIntegerMax)) {
    ThrowRangeError(env, "ttlMs must be a positive integer or Infinity");
    return false;
  }
  *expires_at_ms = handle.store().NowMs() + static_cast<uint64_t>(std::ceil(ttl_ms));
  return true;
}

bool ReadDeadline(napi_env env, napi_value value, Handle& handle, uint64_t* expires_at_ms) {
  double ttl_ms = 0;
  return ReadDouble(env, value, "ttlMs", &ttl_ms) && DeadlineOf(env, ttl_ms, handle, expires_at_ms);
}

bool ReadBool(napi_env env, napi_value value, const char* name, bool* out) {
  if (napi_get_value_bool(env, value, out) == napi_ok) return true;
  ThrowTypeError(env, std::string(name) + " must be a boolean");
  return false;
}

bool ReadBytes(Environment& environment, napi_value value, const char* name, Bound bound, Scratch* scratch,
               std::string_view* out) {
  napi_env env = environment.env();
  scratch->Settle();
  size_t length = 0;
  const size_t room = scratch->capacity();
  bool ascii = false;
  if (!WriteUtf8(env, value, scratch->data(), room, &length, &ascii)) {
    return ReadUint8ArrayBytes(environment, value, name, bound, scratch, out);
  }
  *out = std::string_view(scratch->data(), length);
  // One byte is the terminator's, and a character of up to 4 bytes that does not fit is left out.
  if (length + 4 >= room && !ReadLongString(environment, value, name, bound, scratch, out)) return false;
  if (out->size() > bound.bytes_max) return ThrowTooLarge(environment, name, out->size(), bound);
  return ascii || CheckWellFormed(env, value, name, *out);
}

Bound NewKeyBound(const Handle& handle) { return {handle.options().key_bytes_max, "keyBytesMax"}; }

bool ReadKey(Environment& environment, napi_value value, Bound bound, std::string_view* key) {
  return ReadBytes(environment, value, "key", bound, &environment.key_scratch, key);
}

bool ReadValue(Environment& environment, Handle& handle, napi_value value, std::string_view* out) {
  const Bound bound{handle.options().value_bytes_max, "valueBytesMax"};
  return ReadBytes(environment, value, "value", bound, &environment.value_scratch, out);
}

bool ThrowTooLarge(Environment& environment, const std::string& name, uint64_t bytes, Bound bound) {
  ThrowStatus(environment, Status::Error(Code::kTooLarge, name + " has " + std::to_string(bytes) + " bytes, " +
                                                              bound.name + " is " + std::to_string(bound.bytes_max)));
  return false;
}

bool HasLoneSurrogate(std::u16string_view text) {
  for (size_t i = 0; i < text.size(); i++) {
    if ((text[i] & 0xF800) != 0xD800) continue;
    const bool leads = text[i] < 0xDC00;
    if (!leads || i + 1 == text.size() || (text[i + 1] & 0xFC00) != 0xDC00) return true;
    i++;
  }
  return false;
}

bool ReadPairs(Environment& environment, const napi_value* values, size_t count, size_t bytes_max,
               std::string_view* out) {
  napi_env env = environment.env();
  const auto name = [](size_t i) { return i % 2 == 0 ? "key" : "value"; };
  char* const begin = environment.value_scratch.data();
  char* to = begin;
  bool all_ascii = true;
  for (size_t i = 0; i < count; i++) {
    const size_t room = bytes_max - static_cast<size_t>(to - begin);
    size_t length = 0;
    bool ascii = false;
    if (!WriteUtf8(env, values[i], to, room, &length, &ascii)) {
      ThrowTypeError(env, std::string(name(i)) + " must be a string");
      return false;
    }
    // As in ReadBytes: a character that did not fit was left out.
    if (length + 4 >= room) {
      ThrowRangeError(env, std::string(name(i)) + " is too long to be put with others");
      return false;
    }
    out[i] = std::string_view(to, length);
    to += length;
    all_ascii = all_ascii && ascii;
  }
  // Looked for in all of them at once: it is rarely there.
  if (all_ascii || !HasReplacementCharacter({begin, static_cast<size_t>(to - begin)})) return true;
  for (size_t i = 0; i < count; i++) {
    if (!CheckWellFormed(env, values[i], name(i), out[i])) return false;
  }
  return true;
}

bool ReadString(napi_env env, napi_value value, const char* name, std::string* out) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    ThrowTypeError(env, std::string(name) + " must be a string");
    return false;
  }
  out->resize(length);
  // data() has room for the terminator behind the string's own bytes.
  return napi_get_value_string_utf8(env, value, out->data(), length + 1, &length) == napi_ok;
}

bool ReadPath(napi_env env, napi_value value, const char* name, std::string* path) {
  if (!ReadString(env, value, name, path) || !CheckWellFormed(env, value, name, *path)) return false;
  if (path->find('\0') == std::string::npos) return true;
  ThrowTypeError(env, (std::string(name) + " must not contain null bytes").c_str());
  return false;
}

bool ReadUint8Array(napi_env env, napi_value value, const char* name, Span<uint8_t>* out) {
  return ReadTypedArray(env, value, napi_uint8_array, name, out);
}
bool ReadUint16Array(napi_env env, napi_value value, const char* name, Span<uint16_t>* out) {
  return ReadTypedArray(env, value, napi_uint16_array, name, out);
}
bool ReadInt32Array(napi_env env, napi_value value, const char* name, Span<int32_t>* out) {
  return ReadTypedArray(env, value, napi_int32_array, name, out);
}
bool ReadUint32Array(napi_env env, napi_value value, const char* name, Span<uint32_t>* out) {
  return ReadTypedArray(env, value, napi_uint32_array, name, out);
}
bool ReadFloat64Array(napi_env env, napi_value value, const char* name, Span<double>* out) {
  return ReadTypedArray(env, value, napi_float64_array, name, out);
}

bool IsUndefined(napi_env env, napi_value value) {
  napi_valuetype type;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_undefined;
}

}  // namespace crabkv::addon
