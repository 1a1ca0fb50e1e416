#include "native/protocol/key_scout.h"

#include "native/protocol/length_line.h"

namespace crabkv::protocol {

namespace {

// More than that many words, or a longer one, is work in which waiting for a key does not count.
constexpr uint32_t kWordsMax = 16;
// The hash of a longer one takes longer than the wait.
constexpr size_t kKeyBytesMax = 512;

}  // namespace

bool ScoutRequest(const char** at, const char* end, ScoutedRequest* request) {
  const char* p = *at;
  *request = ScoutedRequest();
  uint32_t words = 0;
  if (!TakeLength(&p, end, '*', &words) || words > kWordsMax) return false;
  request->reads_value = words == 2;
  for (uint32_t word = 0; word < words; word++) {
    uint32_t bytes = 0;
    if (!TakeLength(&p, end, '$', &bytes) || static_cast<uint64_t>(end - p) < uint64_t{bytes} + 2) return false;
    if (word == 1 && bytes <= kKeyBytesMax) request->key = std::string_view(p, bytes);
    p += bytes + 2;
  }
  *at = p;
  return true;
}

}  // namespace crabkv::protocol
