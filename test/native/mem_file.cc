// See mem_file.h.
#include "test/native/mem_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "native/core/coding.h"
#include "native/core/sanitizers.h"

// Whoever still reads a file that is gone is found by ASan.
#if CRABKV_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(space, bytes) ASAN_POISON_MEMORY_REGION(space, bytes)
#define UNPOISON(space, bytes) ASAN_UNPOISON_MEMORY_REGION(space, bytes)
#else
#define POISON(space, bytes) static_cast<void>(0)
#define UNPOISON(space, bytes) static_cast<void>(0)
#endif

namespace crabkv::test {

namespace {

// Address space, all of it zeros. Some is kept of files that are gone: a test may make a hundred thousand of a few
// kilobytes, and to map and to unmap makes all threads of a process wait for each other.
class Spaces {
 public:
  static Spaces& All() {
    static Spaces* const spaces = new Spaces();
    return *spaces;
  }
  char* Take(uint64_t bytes) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto kept =
          std::find_if(kept_.begin(), kept_.end(), [=](const Kept& space) { return space.bytes == bytes; });
      if (kept != kept_.end()) return Remove(kept);
    }
    void* const space =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CRABKV_ASSERT(space != MAP_FAILED);
    return static_cast<char*>(space);
  }
  // `written`: what is behind it is zeros still.
  void Give(char* space, uint64_t bytes, uint64_t written) {
    constexpr size_t kKeptMax = 64;
    if (written > kWrittenMax) {
      ::munmap(space, bytes);
      return;
    }
    std::memset(space, 0, written);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (kept_.size() == kKeptMax) {
      const uint64_t oldest_bytes = kept_.front().bytes;
      ::munmap(Remove(kept_.begin()), oldest_bytes);
    }
    POISON(space, std::min(bytes, kWrittenMax));
    kept_.push_back({space, bytes});
  }

 private:
  struct Kept {
    char* space;
    uint64_t bytes;
  };
  // Written of a space that is kept, at most: to make more of it zeros again would take longer than to unmap it.
  static constexpr uint64_t kWrittenMax = 256 << 10;

  char* Remove(std::vector<Kept>::iterator kept) {
    char* const space = kept->space;
    UNPOISON(space, std::min(kept->bytes, kWrittenMax));
    kept_.erase(kept);
    return space;
  }

  std::mutex mutex_;
  std::vector<Kept> kept_;
};

// Up to the last byte that is no zero, or a few more.
uint64_t WithoutZeros(const std::string& content) {
  uint64_t end = content.size();
  while (end >= 8 && GetU64(&content[end - 8]) == 0) end -= 8;
  return end;
}

}  // namespace

MemFile::MemFile(uint64_t inode, uint64_t bytes_max)
    : inode_(inode), bytes_max_(bytes_max), bytes_(Spaces::All().Take(bytes_max)) {}

MemFile::~MemFile() { Spaces::All().Give(bytes_, bytes_max_, written_); }

void MemFile::Write(uint64_t offset, std::string_view data, uint64_t sequence) {
  CRABKV_ASSERT(data.size() <= bytes_max_ && offset <= bytes_max_ - data.size());
  if (data.empty()) return;
  std::memcpy(bytes_ + offset, data.data(), data.size());
  written_ = std::max(written_, offset + data.size());
  size_ = std::max(size_, offset + data.size());
  journal_.push_back({false, offset, std::string(data), 0, sequence});
}

void MemFile::Truncate(uint64_t size, uint64_t sequence) {
  CRABKV_ASSERT(size <= bytes_max_);
  const uint64_t cleared = size < size_ ? size_ - size : 0;
  std::memset(bytes_ + size, 0, cleared);
  size_ = size;
  journal_.push_back({true, size, std::string(), cleared, sequence});
}

void MemFile::Apply(const Operation& operation, std::string* content) {
  if (operation.truncate) {
    content->resize(operation.offset);
    return;
  }
  if (content->size() < operation.end()) content->resize(operation.end());
  content->replace(operation.offset, operation.data.size(), operation.data);
}

void MemFile::Sync() {
  if (journal_.empty()) return;
  std::string content = *durable_;
  for (const Operation& operation : journal_) Apply(operation, &content);
  durable_ = std::make_shared<const std::string>(std::move(content));
  journal_.clear();
}

void MemFile::DropDirty(PowerCut* cut) {
  if (cut != nullptr) durable_ = std::make_shared<const std::string>(CutContent(cut));
  journal_.clear();
}

