// Fills an index from hints, as reading their segments would have. Each range of slots is one piece of work: its blocks
// of all hints, in log order, slot by slot, so that a table is made once in the size that it needs and stays in the
// processor's cache meanwhile. Before the store exists; two threads where there is enough to do. May block.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "native/core/env.h"
#include "native/core/hint_format.h"
#include "native/core/index.h"

namespace crabkv {

// An open hint file whose head checked out.
struct HintFile {
  std::unique_ptr<File> file;
  HintHead head;
  std::array<uint64_t, kHintRanges> block_offsets;

  // False when there is no such hint (`*missing`), or it is of no use. When this succeeds, the file is as long as what
  // it says it holds.
  bool Open(Env* env, const std::string& directory, const HintIdentity& expected, bool* missing);
};

class HintLoader {
 public:
  HintLoader(Env* env, Index* index) : env_(env), index_(index) {}

  // Behind all that was added before, and that the index holds. `handle` is the segment's.
  void Add(std::unique_ptr<HintFile> hint, uint32_t handle) { hints_.push_back({std::move(hint), handle}); }
  bool empty() const { return hints_.empty(); }
  // Puts everything that was added into the index; `step` is called on the way, up to kHintRanges times. Or `*bad`
  // names a segment, by its handle, whose hint turned out to be damaged; what the index holds is worthless then.
  bool Load(const std::function<void()>& step, uint32_t* bad);

 private:
  struct Added {
    std::unique_ptr<HintFile> hint;
    uint32_t handle;
  };
  // A hint's block of the range in work, and how far it has been taken.
  struct Block {
    std::vector<char> bytes;
    uint32_t entries = 0;
    uint32_t next = 0;
    const char* next_deadline = nullptr;
    const HintEntry Entry(uint32_t i) const { return DecodeHintEntry(bytes.data() + i * HintEntry::kBytes); }
  };

  void LoadRanges(const std::function<void()>& step);
  bool LoadRange(uint32_t range, std::vector<Block>* blocks, IndexFiller* filler);
  bool ReadBlock(const Added& added, uint32_t range, Block* block) const;
  void LoadSlot(uint16_t slot, std::vector<Block>* blocks, IndexFiller* filler) const;

  Env* const env_;
  Index* const index_;
  std::vector<Added> hints_;  // in log order
  std::atomic<uint32_t> next_range_{0};
  std::atomic<uint32_t> done_ranges_{0};
  std::atomic<uint32_t> bad_{0};  // handle; 0: none
};

}  // namespace crabkv
