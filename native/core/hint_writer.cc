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
  records_.push_back({HintEntry::Make(hash, record.type, offset, record.record_bytes()), record.expires_at_ms});
}

// One record a key: what an index without the key, and one that has it, would make of the key's records in order.
void HintWriter::Reduce() {
  std::sort(records_.begin(), records_.end(), [](const Record& a, const Record& b) {
    if (a.entry.slot() != b.entry.slot()) return a.entry.slot() < b.entry.slot();
    if (!(a.entry.fingerprint == b.entry.fingerprint)) return a.entry.fingerprint < b.entry.fingerprint;
    return a.entry.offset() < b.entry.offset();
  });
  size_t kept = 0;
  for (size_t i = 0; i < records_.size(); i++) {
    Record& last = records_[kept == 0 ? 0 : kept - 1];
    const Record& next = records_[i];
    const bool same_key =
        kept != 0 && last.entry.slot() == next.entry.slot() && last.entry.fingerprint == next.entry.fingerprint;
    if (!same_key) {
      records_[kept++] = next;
    } else if (next.entry.type() != RecordType::kExpire) {
      last = next;
    } else if (last.entry.type() != RecordType::kDelete) {
      last.deadline_ms = next.deadline_ms;
    }
  }
  records_.resize(kept);
  for (Record& record : records_) {
    if (record.entry.type() != RecordType::kPut) record.entry.ForgetPlace();
    if (record.entry.type() == RecordType::kDelete) record.deadline_ms = 0;
    record.entry.set_has_deadline(record.deadline_ms != 0);
  }
}

void HintWriter::AppendBlock(size_t begin, size_t end, uint64_t salt, HintHead::Range* range,
                             std::string* block) const {
  range->entries = static_cast<uint32_t>(end - begin);
  block->assign(PadTo8((end - begin) * HintEntry::kBytes), '\0');
  for (size_t i = begin; i < end; i++) EncodeHintEntry(records_[i].entry, &(*block)[(i - begin) * HintEntry::kBytes]);
  for (size_t i = begin; i < end; i++) {
    if (!records_[i].entry.has_deadline()) continue;
    char bytes[8];
    PutU64(bytes, records_[i].deadline_ms);
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
  size_t next = 0;
  for (uint32_t i = 0; i < kHintRanges; i++) {
    const size_t begin = next;
    while (next < records_.size() && records_[next].entry.slot() / kHintSlotsInRange == i) next++;
    AppendBlock(begin, next, head->identity.salt, &head->ranges[i], &block);
    if (!block.empty()) CRABKV_RETURN_IF_ERROR(file->WriteAt(offset, block));
    offset += block.size();
  }
  char bytes[HintHead::kBytes];
  EncodeHintHead(*head, bytes);
  return file->WriteAt(0, std::string_view(bytes, sizeof(bytes)));
}

Status HintWriter::Write(Env* env, const std::string& directory, const HintIdentity& identity,
                         const SegmentSummary& summary, uint64_t* bytes) {
  *bytes = 0;
  Reduce();
  HintHead head;
  head.identity = identity;
  head.summary = summary;
  const auto with_deadline =
      std::count_if(records_.begin(), records_.end(), [](const Record& record) { return record.entry.has_deadline(); });
  const uint64_t estimate =
      HintHead::kBytes + records_.size() * HintEntry::kBytes + static_cast<uint64_t>(with_deadline) * 8;
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
