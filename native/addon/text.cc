#include "native/addon/text.h"

#include <cstdint>
#include <cstring>

#include "native/addon/errors.h"

namespace crabkv::addon {

namespace {

bool IsAscii(std::string_view bytes) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  const char* at = bytes.data();
  size_t left = bytes.size();
  uint64_t seen = 0;
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, at, 8);
    seen |= word;
  }
  uint64_t last = 0;
  if (left > 0) std::memcpy(&last, at, left);
  return ((seen | last) & kHighBits) == 0;
}

}  // namespace

napi_value MakeText(napi_env env, std::string_view bytes) {
  napi_value text;
  // Latin-1 strings are copied as they are; UTF-8 has to be decoded, even where it is ASCII.
  const napi_status status = IsAscii(bytes) ? napi_create_string_latin1(env, bytes.data(), bytes.size(), &text)
                                            : napi_create_string_utf8(env, bytes.data(), bytes.size(), &text);
  if (status == napi_ok) return text;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) ThrowRangeError(env, "the value is too long for a string; read it with valueEncoding: \"buffer\"");
  return nullptr;
}

napi_value MakeBuffer(napi_env env, std::string_view bytes) {
  napi_value buffer;
  void* data = nullptr;
  if (napi_create_buffer_copy(env, bytes.size(), bytes.data(), &data, &buffer) != napi_ok) return nullptr;
  return buffer;
}

}  // namespace crabkv::addon
