// Checksums made right: what a fuzzer changed would else be refused before anything looks at it. Lengths and everything
// else stay as they are.
#pragma once

#include <cstdint>
#include <string>

namespace crabkv::fuzz {

// A segment's header, frames and records. `*chain` is the header CRC of the last frame, which the first one of the next
// segment is made to continue; 0 to begin with.
void MendSegment(std::string* bytes, uint32_t* chain);
void MendManifest(std::string* bytes);
// Its head and blocks.
void MendHint(std::string* bytes);

}  // namespace crabkv::fuzz
