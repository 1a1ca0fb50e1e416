// Patterns of KEYS, SCAN and PSUBSCRIBE: * ? [a-c] [^a] and \ before anything, as Redis' stringmatchlen reads them.
#pragma once

#include <string_view>

namespace crabkv::protocol {

bool MatchesGlob(std::string_view pattern, std::string_view text);

}  // namespace crabkv::protocol
