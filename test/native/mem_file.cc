// See mem_file.h.
#include "test/native/mem_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

namespace crabkv::test {

MemFile::MemFile(uint64_t inode, uint64_t bytes_max) : inode_(inode), bytes_max_(bytes_max) {
  void* const bytes =
      ::mmap(nullptr, bytes_max, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CRABKV_ASSERT(bytes != MAP_FAILED);
  bytes_ = static_cast<char*>(bytes);
}

MemFile::~MemFile() { ::munmap(bytes_, bytes_max_); }

void MemFile::Write(uint64_t offset, std::string_view data) {
  CRABKV_ASSERT(data.size() <= bytes_max_ && offset <= bytes_max_ - data.size());
  if (data.empty()) return;
  std::memcpy(bytes_ + offset, data.data(), data.size());
  size_ = std::max(size_, offset + data.size());
  journal_.push_back({false, offset, std::string(data), 0});
}

void MemFile::Truncate(uint64_t size) {
  CRABKV_ASSERT(size <= bytes_max_);
  const uint64_t cleared = size < size_ ? size_ - size : 0;
  std::memset(bytes_ + size, 0, cleared);
  size_ = size;
  journal_.push_back({true, size, std::string(), cleared});
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
  for (const Operation& operation : journal_) Apply(operation, &durable_);
  journal_.clear();
}

void MemFile::DropDirty(Random* keep) {
  if (keep != nullptr) durable_ = CutContent(durable_, journal_, keep);
  journal_.clear();
}

std::string MemFile::AfterPowerCut(Random* keep) const {
  return keep == nullptr ? durable_ : CutContent(durable_, journal_, keep);
}

std::shared_ptr<MemFile> MemFile::Clone() const {
  auto clone = std::make_shared<MemFile>(inode_, bytes_max_);
  std::memcpy(clone->bytes_, bytes_, size_);
  clone->size_ = size_;
  clone->durable_ = durable_;
  clone->journal_ = journal_;
  return clone;
}

std::shared_ptr<MemFile> MemFile::Durable(uint64_t inode, uint64_t bytes_max, std::string content) {
  auto file = std::make_shared<MemFile>(inode, bytes_max);
  std::memcpy(file->bytes_, content.data(), content.size());
  file->size_ = content.size();
  file->durable_ = std::move(content);
  return file;
}

// What the disk can hold when the power goes. Each operation is lost, kept, or (writes) torn, at random and whatever
// its age. A sector goes to disk from the page cache as it is at some moment, so one that has a kept operation has all
// the earlier ones as well; sectors are independent of each other. The size is one field of the inode: a truncation
// that is kept has all earlier ones in it, and one time in four the size of writes that were lost is there, with zeros
// for them.
std::string MemFile::CutContent(const std::string& durable, const std::vector<Operation>& journal, Random* keep) {
  enum class Fate : uint64_t { kLost, kKept, kTorn };
  std::vector<Fate> fates(journal.size());
  uint64_t end = durable.size();
  bool truncated_later = false;
  for (size_t index = journal.size(); index-- > 0;) {
    const Operation& operation = journal[index];
    end = std::max(end, operation.end());
    fates[index] = static_cast<Fate>(keep->Below(3));
    if (!operation.truncate) continue;
    truncated_later = truncated_later || fates[index] != Fate::kLost;
    fates[index] = truncated_later ? Fate::kKept : Fate::kLost;
  }

  // Per sector, how many operations of the journal it has seen.
  std::vector<size_t> seen((end + kSectorBytes - 1) / kSectorBytes, 0);
  uint64_t size = durable.size();
  uint64_t size_of_all = durable.size();
  for (size_t index = 0; index < journal.size(); ++index) {
    const Operation& operation = journal[index];
    size_of_all = operation.truncate ? operation.offset : std::max(size_of_all, operation.end());
    if (fates[index] == Fate::kLost) continue;
    if (operation.truncate) size = operation.offset;
    for (uint64_t sector = operation.offset / kSectorBytes; sector * kSectorBytes < operation.end(); ++sector) {
      if (fates[index] == Fate::kTorn && keep->OneIn(2)) continue;
      seen[sector] = index + 1;
      if (!operation.truncate) size = std::max(size, std::min(operation.end(), (sector + 1) * kSectorBytes));
    }
  }

  std::string content = durable;
  content.resize(end);
  for (size_t index = 0; index < journal.size(); ++index) ApplyToSectors(journal[index], index, seen, &content);
  content.resize(keep->OneIn(4) ? std::max(size, size_of_all) : size);
  return content;
}

void MemFile::ApplyToSectors(const Operation& operation, size_t index, const std::vector<size_t>& seen,
                             std::string* content) {
  for (uint64_t at = operation.offset; at < operation.end();) {
    const uint64_t sector = at / kSectorBytes;
    const uint64_t stop = std::min(operation.end(), (sector + 1) * kSectorBytes);
    if (seen[sector] > index) {
      if (operation.truncate) {
        content->replace(at, stop - at, stop - at, '\0');
      } else {
        content->replace(at, stop - at, operation.data, at - operation.offset, stop - at);
      }
    }
    at = stop;
  }
}

}  // namespace crabkv::test
