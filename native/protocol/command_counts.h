// How often each command was called, how often it failed, and how long it took. Of one server; written and read by the
// thread that feeds its sessions.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/protocol/command.h"

namespace crabkv::protocol {

// Upper bounds of the buckets of times, in nanoseconds; what takes longer is in one bucket more.
constexpr uint64_t kLatencyBoundsNs[] = {10'000,     50'000,     100'000,     500'000,     1'000'000,    5'000'000,
                                         10'000'000, 50'000'000, 100'000'000, 500'000'000, 1'000'000'000};
constexpr size_t kLatencyBuckets = sizeof(kLatencyBoundsNs) / sizeof(kLatencyBoundsNs[0]) + 1;

// Only figures for people come of it, so it is not the Env's.
inline uint64_t MonotonicNs() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
}

struct CommandFigures {
  uint64_t calls = 0;
  uint64_t failed = 0;  // answered with an error
  // While times are taken: the sum, and how many were up to each bound.
  uint64_t ns = 0;
  uint64_t buckets[kLatencyBuckets] = {};
};

struct CommandCounts {
  // Looking at the clock costs a few percent of a short command, so it is done only for those who want to know.
  bool timed = false;
  // By IndexOf(command); the last one is for what is no command.
  std::vector<CommandFigures> by_command = std::vector<CommandFigures>(CommandCount() + 1);
  // Keys that commands looked up to read them: whether they were there.
  uint64_t keys_found = 0;
  uint64_t keys_missed = 0;

  void Add(const Command* command, bool failed) {
    CommandFigures& count = At(command);
    count.calls++;
    if (failed) count.failed++;
  }
  void Reset() {
    by_command.assign(by_command.size(), CommandFigures());
    keys_found = 0;
    keys_missed = 0;
  }
  void AddTime(const Command* command, uint64_t ns) {
    CommandFigures& count = At(command);
    count.ns += ns;
    size_t bucket = 0;
    while (bucket < kLatencyBuckets - 1 && ns > kLatencyBoundsNs[bucket]) bucket++;
    count.buckets[bucket]++;
  }

 private:
  CommandFigures& At(const Command* command) {
    return command == nullptr ? by_command.back() : by_command[IndexOf(*command)];
  }
};

}  // namespace crabkv::protocol
