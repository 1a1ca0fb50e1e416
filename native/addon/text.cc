#include "native/addon/text.h"

#include <cstdint>
#include <cstring>

#include "native/addon/errors.h"

namespace crabkv::addon {

namespace {

// Whether the bytes are the same text in Latin-1 and in UTF-8.
bool IsAscii(std::string_view bytes) {
  constexpr size_t kWord = sizeof(uint64_t);
  constexpr uint64_t kHighBits = 0x8080808080808080;
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  uint64_t seen = 0;
  if (bytes.size() < kWord) {
    for (; at < end; at++) seen |= static_cast<unsigned char>(*at);
    return (seen & kHighBits) == 0;
  }
  const auto look = [&seen](const char* from) {
    uint64_t word;
    std::memcpy(&word, from, kWord);
    seen |= word;
  };
  for (; static_cast<size_t>(end - at) >= kWord; at += kWord) look(at);
  look(end - kWord);  // some of it for the second time
  return (seen & kHighBits) == 0;
}

}  // namespace

bool Narrow(const char16_t* units, size_t count, char* to) {
  char16_t seen = 0;
  for (size_t i = 0; i < count; i++) {
    seen |= units[i];
    to[i] = static_cast<char>(units[i]);
  }
  return seen < 0x80;
}

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
