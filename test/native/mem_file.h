// A file's bytes in memory, twice: as every process sees them (the page cache), and as power loss would leave them;
// between the two, a journal of the operations that were not synced. Not thread-safe: MemEnv's mutex guards it, except
// for reads through bytes(), which the store may do while it writes elsewhere in the file, as with a real mapping.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "test/native/harness.h"
#include "test/native/power_cut.h"

namespace crabkv::test {

class MemFile {
 public:
  // `bytes_max`: address space reserved, so that bytes() never moves. Memory is used only for what was written.
  MemFile(uint64_t inode, uint64_t bytes_max);
  ~MemFile();
  MemFile(const MemFile&) = delete;
  MemFile& operator=(const MemFile&) = delete;

  uint64_t inode() const { return inode_; }
  uint64_t bytes_max() const { return bytes_max_; }
  // Stable for the file's life; readable up to bytes_max(), zeros beyond size().
  const char* bytes() const { return bytes_; }
  uint64_t size() const { return size_; }

  // REQUIRES: offset + data.size() <= bytes_max(). `sequence` is the operation's number, for PowerCut.
  void Write(uint64_t offset, std::string_view data, uint64_t sequence);
  void Truncate(uint64_t size, uint64_t sequence);
  void Sync();
  // What Linux does when fdatasync fails: what was not synced stays readable and counts as clean, so no later Sync
  // makes it durable. With `cut`, a part reached the disk before the failure.
  void DropDirty(PowerCut* cut);
  void AddUnsynced(std::vector<uint64_t>* sequences) const;

  // The durable bytes; with `cut`, and a part of what was not synced (see CutContent in the .cc).
  std::shared_ptr<const std::string> AfterPowerCut(PowerCut* cut) const;
  // The same file in another process's life: both contents and the journal.
  std::shared_ptr<MemFile> Clone() const;
  // A file of which `content` is durable.
  static std::shared_ptr<MemFile> Durable(uint64_t inode, uint64_t bytes_max,
                                          std::shared_ptr<const std::string> content);

 private:
  // A write of `data` at `offset`, or a truncation: from the new size `offset` on, `cleared` bytes become zeros.
  struct Operation {
    bool truncate;
    uint64_t offset;
    std::string data;
    uint64_t cleared;
    uint64_t sequence;
    uint64_t end() const { return offset + (truncate ? cleared : data.size()); }
  };

  static void Apply(const Operation& operation, std::string* content);
  std::string CutContent(PowerCut* cut) const;
  // The part of operation number `index` that is in units which have seen more than `index` operations.
  static void ApplyToUnits(const Operation& operation, size_t index, const std::vector<uint32_t>& seen, uint64_t unit,
                           std::string* content);

  const uint64_t inode_;
  const uint64_t bytes_max_;
  char* const bytes_;
  uint64_t size_ = 0;
  uint64_t written_ = 0;  // behind it there have only ever been zeros
  std::shared_ptr<const std::string> durable_ = std::make_shared<std::string>();  // machines after a crash share it
  std::vector<Operation> journal_;                                                // since the last Sync, oldest first
};

}  // namespace crabkv::test
