#include "native/protocol/key_scout.h"

namespace crabkv::protocol {

namespace {

// More than that many words, or a longer one, is work in which waiting for a key does not count.
constexpr uint32_t kWordsMax = 16;
constexpr uint32_t kDigitsMax = 6;
// The hash of a longer one takes longer than the wait.
constexpr size_t kKeyBytesMax = 512;

// The number between `mark` and the end of the line; false for anything that is not plainly that.
bool TakeNumber(const char** at, const char* end, char mark, uint32_t* number) {
  const char* p = *at;
  if (p == end || *p != mark) return false;
  const char* const begin = ++p;
  uint32_t value = 0;
  while (p != end && *p >= '0' && *p <= '9' && p - begin < kDigitsMax) {
    value = value * 10 + static_cast<uint32_t>(*p++ - '0');
  }
  if (p == begin || end - p < 2 || p[0] != '\r' || p[1] != '\n') return false;
  *number = value;
  *at = p + 2;
  return true;
}

}  // namespace

bool ScoutRequest(const char** at, const char* end, ScoutedRequest* request) {
  const char* p = *at;
  *request = ScoutedRequest();
  uint32_t words = 0;
  if (!TakeNumber(&p, end, '*', &words) || words > kWordsMax) return false;
  request->reads_value = words == 2;
  for (uint32_t word = 0; word < words; word++) {
    uint32_t bytes = 0;
    if (!TakeNumber(&p, end, '$', &bytes) || static_cast<uint64_t>(end - p) < uint64_t{bytes} + 2) return false;
    if (word == 1 && bytes <= kKeyBytesMax) request->key = std::string_view(p, bytes);
    p += bytes + 2;
  }
  *at = p;
  return true;
}

}  // namespace crabkv::protocol
