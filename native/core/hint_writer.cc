#include "native/core/hint_writer.h"

#include <algorithm>

#include "native/core/coding.h"

namespace crabkv {

namespace {
// A hint takes at most this part of its segment's length. Where records are smaller, reading them is as good.
constexpr uint64_t kSegmentShare = 3;
// And at most this part of the free space: the log needs it more.
constexpr uint64_t kFreeShare = 4;
}  // namespace

void HintWriter::Add(const KeyHash& hash, const RecordHeader& record, uint64_t offset) {
  if (!fits()) return;
  const HintEntry entry = HintEntry::Make(hash, record.type, offset, record.record_bytes());
  ranges_[hash.slot / kHintSlotsInRange].push_back({entry, record.expires_at_ms});
  added_++;
}

// One record a key: what an index without the key, and one that has it, would make of the key's records in order.
void HintWriter::Reduce(Records* records) {
  std::sort(records->begin(), records->end(), [](const Record& a, const Record& b) {
    if (a.entry.slot() != b.entry.slot()) return a.entry.slot() < b.entry.slot();
    if (!(a.entry.fingerprint == b.entry.fingerprint)) return a.entry.fingerprint < b.entry.fingerprint;
    return a.entry.offset() < b.entry.offset();
  });
  size_t kept = 0;
  for (size_t i = 0; i < records->size(); i++) {
    Record& last = (*records)[kept == 0 ? 0 : kept - 1];
    const Record& next = (*records)[i];
    const bool same_key =
        kept != 0 && last.entry.slot() == next.entry.slot() && last.entry.fingerprint == next.entry.fingerprint;
    if (!same_key) {
      (*records)[kept++] = next;
    } else if (next.entry.type() != RecordType::kExpire) {
      last = next;
    } else if (last.entry.type() != RecordType::kDelete) {
      last.deadline_ms = next.deadline_ms;
    }
  }
  records->resize(kept);
  for (Record& record : *records) {
    if (record.entry.type() != RecordType::kPut) record.entry.ForgetPlace();
    if (record.entry.type() == RecordType::kDelete) record.deadline_ms = 0;
    record.entry.set_has_deadline(record.deadline_ms != 0);
  }
}

void HintWriter::EncodeBlock(const Records& records, uint64_t salt, HintHead::Range* range, std::string* block) {
  range->entries = static_cast<uint32_t>(records.size());
  block->assign(PadTo8(records.size() * HintEntry::kBytes), '\0');
  char* to = block->data();
  for (const Record& record : records) {
    EncodeHintEntry(record.entry, to);
    to += HintEntry::kBytes;
  }
  for (const Record& record : records) {
    if (!record.entry.has_deadline()) continue;
    char bytes[8];
    PutU64(bytes, record.deadline_ms);
    block->append(bytes, sizeof(bytes));
    range->deadlines++;
  }
  range->crc = HintBlockCrc(*block, salt);
}

Status HintWriter::WriteFile(Env* env, const std::string& path, HintHead* head) {
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(env->OpenFile(path, OpenMode::kCreate, &file));
  std::string block;
  uint64_t offset = HintHead::kBytes;
  for (uint32_t i = 0; i < kHintRanges; i++) {
    EncodeBlock(ranges_[i], head->identity.salt, &head->ranges[i], &block);
    if (!block.empty()) CRABKV_RETURN_IF_ERROR(file->WriteAt(offset, block));
    offset += block.size();
  }
  char bytes[HintHead::kBytes];
  EncodeHintHead(*head, bytes);
  return file->WriteAt(0, std::string_view(bytes, sizeof(bytes)));
}

// Of what Reduce left.
uint64_t HintWriter::EstimatedBytes() const {
  uint64_t bytes = HintHead::kBytes;
  for (const Records& records : ranges_) {
    const auto with_deadline =
        std::count_if(records.begin(), records.end(), [](const Record& record) { return record.entry.has_deadline(); });
    bytes += records.size() * HintEntry::kBytes + static_cast<uint64_t>(with_deadline) * 8;
  }
  return bytes;
}

Status HintWriter::Write(Env* env, const std::string& directory, const HintIdentity& identity,
                         const SegmentSummary& summary, uint64_t* bytes) {
  *bytes = 0;
  for (Records& records : ranges_) Reduce(&records);
  HintHead head;
  head.identity = identity;
  head.summary = summary;
  const uint64_t estimate = EstimatedBytes();
  if (estimate > identity.segment_bytes / kSegmentShare) return Status::Ok();
  uint64_t available = 0;
  CRABKV_RETURN_IF_ERROR(env->FreeSpace(directory, &available));
  if (estimate > available / kFreeShare) return Status::Error(Code::kDiskFull, "no space for a hint");
  const std::string path = directory + "/" + HintFileName(identity.kind, identity.number);
  const std::string temporary = path + ".tmp";
  bool leftover = false;
  CRABKV_RETURN_IF_ERROR(env->Exists(temporary, &leftover));
  if (leftover) CRABKV_RETURN_IF_ERROR(env->Remove(temporary));
  Status status = WriteFile(env, temporary, &head);
  if (status.ok()) status = env->Rename(temporary, path);
  if (!status.ok()) {
    // Best effort: the next opening removes it.
    const Status ignored = env->Remove(temporary);
    static_cast<void>(ignored);
    return status;
  }
  *bytes = head.file_bytes();
  return Status::Ok();
}

}  // namespace crabkv
