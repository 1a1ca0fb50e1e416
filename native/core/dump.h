// A segment's frames and records as text, for people and for golden tests. Reads the file alone: no store needs to be
// open.
#pragma once

#include <cstdint>
#include <string>

#include "native/core/env.h"

namespace crabkv {

// Appends the segment header (when `from_offset` is 0) and up to `frames_max` frames from `from_offset` on, a line each
// and an indented line per record. `*next_offset` is where to go on, 0 at the end. What is no valid frame is said in a
// line of its own and ends the dump: kCorruption then, with the text up to there. May block.
Status DumpSegment(Env* env, const std::string& path, uint64_t from_offset, uint32_t frames_max, std::string* text,
                   uint64_t* next_offset);

}  // namespace crabkv
