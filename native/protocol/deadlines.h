// Times as commands give them: seconds or milliseconds, from now or from 1970, as the store's deadlines.
#pragma once

#include <cstdint>
#include <string_view>

#include "native/protocol/command.h"

namespace crabkv::protocol {

struct TimeForm {
  bool seconds = false;
  bool absolute = false;
};

enum class TimeCheck : uint8_t { kGood, kNoInteger, kInvalid };

// The deadline in wall-clock ms of a time that must lie after zero (SET … EX). kInvalid: not, or beyond 64 bits.
TimeCheck ParseDeadline(std::string_view text, TimeForm form, uint64_t now_ms, uint64_t* deadline_ms);
// Writes the error of a check that is not kGood.
Run AnswerTimeError(Call& call, TimeCheck check, std::string_view command);

}  // namespace crabkv::protocol
