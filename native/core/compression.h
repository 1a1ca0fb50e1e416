// Google's Snappy behind two functions that know our bounds. The sources are not in this repository:
// native/scripts/vendor-snappy.mjs puts them in native/.deps. Any thread; owns nothing.
#pragma once

#include <cstdint>
#include <string_view>

#include "native/core/read_buffer.h"

namespace crabkv {

// Appends `raw` compressed to `out` when that is smaller than `raw` itself, and says whether it did. False, and `out`
// as before, for what does not get smaller or is over 4 GiB.
bool CompressSnappy(std::string_view raw, ReadBuffer* out);

// Writes exactly `raw_bytes` bytes to `out`. False when `stored` is not a Snappy text of exactly that length, which is
// looked at before anything is decompressed; then `out` may hold anything, but nothing beyond it was touched.
bool DecompressSnappy(std::string_view stored, uint64_t raw_bytes, char* out);

}  // namespace crabkv
