// What a session keeps while MULTI is on, or a command has been changed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "native/protocol/session.h"

namespace crabkv::protocol {

struct Session::Queued {
  const Command* command = nullptr;
  std::vector<char> bytes;  // of the arguments, which point here (a string would take short ones along when it moves)
  std::vector<std::string_view> arguments;
  bool proceeds = false;  // it went up, and runs here all the same
  bool answered = false;  // it went up, and this is what came back
  std::string answer;

  // Copies the words, which may be among those that it has.
  void Keep(const std::vector<std::string_view>& words);
};

struct Session::MultiState {
  std::vector<Queued> queue;
  uint64_t queued_bytes = 0;
  uint64_t queued_words = 0;
  uint64_t answered_bytes = 0;  // kept of commands that went up
  bool writes = false;          // a command of the queue does
  bool spoiled = false;         // a command was refused: EXEC will be, too
  bool executing = false;       // EXEC is under way
  size_t next = 0;              // the command that EXEC is at
  // The reply so far, while EXEC waits (with `next` 0: of no use): nobody may see it before the end, which can still be
  // another one.
  ReadBuffer partial;
};

}  // namespace crabkv::protocol
