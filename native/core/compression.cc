#include "native/core/compression.h"

#include <cstdint>
#include <limits>

// snappy.h does not compile without a warning under our flags.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wshadow"
#include "snappy.h"
#pragma GCC diagnostic pop

namespace crabkv {

bool CompressSnappy(std::string_view raw, ReadBuffer* out) {
  if (raw.empty() || raw.size() > std::numeric_limits<uint32_t>::max()) return false;
  const uint64_t before = out->size();
  size_t stored_bytes = 0;
  snappy::RawCompress(raw.data(), raw.size(), out->Extend(snappy::MaxCompressedLength(raw.size())), &stored_bytes);
  if (stored_bytes >= raw.size()) {
    out->Shrink(before);
    return false;
  }
  out->Shrink(before + stored_bytes);
  return true;
}

bool DecompressSnappy(std::string_view stored, uint64_t raw_bytes, char* out) {
  size_t declared = 0;
  if (!snappy::GetUncompressedLength(stored.data(), stored.size(), &declared)) return false;
  if (declared != raw_bytes) return false;
  return snappy::RawUncompress(stored.data(), stored.size(), out);
}

}  // namespace crabkv
