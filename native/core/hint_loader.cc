#include "native/core/hint_loader.h"

#include <algorithm>

#include "native/core/coding.h"
#include "native/core/index_filler.h"

namespace crabkv {

namespace {
// From so many entries on a second thread is worth starting.
constexpr uint64_t kSecondThreadEntries = 64 << 10;

// Whether the block is what HintWriter makes: entries in order, each in the range, PUTs inside of the segment.
bool IsOrdered(const char* entries, const HintHead& head, uint32_t range) {
  HintEntry before;
  uint32_t deadlines = 0;
  for (uint32_t i = 0; i < head.ranges[range].entries; i++) {
    const HintEntry entry = DecodeHintEntry(entries + i * HintEntry::kBytes);
    if (entry.slot() / kHintSlotsInRange != range || entry.type() == RecordType::kInvalid) return false;
    if (i != 0 && entry.slot() < before.slot()) return false;
    if (i != 0 && entry.slot() == before.slot() && !(before.fingerprint < entry.fingerprint)) return false;
    if (entry.type() == RecordType::kPut && entry.offset() + RecordHeader::kBytes > head.summary.end_offset) {
      return false;
    }
    if (entry.has_deadline()) deadlines++;
    before = entry;
  }
  return deadlines == head.ranges[range].deadlines;
}
}  // namespace

bool HintFile::Open(Env* env, const std::string& directory, const HintIdentity& expected, bool* missing) {
  const std::string path = directory + "/" + HintFileName(expected.kind, expected.number);
  bool exists = false;
  *missing = !env->Exists(path, &exists).ok() || !exists;
  if (*missing) return false;
  char bytes[HintHead::kBytes];
  uint64_t got = 0;
  uint64_t size = 0;
  if (!env->OpenFile(path, OpenMode::kRead, &file).ok() || !file->Size(&size).ok() ||
      !file->ReadAt(0, sizeof(bytes), bytes, &got).ok()) {
    return false;
  }
  if (!DecodeHintHead(std::string_view(bytes, got), expected, &head) || size != head.file_bytes()) return false;
  uint64_t offset = HintHead::kBytes;
  for (uint32_t i = 0; i < kHintRanges; i++) {
    block_offsets[i] = offset;
    offset += head.ranges[i].block_bytes();
  }
  return true;
}

bool HintLoader::ReadBlock(const Added& added, uint32_t range, Block* block) const {
  const HintHead::Range& described = added.hint->head.ranges[range];
  const uint64_t length = described.block_bytes();
  block->entries = described.entries;
  block->next = 0;
  if (block->bytes.size() < length) block->bytes.resize(length);
  uint64_t got = 0;
  char* const to = block->bytes.data();
  if (length != 0 && !added.hint->file->ReadAt(added.hint->block_offsets[range], length, to, &got).ok()) return false;
  if (got != length || HintBlockCrc(std::string_view(to, length), added.hint->head.identity.salt) != described.crc) {
    return false;
  }
  block->next_deadline = to + PadTo8(described.entries * HintEntry::kBytes);
  return IsOrdered(to, added.hint->head, range);
}

void HintLoader::LoadSlot(uint16_t slot, std::vector<Block>* blocks, IndexFiller* filler) const {
  uint64_t puts = 0;
  for (const Block& block : *blocks) {
    for (uint32_t i = block.next; i < block.entries; i++) {
      const HintEntry entry = block.Entry(i);
      if (entry.slot() != slot) break;
      if (entry.type() == RecordType::kPut) puts++;
    }
  }
  filler->Begin(slot, puts);
  for (size_t i = 0; i < blocks->size(); i++) {
    Block& block = (*blocks)[i];
    for (; block.next < block.entries; block.next++) {
      const HintEntry entry = block.Entry(block.next);
      if (entry.slot() != slot) break;
      uint64_t deadline_ms = 0;
      if (entry.has_deadline()) {
        deadline_ms = GetU64(block.next_deadline);
        block.next_deadline += 8;
      }
      if (entry.type() == RecordType::kPut) {
        filler->Put(entry.fingerprint, entry.InSegment(hints_[i].handle), deadline_ms);
      } else if (entry.type() == RecordType::kDelete) {
        filler->Erase(entry.fingerprint);
      } else {
        filler->SetDeadline(entry.fingerprint, deadline_ms);
      }
    }
  }
  filler->End();
}

bool HintLoader::LoadRange(uint32_t range, std::vector<Block>* blocks, IndexFiller* filler) {
  for (size_t i = 0; i < hints_.size(); i++) {
    if (ReadBlock(hints_[i], range, &(*blocks)[i])) continue;
    bad_.store(hints_[i].handle, std::memory_order_relaxed);
    return false;
  }
  for (uint32_t i = 0; i < kHintSlotsInRange; i++) {
    LoadSlot(static_cast<uint16_t>(range * kHintSlotsInRange + i), blocks, filler);
  }
  return true;
}

// Ranges are taken by whoever is free. No two threads work on one slot.
void HintLoader::LoadRanges(const std::function<void()>& step) {
  IndexFiller filler(index_);
  uint32_t told = 0;
  std::vector<Block> blocks(hints_.size());
  while (bad_.load(std::memory_order_relaxed) == 0) {
    const uint32_t range = next_range_.fetch_add(1, std::memory_order_relaxed);
    if (range >= kHintRanges || !LoadRange(range, &blocks, &filler)) break;
    done_ranges_.fetch_add(1, std::memory_order_relaxed);
    while (step != nullptr && told < done_ranges_.load(std::memory_order_relaxed)) {
      told++;
      step();
    }
  }
  filler.Count();
}

bool HintLoader::Load(const std::function<void()>& step, uint32_t* bad) {
  uint64_t entries = 0;
  for (const Added& added : hints_) entries += added.hint->head.entries();
  next_range_ = 0;
  done_ranges_ = 0;
  bad_ = 0;
  if (entries >= kSecondThreadEntries) {
    std::thread second = env_->StartThread("crabkv-open", [this] { LoadRanges(nullptr); });
    LoadRanges(step);
    second.join();
  } else {
    LoadRanges(step);
  }
  *bad = bad_.load(std::memory_order_relaxed);
  hints_.clear();
  return *bad == 0;
}

}  // namespace crabkv
