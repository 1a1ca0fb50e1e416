// The operations that changed a MemEnv's disk, in order, and what the users of a store had been told by then: enough to
// make every disk that a power cut could have left, afterwards and again. Kept in a file when such a disk is not as it
// should be.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace crabkv::test {

struct TraceStep {
  enum class Kind : uint8_t {
    kCreate,           // path gets a new, empty file with this inode
    kWrite,            // data, at offset
    kTruncate,         // to offset
    kSync,             // the file
    kRename,           // path to `to`
    kRemove,           // path
    kSyncDirectory,    // path
    kCreateDirectory,  // path
    kRemoveDirectory,  // path
    kLink,             // path is also `to`
    kPowerCut,         // with seed `offset`, see MemEnv::PowerCutKeepRandom
  };
  Kind kind = Kind::kWrite;
  uint64_t wall_ms = 0;
  uint64_t inode = 0;
  uint64_t offset = 0;
  std::string path;
  std::string to;
  std::string data;

  std::string Describe() const;
};

// From `step` on (so many had been taken), life number `life` of the store runs and must find up to these LSNs what was
// written: durable ones after a power cut, acknowledged ones when only the process died. The backup must show what was
// written up to `backup`, if not more; 0: there need not be one.
struct TraceNote {
  uint64_t step = 0;
  uint64_t life = 0;
  uint64_t acknowledged = 0;
  uint64_t durable = 0;
  uint64_t backup = 0;
};

// Filled by a MemEnv under its lock; read when nobody writes any more.
struct Trace {
  std::vector<TraceStep> steps;
  std::vector<TraceNote> notes;
};

// Numbers and strings back to back, for files that only these tests read.
class Packer {
 public:
  void Number(uint64_t value);
  void Text(std::string_view text);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class Unpacker {
 public:
  explicit Unpacker(std::string_view bytes) : bytes_(bytes) {}
  uint64_t Number();
  std::string Text();

 private:
  std::string_view bytes_;
};

void Pack(const Trace& trace, Packer* to);
void Unpack(Unpacker* from, Trace* trace);

}  // namespace crabkv::test