void MemFile::AddUnsynced(std::vector<uint64_t>* sequences) const {
  for (const Operation& operation : journal_) sequences->push_back(operation.sequence);
}

std::shared_ptr<const std::string> MemFile::AfterPowerCut(PowerCut* cut) const {
  if (cut == nullptr || journal_.empty()) return durable_;
  return std::make_shared<const std::string>(CutContent(cut));
}

std::shared_ptr<MemFile> MemFile::Clone() const {
  auto clone = std::make_shared<MemFile>(inode_, bytes_max_);
  std::memcpy(clone->bytes_, bytes_, std::min(size_, written_));
  clone->written_ = std::min(size_, written_);
  clone->size_ = size_;
  clone->durable_ = durable_;
  clone->journal_ = journal_;
  return clone;
}

std::shared_ptr<MemFile> MemFile::Durable(uint64_t inode, uint64_t bytes_max,
                                          std::shared_ptr<const std::string> content) {
  auto file = std::make_shared<MemFile>(inode, bytes_max);
  // Space made ahead is zeros, which new memory is already.
  file->written_ = WithoutZeros(*content);
  std::memcpy(file->bytes_, content->data(), file->written_);
  file->size_ = content->size();
  file->durable_ = std::move(content);
  return file;
}

// What the disk can hold when the power goes. Each operation is lost, kept, or (writes) torn, whatever its age. A unit
// (a sector, mostly) goes to disk from the page cache as it is at some moment, so one that has a kept operation has all
// the earlier ones as well; units are independent of each other. The size is one field of the inode: a truncation
// that is kept has all earlier ones in it, and one time in four the size of writes that were lost is there, with zeros
// for them.
std::string MemFile::CutContent(PowerCut* cut) const {
  using Fate = PowerCut::Fate;
  std::vector<Fate> fates(journal_.size());
  uint64_t end = durable_->size();
  bool truncated_later = false;
  for (size_t index = journal_.size(); index-- > 0;) {
    const Operation& operation = journal_[index];
    end = std::max(end, operation.end());
    fates[index] = cut->OfBytes(inode_, operation.sequence);
    if (!operation.truncate) continue;
    truncated_later = truncated_later || fates[index] != Fate::kLost;
    fates[index] = truncated_later ? Fate::kKept : Fate::kLost;
  }

  // Per unit, how many operations of the journal it has seen.
  const uint64_t unit_bytes = cut->unit_bytes();
  std::vector<uint32_t> seen((end + unit_bytes - 1) / unit_bytes, 0);
  uint64_t size = durable_->size();
  uint64_t size_of_all = durable_->size();
  for (size_t index = 0; index < journal_.size(); ++index) {
    const Operation& operation = journal_[index];
    size_of_all = operation.truncate ? operation.offset : std::max(size_of_all, operation.end());
    if (fates[index] == Fate::kLost) continue;
    if (operation.truncate) size = operation.offset;
    for (uint64_t unit = operation.offset / unit_bytes; unit * unit_bytes < operation.end(); ++unit) {
      if (fates[index] == Fate::kTorn && !cut->KeepsUnit()) continue;
      seen[unit] = static_cast<uint32_t>(index + 1);
      if (!operation.truncate) size = std::max(size, std::min(operation.end(), (unit + 1) * unit_bytes));
    }
  }

  std::string content = *durable_;
  content.resize(end);
  for (size_t index = 0; index < journal_.size(); ++index) {
    ApplyToUnits(journal_[index], index, seen, unit_bytes, &content);
  }
  content.resize(cut->KeepsLength() ? std::max(size, size_of_all) : size);
  return content;
}

void MemFile::ApplyToUnits(const Operation& operation, size_t index, const std::vector<uint32_t>& seen, uint64_t unit,
                           std::string* content) {
  for (uint64_t at = operation.offset; at < operation.end();) {
    // Neighbours that share its fate go with it.
    const bool applies = seen[at / unit] > index;
    uint64_t stop = at;
    while (stop < operation.end() && (seen[stop / unit] > index) == applies) {
      stop = std::min(operation.end(), (stop / unit + 1) * unit);
    }
    if (applies && operation.truncate) {
      content->replace(at, stop - at, stop - at, '\0');
    } else if (applies) {
      content->replace(at, stop - at, operation.data, at - operation.offset, stop - at);
    }
    at = stop;
  }
}

}  // namespace crabkv::test
